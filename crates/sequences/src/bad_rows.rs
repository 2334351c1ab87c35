//! Rows that are not events: counted by reason, sampled for a quarantine file, judged against a limit.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dayvec_core::TimeUnit;
use serde::Serialize;

use crate::error::{Result, SequencesError};

/// Why a row is not an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BadRow {
    /// The user id is null, or not UTF-8.
    NullUserId,
    /// The user id is the empty text.
    EmptyUserId,
    /// The item id is null, or not UTF-8.
    NullItemId,
    /// The item id is the empty text.
    EmptyItemId,
    /// The timestamp is null, or not a number or time.
    NullTimestamp,
    /// The timestamp is not between 1990-01-01 and 2100-01-01: most often a wrong unit.
    ImplausibleTime,
    /// The action is null.
    NullAction,
    /// The schema does not list the action.
    UnknownAction,
    /// The duration is not a finite number.
    UnreadableDuration,
}

impl BadRow {
    /// The reason in words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::NullUserId => "null or unreadable user id",
            Self::EmptyUserId => "empty user id",
            Self::NullItemId => "null or unreadable item id",
            Self::EmptyItemId => "empty item id",
            Self::NullTimestamp => "null or unreadable timestamp",
            Self::ImplausibleTime => "implausible time (outside 1990 to 2100)",
            Self::NullAction => "null action",
            Self::UnknownAction => "unknown action",
            Self::UnreadableDuration => "duration that is not a finite number",
        }
    }
}

/// 1990-01-01T00:00:00Z: no event log is older.
const EARLIEST_S: i64 = 631_152_000;
/// 2100-01-01T00:00:00Z.
const LATEST_S: i64 = 4_102_444_800;

pub(crate) fn is_plausible(timestamp_s: i64) -> bool {
    (EARLIEST_S..LATEST_S).contains(&timestamp_s)
}

const UNITS: [(TimeUnit, &str); 4] = [
    (TimeUnit::Seconds, "s"),
    (TimeUnit::Milliseconds, "ms"),
    (TimeUnit::Microseconds, "us"),
    (TimeUnit::Nanoseconds, "ns"),
];

/// Examples kept of each reason, and unknown actions named.
const MAX_SAMPLES: u64 = 100;
const MAX_NAMED: usize = 10;

struct Sample {
    reason: BadRow,
    path: Arc<Path>,
    row: u64,
    value: String,
}

/// The bad rows of a read.
#[derive(Default)]
pub(crate) struct BadRows {
    counts: BTreeMap<BadRow, u64>,
    samples: Vec<Sample>,
    unknown_actions: BTreeMap<String, u64>,
    /// How many implausible times would be plausible in each of [`UNITS`].
    fitting: [u64; 4],
}

/// The limit, and what the error needs to say when it is exceeded.
pub(crate) struct BadRowLimit<'a> {
    pub(crate) rows: u64,
    pub(crate) max_bad_share: f64,
    pub(crate) quarantine: Option<&'a Path>,
    pub(crate) known_actions: &'a [String],
    pub(crate) time_unit: TimeUnit,
}

impl BadRows {
    /// Counts the row `row` (from 0, the header not counted) of the file at `path`; `value` is what is wrong in it.
    pub(crate) fn note(
        &mut self,
        reason: BadRow,
        path: &Arc<Path>,
        row: u64,
        value: impl FnOnce() -> String,
    ) {
        let count = self.counts.entry(reason).or_default();
        *count += 1;
        if *count <= MAX_SAMPLES {
            self.samples.push(Sample { reason, path: path.clone(), row, value: value() });
        }
    }

    pub(crate) fn note_unknown_action(&mut self, action: &str) {
        if let Some(count) = self.unknown_actions.get_mut(action) {
            *count += 1;
        } else if self.unknown_actions.len() < MAX_NAMED {
            self.unknown_actions.insert(action.to_owned(), 1);
        }
    }

    pub(crate) fn note_raw_time(&mut self, raw: i64) {
        for (count, (unit, _)) in self.fitting.iter_mut().zip(UNITS) {
            *count += u64::from(is_plausible(raw.div_euclid(unit.per_second())));
        }
    }

    pub(crate) fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    pub(crate) fn into_counts(self) -> BTreeMap<BadRow, u64> {
        self.counts
    }

