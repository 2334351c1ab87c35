//! What can be had as of another moment.

use dayvec_core::Sequences;

use crate::{EvaluationError, Scorer};

/// A scorer whose user side, item side or both can be had as of another moment.
pub trait Aged {
    /// Name in the table.
    fn name(&self) -> &str;

    /// Whether its item side changes from day to day.
    fn items_change(&self) -> bool;

    /// The scorer for users as they are in `states` (one row a state), with the item side of what happened before
    /// `items_until_s` (Unix seconds).
    ///
    /// # Errors
    /// When it can't be built.
    fn scorer(&self, states: &Sequences, items_until_s: i64)
    -> Result<Box<dyn Scorer + '_>, EvaluationError>;
}
