//! A value that is read again once it is older than two seconds, by one reader at a time: however many people look at
//! the page, each source is asked no more often than that.

use std::future::Future;
use std::time::{Duration, Instant};

use tokio::sync::Mutex;

/// How long a value is shown without being read again: people reload faster than that, but things change slower.
const MAX_AGE: Duration = Duration::from_secs(2);

/// The last value, and when it was read.
#[derive(Debug)]
pub(crate) struct Cached<T>(Mutex<Option<(Instant, T)>>);

impl<T> Default for Cached<T> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<T: Clone> Cached<T> {
    /// The last value while it is recent, else the result of `read`.
    pub(crate) async fn get(&self, read: impl Future<Output = T>) -> T {
        let mut last = self.0.lock().await;
        if let Some((at, value)) = &*last
            && at.elapsed() < MAX_AGE
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
    async fn a_recent_value_is_not_read_again() {
        let cached = Cached::default();
        assert_eq!(cached.get(async { 1 }).await, 1);
        assert_eq!(cached.get(async { unreachable!("the value is recent") }).await, 1);
    }
}
