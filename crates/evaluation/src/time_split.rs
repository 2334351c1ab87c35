//! Where a log is cut into history and future.

use dayvec_core::{Day, Sequences};

use crate::EvaluationError;

/// Days that are evaluated (the paper, section 6: 14).
const N_DAYS: i32 = 14;

/// The history is everything before `cut_off`; the future is the `n_days` that start with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeSplit {
    /// First day of the future.
    pub cut_off: Day,
    /// Number of days of the future.
    pub n_days: i32,
}

impl TimeSplit {
    /// The last whole 14 days of a log whose newest action is at `last_s` (Unix seconds): the cut-off is the log's
    /// last day minus 14, and the last day itself, of which a log often has only a part, is not used.
    #[must_use]
    pub const fn last_before(last_s: i64) -> Self {
        Self { cut_off: Day::of_timestamp(last_s).plus(-N_DAYS), n_days: N_DAYS }
    }

    /// [`Self::last_before`] the newest action of `log`.
    ///
    /// # Errors
    /// When the log is empty.
    pub fn last_of(log: &Sequences) -> Result<Self, EvaluationError> {
        let last_s = log.actions.timestamp.iter().max().ok_or(EvaluationError::EmptyLog)?;
        Ok(Self::last_before(*last_s))
    }

    /// The actions before the cut-off; users and items keep their rows.
    #[must_use]
    pub fn history(&self, log: &Sequences) -> Sequences {
        log.within(i64::MIN, self.cut_off.start_s())
    }

    /// The actions of the `n_days` from the cut-off on; users and items keep their rows.
    #[must_use]
    pub fn future(&self, log: &Sequences) -> Sequences {
        log.within(self.cut_off.start_s(), self.cut_off.plus(self.n_days).start_s())
    }
}
