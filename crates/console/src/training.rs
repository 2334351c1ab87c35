//! What the trainer service says about its runs, and how long the one under way will take.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use dayvec_proto::trainer::v1::trainer_client::TrainerClient;
use dayvec_proto::trainer::v1::{ListRunsRequest, Progress, Run};
use dayvec_runtime::authentication::Token;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use url::Url;

use crate::fresh::Fresh;
use crate::outage::Outage;
use crate::replicas::{channel, outage, within};

/// The trainer service.
#[derive(Debug)]
pub(crate) struct Trainer {
    url: Url,
    client: TrainerClient<InterceptedService<Channel, Token>>,
    timeout: Duration,
    shown: u32,
    began: Mutex<Option<Began>>,
    fresh: Fresh<Result<Arc<Vec<Shown>>, Outage>>,
}

/// Where a run was when it was first seen: what its speed is counted from.
#[derive(Debug, Clone, Copy)]
struct Began {
    number: u64,
    step: u64,
    at: Instant,
}

/// A run as it is shown.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    pub(crate) run: Run,
    /// Seconds that training will take from here, at the speed seen so far.
    pub(crate) left_s: Option<f64>,
}

impl Trainer {
    /// # Errors
    /// When the address is none.
    pub(crate) fn new(url: &Url, token: Token, timeout: Duration, shown: usize) -> anyhow::Result<Self> {
        let client = TrainerClient::with_interceptor(channel(url, timeout)?, token);
        let (began, fresh) = (Mutex::default(), Fresh::default());
        Ok(Self {
            url: url.clone(),
            client,
            timeout,
            shown: u32::try_from(shown).unwrap_or(u32::MAX),
            began,
            fresh,
        })
    }

    /// The newest runs, newest first, as of two seconds ago at most.
    pub(crate) async fn runs(&self) -> Result<Arc<Vec<Shown>>, Outage> {
        self.fresh.get(self.ask()).await
    }

    async fn ask(&self) -> Result<Arc<Vec<Shown>>, Outage> {
        let request = ListRunsRequest { limit: self.shown };
        let listed = within(self.timeout, self.client.clone().list_runs(request)).await;
        let listed = listed.map_err(|status| outage(&self.url, &status))?;
        let shown = |run: Run| {
            let left_s = run.progress.as_ref().and_then(|progress| self.left_s(run.number, progress));
            Shown { run, left_s }
        };
        Ok(Arc::new(listed.runs.into_iter().map(shown).collect()))
    }

    fn left_s(&self, number: u64, progress: &Progress) -> Option<f64> {
        if progress.stage != "train" {
            return None;
        }
        let now = Began { number, step: progress.step, at: Instant::now() };
        let mut began = self.began.lock().unwrap_or_else(PoisonError::into_inner);
        let first = match *began {
            Some(first) if first.number == number && first.step <= now.step => first,
            _ => *began.insert(now),
        };
        left_s(first, now, progress.steps)
    }
}

fn left_s(first: Began, now: Began, steps: u64) -> Option<f64> {
    let done = now.step - first.step;
    let each_s = now.at.duration_since(first.at).as_secs_f64() / done as f64;
    (done > 0).then(|| steps.saturating_sub(now.step) as f64 * each_s)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_takes_as_long_as_what_was_seen() {
        let first = Began { number: 1, step: 100, at: Instant::now() };
        assert_eq!(left_s(first, first, 300), None);
        let now = Began { step: 150, at: first.at + Duration::from_secs(10), ..first };
        assert_eq!(left_s(first, now, 300), Some(30.0));
    }
}
