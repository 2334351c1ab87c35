//! The training runs of the trainer service, and how long the current one will take.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use dayvec_proto::trainer::v1::trainer_client::TrainerClient;
use dayvec_proto::trainer::v1::{ListRunsRequest, Progress, Run};
use dayvec_runtime::authentication::Token;
use dayvec_runtime::client::{Connection, Target, within};
use url::Url;

use crate::cached::Cached;
use crate::calls::outage;
use crate::outage::Outage;

/// The stage in which steps are taken, as `Progress.stage` names it.
const TRAIN_STAGE: &str = "train";

/// The trainer service.
#[derive(Debug)]
pub(crate) struct Trainer {
    url: Url,
    client: TrainerClient<Connection>,
    timeout: Duration,
    /// Runs that are shown.
    limit: u32,
    /// The first step count that was seen of the current run: its speed is measured from there.
    first_seen: Mutex<Option<StepCount>>,
    cached: Cached<Result<Arc<Vec<TrainingRun>>, Outage>>,
}

/// How many steps a run had taken at some time.
#[derive(Debug, Clone, Copy)]
struct StepCount {
    run_number: u64,
    step: u64,
    at: Instant,
}

/// A training run, with what it is doing now.
#[derive(Debug, Clone)]
pub(crate) struct TrainingRun {
    pub(crate) run: Run,
    /// `None` unless it is running.
    pub(crate) stage: Option<Stage>,
}

/// What a running training is doing.
#[derive(Debug, Clone)]
pub(crate) enum Stage {
    /// It takes steps.
    Steps {
        step: u64,
        steps: u64,
        loss: f64,
        /// Seconds until the last step, at the speed seen so far.
        left_s: Option<f64>,
    },
    /// It prepares or measures; named as in `Progress.stage`.
    Other(String),
}

impl Trainer {
    /// # Errors
    /// When the address is not valid.
    pub(crate) fn new(url: &Url, token: Token, timeout: Duration, limit: usize) -> anyhow::Result<Self> {
        let target = Target::of_url(url).map_err(anyhow::Error::msg)?.with_timeout(timeout);
        let client = TrainerClient::new(target.connect_lazily(token));
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        let (first_seen, cached) = (Mutex::default(), Cached::default());
        Ok(Self { url: url.clone(), client, timeout, limit, first_seen, cached })
    }

    /// The newest runs, newest first, at most two seconds old.
    pub(crate) async fn runs(&self) -> Result<Arc<Vec<TrainingRun>>, Outage> {
        self.cached.get(self.list()).await
    }

    async fn list(&self) -> Result<Arc<Vec<TrainingRun>>, Outage> {
        let request = ListRunsRequest { limit: self.limit };
        let listed = within(self.timeout, self.client.clone().list_runs(request)).await;
        let listed = listed.map_err(|status| outage(&self.url, &status))?;
        let with_stage = |run: Run| {
            let stage = run.progress.as_ref().map(|progress| self.stage(run.number, progress));
            TrainingRun { run, stage }
        };
        Ok(Arc::new(listed.runs.into_iter().map(with_stage).collect()))
    }

    fn stage(&self, run_number: u64, progress: &Progress) -> Stage {
        if progress.stage != TRAIN_STAGE {
            return Stage::Other(progress.stage.clone());
        }
        let &Progress { step, steps, loss, .. } = progress;
        let now = StepCount { run_number, step, at: Instant::now() };
        let mut first_seen = self.first_seen.lock().unwrap_or_else(PoisonError::into_inner);
        let first = match *first_seen {
            Some(first) if first.run_number == run_number && first.step <= step => first,
            _ => *first_seen.insert(now),
        };
        Stage::Steps { step, steps, loss, left_s: left_s(first, now, steps) }
    }
}

fn left_s(first: StepCount, now: StepCount, steps: u64) -> Option<f64> {
    let done = now.step - first.step;
    let seconds_per_step = now.at.duration_since(first.at).as_secs_f64() / done as f64;
    (done > 0).then(|| steps.saturating_sub(now.step) as f64 * seconds_per_step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_remaining_steps_take_as_long_as_those_seen() {
        let first = StepCount { run_number: 1, step: 100, at: Instant::now() };
        assert_eq!(left_s(first, first, 300), None);
        let now = StepCount { step: 150, at: first.at + Duration::from_secs(10), ..first };
        assert_eq!(left_s(first, now, 300), Some(30.0));
    }
}
