//! What every baseline is built from, and what comes out.

use dayvec_core::{ItemTable, Sequences};

use crate::{EvaluationError, Scorer, TimeSplit};

/// What the baselines are built from.
#[derive(Debug, Clone, Copy)]
pub struct BaselineInput<'a> {
    /// Everything before the cut-off.
    pub history: &'a Sequences,
    /// Item features; its rows are the items of `history`.
    pub items: &'a ItemTable,
    /// The cut-off, and the number of test days.
    pub split: TimeSplit,
    /// Bounds of memory.
    pub limits: Limits,
    /// α of PinnerSage's clusters; `None` leaves it out.
    pub pinnersage: Option<f64>,
    /// Seed of what is random.
    pub seed: u64,
}

/// What bounds the memory of a baseline, whatever the size of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most items of EASE, whose matrices are items × items.
    pub ease_items: usize,
    /// Most bytes of the dense matrices of one baseline, while it is made.
    pub memory_bytes: usize,
}

/// A baseline, or why it cannot be built.
pub(super) type Built = Result<Box<dyn Scorer>, EvaluationError>;

/// A scorer as one of the table.
pub(super) fn boxed<S: Scorer + 'static>(scorer: Result<S, EvaluationError>) -> Built {
    Ok(Box::new(scorer?))
}
