//! Times that are written as text: what the tools that export logs write.

use dayvec_core::TimeUnit;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::Offset;

/// Microseconds in a second: the unit of [`microseconds`].
pub(crate) const PER_SECOND: i64 = 1_000_000;

/// Unix microseconds of a text: RFC 3339 (`2024-03-20T10:00:00.5+01:00`), the same with a space or without a zone (then
/// UTC), `… UTC` as BigQuery writes it, a date, or a whole number of `unit`. `None` for any other text.
pub(crate) fn microseconds(text: &str, unit: TimeUnit) -> Option<i64> {
    let text = text.trim();
    if let Ok(number) = text.parse::<i64>() {
        return i64::try_from(i128::from(number) * i128::from(PER_SECOND) / i128::from(unit.per_second()))
            .ok();
    }
    let civil = text.strip_suffix("UTC").or_else(|| text.strip_suffix('Z')).map_or(text, str::trim_end);
    let timestamp = match text.parse::<Timestamp>() {
        Ok(timestamp) => timestamp,
        Err(_) => {
            let date = |_| civil.parse::<Date>().map(|date| date.at(0, 0, 0, 0));
            Offset::UTC.to_timestamp(civil.parse::<DateTime>().or_else(date).ok()?).ok()?
        }
    };
    Some(timestamp.as_microsecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_the_tools_write_them() {
        let half_past_ten = 1_710_930_600 * PER_SECOND; // 2024-03-20T10:30:00Z
        for text in [
            "2024-03-20T10:30:00Z",
            "2024-03-20T11:30:00+01:00",
            "2024-03-20 11:30:00+01:00",
            "2024-03-20 10:30:00",
            "2024-03-20T10:30:00",
            "2024-03-20 10:30:00 UTC",
            "2024-03-20 10:30:00.000000 UTC",
            " 1710930600 ",
        ] {
            assert_eq!(microseconds(text, TimeUnit::Seconds), Some(half_past_ten), "{text}");
        }
        assert_eq!(microseconds("1710930600000", TimeUnit::Milliseconds), Some(half_past_ten));
        let quarter = microseconds("2024-03-20 10:30:00.25 UTC", TimeUnit::Seconds);
        assert_eq!(quarter, Some(half_past_ten + 250_000));
        assert_eq!(microseconds("2024-03-20", TimeUnit::Seconds), Some(1_710_892_800 * PER_SECOND));
        for text in ["", "soon", "20/03/2024", "2024-13-01", "10:30:00", "99999999999999999999"] {
            assert_eq!(microseconds(text, TimeUnit::Seconds), None, "{text}");
        }
    }
}
