//! What a read met, in numbers.

use std::collections::BTreeMap;
use std::fmt;

use dayvec_core::Day;
use serde::Serialize;

use crate::bad_rows::BadRow;

/// Where every row of the input went: `rows = kept + duplicates + beyond_keep + outside_range + bad`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ReadSummary {
    /// Files read.
    pub files: u64,
    /// Rows in the files.
    pub rows: u64,
    /// Actions in the sequences.
    pub kept: u64,
    /// Rows that repeat an event.
    pub duplicates: u64,
    /// Actions that the look-back or the newest M left out.
    pub beyond_keep: u64,
    /// Events outside the time range that was asked for.
    pub outside_range: u64,
    /// Rows that are not events, by reason.
    pub bad: BTreeMap<BadRow, u64>,
    /// Unix seconds of the oldest good event in the time range; `None` without one.
    pub first_s: Option<i64>,
    /// Unix seconds of the newest.
    pub last_s: Option<i64>,
    /// Unix seconds of the newest plausible time in the files, inside the time range or not: how far they reach.
    pub newest_s: Option<i64>,
}

impl ReadSummary {
    /// All bad rows.
    #[must_use]
    pub fn n_bad(&self) -> u64 {
        self.bad.values().sum()
    }
}

impl fmt::Display for ReadSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} rows of {} files: {} actions kept", self.rows, self.files, self.kept)?;
        if let (Some(first), Some(last)) = (self.first_s, self.last_s) {
            write!(f, " ({} to {})", Day::of_timestamp(first), Day::of_timestamp(last))?;
        }
        let rest = [
            (self.duplicates, "duplicates"),
            (self.beyond_keep, "not kept (older than the look-back, or beyond the newest actions of a user)"),
            (self.outside_range, "outside the time range"),
        ];
        for (count, words) in rest.into_iter().filter(|(count, _)| *count > 0) {
            write!(f, ", {count} {words}")?;
        }
        for (reason, count) in &self.bad {
            write!(f, ", {count} with {}", reason.words())?;
        }
        Ok(())
    }
}