    /// Writes the quarantine file, if there is a bad row, and fails if their share is above the limit.
    pub(crate) fn judge(&self, limit: &BadRowLimit<'_>) -> Result<()> {
        let bad = self.total();
        if bad == 0 {
            return Ok(());
        }
        let mut quarantine = String::new();
        if let Some(path) = limit.quarantine {
            self.write_samples(path)?;
            quarantine = format!("; examples are in {}", path.display());
        }
        if bad as f64 <= limit.max_bad_share * limit.rows as f64 {
            tracing::warn!(bad, rows = limit.rows, reasons = self.reasons(limit), "skipped bad rows");
            return Ok(());
        }
        Err(SequencesError::TooManyBadRows {
            bad,
            rows: limit.rows,
            limit: limit.max_bad_share,
            reasons: self.reasons(limit),
            quarantine,
        })
    }

    fn reasons(&self, limit: &BadRowLimit<'_>) -> String {
        let counts: Vec<_> =
            self.counts.iter().map(|(reason, n)| format!("{} {n}", reason.words())).collect();
        let mut text = counts.join(", ");
        if !self.unknown_actions.is_empty() {
            let unknown: Vec<_> =
                self.unknown_actions.iter().map(|(action, n)| format!("`{action}` {n}")).collect();
            let known = limit.known_actions.join("`, `");
            _ = write!(
                text,
                "; unknown actions: {}; known, from the event schema: `{known}`",
                unknown.join(", ")
            );
        }
        let implausible = self.counts.get(&BadRow::ImplausibleTime).copied().unwrap_or(0);
        if 2 * implausible > limit.rows {
            text.push_str("; `time_unit` is probably wrong");
            let best = UNITS.into_iter().zip(self.fitting).max_by_key(|(_, fitting)| *fitting);
            if let Some(((unit, name), fitting)) = best
                && 2 * fitting > implausible
                && unit != limit.time_unit
            {
                let read_as = UNITS[unit_row(limit.time_unit)].1;
                _ = write!(text, ": `{name}` would fit, and the schema says `{read_as}`");
            }
        }
        text
    }

    /// CSV with the columns reason, file, row, value.
    fn write_samples(&self, path: &Path) -> Result<()> {
        let mut text = String::from("reason,file,row,value\n");
        for Sample { reason, path, row, value } in &self.samples {
            let reason = reason.words();
            _ = writeln!(text, "{reason},{},{row},{}", quoted(&path.to_string_lossy()), quoted(value));
        }
        let io = |source| SequencesError::Io { action: "write", path: PathBuf::from(path), source };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(io)?;
        }
        fs::write(path, text).map_err(io)
    }
}

fn unit_row(unit: TimeUnit) -> usize {
    UNITS.iter().position(|(other, _)| *other == unit).unwrap_or(0)
}

fn quoted(value: &str) -> String {
    format!("\"{}\"", value.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_of_plausible_times() {
        use dayvec_core::Day;
        let day = |text: &str| text.parse::<Day>().unwrap().start_s();
        assert_eq!((day("1990-01-01"), day("2100-01-01")), (EARLIEST_S, LATEST_S));
        assert!(is_plausible(EARLIEST_S) && !is_plausible(EARLIEST_S - 1) && !is_plausible(LATEST_S));
    }

    #[test]
    fn samples_are_bounded_and_quoted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/quarantine.csv");
        let mut bad = BadRows::default();
        let file: Arc<Path> = Path::new("events, old.csv").into();
        for row in 0..1000 {
            bad.note(BadRow::UnknownAction, &file, row, || "say \"hi\"".to_owned());
        }
        let limit = |max_bad_share| BadRowLimit {
            rows: 2000,
            max_bad_share,
            quarantine: Some(&path),
            known_actions: &[],
            time_unit: TimeUnit::Seconds,
        };
        bad.judge(&limit(0.5)).unwrap();
        let message = bad.judge(&limit(0.4)).unwrap_err().to_string();
        assert!(message.contains("1000 of 2000") && message.contains("quarantine.csv"), "{message}");
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 101);
        assert_eq!(text.lines().nth(1).unwrap(), r#"unknown action,"events, old.csv",0,"say ""hi""""#);
    }
}
