//! A value that is read anew when it is older than two seconds, by one reader at a time: however many people look at
//! the page, what is behind it is asked no more often than that.

use std::future::Future;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

/// How long a value is good: people reload faster than that, but things change slower.
const GOOD_FOR: Duration = Duration::from_secs(2);

/// The last value, and when it was read.
#[derive(Debug)]
pub(crate) struct Fresh<T>(Mutex<Option<(Instant, T)>>);

impl<T> Default for Fresh<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T: Clone> Fresh<T> {
    /// The last value while it is good, else what `read` gives.
    pub(crate) async fn get(&self, read: impl Future<Output = T>) -> T {
        let mut last = self.0.lock().await;
        if let Some((at, value)) = &*last
            && at.elapsed() < GOOD_FOR
        {
            return value.clone();
        }
        let value = read.await;
        *last = Some((Instant::now(), value.clone()));
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_second_look_costs_nothing() {
        let fresh = Fresh::default();
        assert_eq!(fresh.get(async { 1 }).await, 1);
        assert_eq!(fresh.get(async { unreachable!("it is fresh") }).await, 1);
    }
}
