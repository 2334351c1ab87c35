//! Where a log is cut into history and future.

use dayvec_core::{Day, LogEnd, Sequences, rows_per_day};

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
    /// The last whole `n_days` of a log that ends with the day `last`: the cut-off is that day less `n_days`, and the day
    /// itself, of which a log often has only a part, is not used.
    #[must_use]
    pub const fn before(last: Day, n_days: i32) -> Self {
        Self { cut_off: last.plus(-n_days), n_days }
    }

    /// The last whole 14 days before the end of `log`, wherever single rows behind it are (see [`LogEnd`]).
    ///
    /// # Errors
    /// When the log is empty.
    pub fn last_of(log: &Sequences) -> Result<Self, EvaluationError> {
        let end = LogEnd::of(&rows_per_day(&log.actions.timestamp)).ok_or(EvaluationError::EmptyLog)?;
        Ok(Self::before(end.last, N_DAYS))
    }

    /// The split whose future is the `n_days` before this one's: where settings are chosen, so that nothing is chosen on
    /// the days that are reported.
    #[must_use]
    pub const fn earlier(self) -> Self {
        Self::before(self.cut_off, self.n_days)
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
