//! What a training reports while it goes, and how long its stages take.

use std::time::Instant;

use dayvec_core::Day;
use dayvec_report::StageSeconds;

/// One thing that a training reports.
#[derive(Debug, Clone, PartialEq)]
pub enum TrainingProgress {
    /// The log was read: from now on the training has a name and a cut-off.
    Named {
        /// Name of the model that is trained.
        model_id: String,
        /// First day that the training does not see.
        cut_off: Day,
    },
    /// A stage begins: `read_events`, `items`, `train`, `evaluate`.
    Stage(&'static str),
    /// A step is done.
    Step(StepProgress),
}

/// How far the training loop is.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct StepProgress {
    /// Steps done.
    pub step: u64,
    /// Steps of the whole training.
    pub steps: u64,
    /// Running mean of the loss over about the last fifty steps.
    pub loss: f64,
    /// Users read per second, lately.
    pub users_per_s: f64,
    /// Actions read per second, lately, padding not counted.
    pub tokens_per_s: f64,
}

/// Called with the progress of a training, on the thread that trains, so it must be quick.
pub type Observer<'a> = &'a dyn Fn(TrainingProgress);

/// An observer that does nothing.
pub fn no_observer(_: TrainingProgress) {}

/// Runs the stages of a training, reports their begin and adds up their seconds.
pub(crate) struct Stages<'a> {
    observe: Observer<'a>,
    pub(crate) seconds: StageSeconds,
}

impl<'a> Stages<'a> {
    pub(crate) fn new(observe: Observer<'a>) -> Self {
        Self { observe, seconds: StageSeconds::default() }
    }

    /// Run a stage and add its time, also when it fails.
    pub(crate) fn time<T>(&mut self, stage: &'static str, work: impl FnOnce() -> T) -> T {
        tracing::info!(stage, "begins");
        (self.observe)(TrainingProgress::Stage(stage));
        let started = Instant::now();
        let result = work();
        self.seconds.add(stage, started.elapsed().as_secs_f64());
        result
    }
}
