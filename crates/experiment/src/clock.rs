//! Seconds of a training over all its starts, its loss curve, and when the next checkpoint is due.

use std::time::{Duration, Instant};

use crate::progress::StepProgress;
use crate::training_folder::ResumeState;

/// Points of a loss curve, about.
const CURVE_POINTS: u64 = 200;

/// Keeps the [`ResumeState`] of a training that runs.
#[derive(Debug)]
pub(crate) struct TrainingClock {
    resumed: ResumeState,
    started: Instant,
    saved: Instant,
}

impl TrainingClock {
    /// Start, or go on from the state of a checkpoint.
    pub(crate) fn start(resumed: ResumeState) -> Self {
        let now = Instant::now();
        Self { resumed, started: now, saved: now }
    }

    /// The state after `step` steps.
    pub(crate) fn state(&self, step: u64) -> ResumeState {
        let elapsed_s = self.resumed.elapsed_s + self.started.elapsed().as_secs_f64();
        ResumeState { step, elapsed_s, ..self.resumed.clone() }
    }

    /// Add a point to the loss curve now and then.
    pub(crate) fn record(&mut self, progress: &StepProgress) {
        let every = (progress.steps / CURVE_POINTS).max(1);
        if progress.step.is_multiple_of(every) || progress.step == progress.steps {
            self.resumed.curve.push((progress.step, progress.loss));
        }
    }

    /// A checkpoint was saved now.
    pub(crate) fn saved(&mut self) {
        self.saved = Instant::now();
    }

    pub(crate) fn since_saved(&self) -> Duration {
        self.saved.elapsed()
    }
}
