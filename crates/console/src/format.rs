//! Numbers and times as text for people. Times are UTC, with how long ago they were.

pub(crate) use dayvec_report::{count, figure, share};
use jiff::Timestamp;

/// An instant to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Moment {
    /// RFC 3339, for machines.
    pub(crate) iso: String,
    /// `2026-03-14 03:12`, UTC.
    pub(crate) text: String,
    /// `3 h ago`.
    pub(crate) ago: String,
}

impl Moment {
    /// The instant `at_s`, seen from `now_s` (Unix seconds).
    pub(crate) fn new(at_s: i64, now_s: i64) -> Self {
        let Ok(at) = Timestamp::from_second(at_s) else {
            return Self { iso: String::new(), text: format!("{at_s} s after 1970"), ago: String::new() };
        };
        let ago = if at_s > now_s {
            format!("in {}", span((at_s - now_s) as f64))
        } else {
            format!("{} ago", span((now_s - at_s) as f64))
        };
        let iso = at.to_string();
        let text = iso.get(..16).unwrap_or(&iso).replace('T', " ");
        Self { iso, text, ago }
    }

    /// The same, for a time of a gRPC reply.
    pub(crate) fn of(at: Option<&prost_types::Timestamp>, now_s: i64) -> Option<Self> {
        at.map(|at| Self::new(at.seconds, now_s))
    }
}

/// Unix seconds now.
pub(crate) fn now_s() -> i64 {
    Timestamp::now().as_second()
}

/// A duration in its largest unit that is not zero: `3 h`.
pub(crate) fn span(seconds: f64) -> String {
    let units = [(86_400.0, "d"), (3_600.0, "h"), (60.0, "min")];
    match units.iter().find(|(unit, _)| seconds >= *unit) {
        Some((unit, name)) => format!("{:.0} {name}", (seconds / unit).floor()),
        None => format!("{:.0} s", seconds.max(0.0)),
    }
}

/// A duration that may be short: `0.25 ms`.
pub(crate) fn short_span(seconds: f64) -> String {
    let (unit, name) = match seconds {
        seconds if seconds >= 1.0 => (1.0, "s"),
        seconds if seconds >= 1e-4 => (1e-3, "ms"),
        _ => (1e-6, "µs"),
    };
    let number = seconds / unit;
    format!(
        "{} {name}",
        if number < 10.0 { figure((number * 100.0).round() / 100.0) } else { format!("{number:.0}") }
    )
}

/// A size in a suitable unit.
pub(crate) fn bytes(size: f64) -> String {
    let units = [(1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")];
    match units.iter().find(|(unit, _)| size >= *unit) {
        Some((unit, name)) => format!("{:.1} {name}", size / unit),
        None => format!("{size:.0} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_sizes_are_short_and_true() {
        assert_eq!([0.000_25, 2.5, 5e-5, 3.535e-6].map(short_span), ["0.25 ms", "2.5 s", "50 µs", "3.54 µs"]);
        assert_eq!([12.0, 45e9].map(bytes), ["12 B", "45.0 GB"]);
    }

    #[test]
    fn a_moment_is_shown_as_a_date_and_an_age() {
        let moment = Moment::new(1_323_475_200, 1_323_475_200 + 3 * 3_600 + 59);
        assert_eq!((moment.text.as_str(), moment.ago.as_str()), ("2011-12-10 00:00", "3 h ago"));
        assert_eq!(moment.iso, "2011-12-10T00:00:00Z");
        assert_eq!(Moment::new(100, 0).ago, "in 1 min");
        assert!(Moment::new(i64::MAX, 0).iso.is_empty());
    }
}
