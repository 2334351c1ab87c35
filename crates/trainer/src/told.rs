//! What a training tells while it goes, to whoever watches.

use dayvec_core::Day;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// The log was read: the training has a name, and ends before this day.
    Named {
        /// The model to come.
        model_id: String,
        /// First day that it does not see.
        cut_off: Day,
    },
    /// A stage begins: `read_events`, `items`, `train`, `evaluate`.
    Stage(&'static str),
    /// A step is done.
    Step(Standing),
}

/// How far a training is.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Standing {
    /// Steps done.
    pub step: u64,
    /// Steps of the whole training.
    pub steps: u64,
    /// Running mean of the loss, about the last fifty steps.
    pub loss: f64,
    /// Users read per second, lately.
    pub users_per_s: f64,
    /// Real actions read per second, lately.
    pub tokens_per_s: f64,
}

/// Who watches a training.
pub type Watcher<'a> = &'a dyn Fn(Told);

/// Nobody.
pub fn nobody(_: Told) {}
