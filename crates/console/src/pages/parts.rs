//! What several pages show: marks, exact figures, gates, disks.

use std::fmt;

use dayvec_core::Gate;

use crate::replicas::Disk;
use crate::words;

/// How a thing is: told by a sign and a word, and only then by a colour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Class of the style: `ok`, `warn`, `bad` or `off`.
    pub(crate) level: &'static str,
    pub(crate) word: String,
}

impl Mark {
    pub(crate) fn ok(word: impl Into<String>) -> Self {
        Self { level: "ok", word: word.into() }
    }

    pub(crate) fn warn(word: impl Into<String>) -> Self {
        Self { level: "warn", word: word.into() }
    }

    pub(crate) fn bad(word: impl Into<String>) -> Self {
        Self { level: "bad", word: word.into() }
    }

    pub(crate) fn off(word: impl Into<String>) -> Self {
        Self { level: "off", word: word.into() }
    }

    /// What is seen without colour.
    pub(crate) fn sign(&self) -> &'static str {
        match self.level {
            "ok" => "✓",
            "warn" => "!",
            "bad" => "✕",
            _ => "·",
        }
    }
}

/// A whole number: shown with its thousands apart, `.0` is exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Count(pub(crate) u64);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&words::count(self.0))
    }
}

/// A recall: shown with four decimals, `exact` as it was measured; empty where it was not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recall {
    pub(crate) exact: String,
    pub(crate) text: String,
}

impl Recall {
    pub(crate) fn new(value: Option<f64>) -> Self {
        Self { exact: value.map_or_else(String::new, |value| value.to_string()), text: words::recall(value) }
    }
}

/// What was judged, with what failed first in sight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gates {
    pub(crate) mark: Mark,
    pub(crate) all: Vec<(Mark, String)>,
}

impl Gates {
    pub(crate) fn new(gates: &[Gate]) -> Self {
        let failed = gates.iter().filter(|gate| !gate.passed).count();
        let mark = match (gates.len(), failed) {
            (0, _) => Mark::off("none judged"),
            (n, 0) => Mark::ok(format!("{n} passed")),
            (n, failed) => Mark::bad(format!("{failed} of {n} failed")),
        };
        Self { mark, all: gates.iter().map(told).collect() }
    }

    /// The gates that failed, each with its number and limit.
    pub(crate) fn failed(&self) -> impl Iterator<Item = &str> {
        self.all.iter().filter(|(mark, _)| mark.level == "bad").map(|(_, text)| text.as_str())
    }
}

fn told(gate: &Gate) -> (Mark, String) {
    let mut text = format!("{}: {}", gate.name, words::figure(gate.value));
    let limits = [("at least", gate.at_least), ("at most", gate.at_most)];
    for (limit, value) in limits.into_iter().filter_map(|(limit, value)| Some((limit, value?))) {
        text.push_str(&format!(", {limit} {}", words::figure(value)));
    }
    (if gate.passed { Mark::ok("passed") } else { Mark::bad("failed") }, text)
}

/// The disk under a program's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DiskRow {
    pub(crate) program: String,
    pub(crate) folder: String,
    pub(crate) free: String,
    pub(crate) size: String,
    pub(crate) mark: Mark,
}

/// Below this share a disk is called low: a lookup needs room for the next snapshot beside two.
const LOW: f64 = 0.1;

impl DiskRow {
    pub(crate) fn new(program: &str, disk: &Disk) -> Self {
        let share = if disk.size_bytes > 0.0 { disk.free_bytes / disk.size_bytes } else { 1.0 };
        let word = format!("{:.0} % free", share * 100.0);
        Self {
            program: program.to_owned(),
            folder: disk.folder.clone(),
            free: words::bytes(disk.free_bytes),
            size: words::bytes(disk.size_bytes),
            mark: if share < LOW { Mark::bad(format!("low: {word}")) } else { Mark::ok(word) },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_gate_is_told_with_its_limit() {
        let gates =
            Gates::new(&[Gate::new("users", 7.0, Some(10.0), None), Gate::new("rank", 3.0, Some(2.0), None)]);
        assert_eq!(gates.mark, Mark::bad("1 of 2 failed"));
        assert_eq!(gates.failed().collect::<Vec<_>>(), ["users: 7, at least 10"]);
        assert_eq!(Gates::new(&[]).mark.level, "off");
    }
}
