//! What several pages show: marks, exact figures, gates, disks.

use std::fmt;

use dayvec_core::Gate;

use crate::format;
use crate::replicas::Disk;

/// How good a state is, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Bad,
    Warn,
    Ok,
    /// Neither good nor bad.
    Off,
}

impl Level {
    /// Class of the style.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Bad => "bad",
            Self::Warn => "warn",
            Self::Ok => "ok",
            Self::Off => "off",
        }
    }

    /// What is seen without colour.
    pub(crate) fn sign(self) -> &'static str {
        match self {
            Self::Bad => "✕",
            Self::Warn => "!",
            Self::Ok => "✓",
            Self::Off => "·",
        }
    }
}

/// A state as it is shown: a sign, a text, and only then a colour. Only for display: decisions look at the state itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) level: Level,
    pub(crate) text: String,
}

impl Mark {
    pub(crate) fn ok(text: impl Into<String>) -> Self {
        Self { level: Level::Ok, text: text.into() }
    }

    pub(crate) fn warn(text: impl Into<String>) -> Self {
        Self { level: Level::Warn, text: text.into() }
    }

    pub(crate) fn bad(text: impl Into<String>) -> Self {
        Self { level: Level::Bad, text: text.into() }
    }

    pub(crate) fn off(text: impl Into<String>) -> Self {
        Self { level: Level::Off, text: text.into() }
    }
}

/// A whole number: shown with thousands separators, `.0` is exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Count(pub(crate) u64);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&format::count(self.0))
    }
}

/// A measured share: shown with four decimals, `exact` as it was measured; empty where it was not measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Share {
    pub(crate) exact: String,
    pub(crate) text: String,
}

impl Share {
    pub(crate) fn new(value: Option<f64>) -> Self {
        match value {
            Some(value) => Self { exact: value.to_string(), text: format::share(value) },
            None => Self { exact: String::new(), text: "–".to_owned() },
        }
    }
}

/// The gates of a snapshot or a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gates(pub(crate) Vec<GateResult>);

/// A gate, with its number and limits in `text`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GateResult {
    pub(crate) passed: bool,
    pub(crate) text: String,
}

impl Gates {
    pub(crate) fn new(gates: &[Gate]) -> Self {
        Self(gates.iter().map(GateResult::new).collect())
    }

    /// How many passed or failed.
    pub(crate) fn mark(&self) -> Mark {
        match (self.0.len(), self.failed().count()) {
            (0, _) => Mark::off("no gates"),
            (n, 0) => Mark::ok(format!("{n} passed")),
            (n, failed) => Mark::bad(format!("{failed} of {n} failed")),
        }
    }

    /// The gates that failed, each with its number and limits.
    pub(crate) fn failed(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|gate| !gate.passed).map(|gate| gate.text.as_str())
    }
}

impl GateResult {
    fn new(gate: &Gate) -> Self {
        let mut text = format!("{}: {}", gate.name, format::figure(gate.value));
        let limits = [("at least", gate.at_least), ("at most", gate.at_most)];
        for (limit, value) in limits.into_iter().filter_map(|(limit, value)| Some((limit, value?))) {
            text.push_str(&format!(", {limit} {}", format::figure(value)));
        }
        Self { passed: gate.passed, text }
    }

    pub(crate) fn mark(&self) -> Mark {
        if self.passed { Mark::ok("passed") } else { Mark::bad("failed") }
    }
}

/// The disk under a program's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DiskRow {
    pub(crate) program: String,
    pub(crate) folder: String,
    pub(crate) free: String,
    pub(crate) size: String,
    pub(crate) is_low: bool,
    /// Free share in percent, rounded.
    free_percent: String,
}

/// Below this free share a disk is low: a lookup needs room for the next snapshot beside two.
const LOW: f64 = 0.1;

impl DiskRow {
    pub(crate) fn new(program: &str, disk: &Disk) -> Self {
        let share = if disk.size_bytes > 0.0 { disk.free_bytes / disk.size_bytes } else { 1.0 };
        Self {
            program: program.to_owned(),
            folder: disk.folder.clone(),
            free: format::bytes(disk.free_bytes),
            size: format::bytes(disk.size_bytes),
            is_low: share < LOW,
            free_percent: format!("{:.0} % free", share * 100.0),
        }
    }

    pub(crate) fn mark(&self) -> Mark {
        let Self { free_percent, is_low, .. } = self;
        if *is_low { Mark::bad(format!("low: {free_percent}")) } else { Mark::ok(free_percent) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_gate_is_shown_with_its_limit() {
        let gates =
            Gates::new(&[Gate::new("users", 7.0, Some(10.0), None), Gate::new("rank", 3.0, Some(2.0), None)]);
        assert_eq!(gates.mark(), Mark::bad("1 of 2 failed"));
        assert_eq!(gates.failed().collect::<Vec<_>>(), ["users: 7, at least 10"]);
        assert_eq!(Gates::new(&[]).mark().level, Level::Off);
    }

    #[test]
    fn a_disk_is_low_below_a_tenth() {
        let row = |free_bytes| {
            DiskRow::new("lookup", &Disk { folder: "/work".into(), free_bytes, size_bytes: 1e9 })
        };
        assert_eq!((row(1e8).is_low, row(1e8).mark()), (false, Mark::ok("10 % free")));
        assert_eq!((row(9.9e7).is_low, row(9.9e7).mark().level), (true, Level::Bad));
    }

    #[test]
    fn the_worst_level_comes_first() {
        let mut levels = [Level::Off, Level::Ok, Level::Bad, Level::Warn];
        levels.sort();
        assert_eq!(levels, [Level::Bad, Level::Warn, Level::Ok, Level::Off]);
    }
}
