//! A UTC calendar day: the only clock of a daily run.

use ::core::fmt;
use ::core::str::FromStr;

use jiff::civil::{Date, date};
use serde::{Deserialize, Serialize};

/// Seconds in a UTC day (leap seconds are not counted in Unix time).
pub const SECONDS_PER_DAY: i64 = 86_400;

/// A UTC day, counted from 1970-01-01; written `YYYY-MM-DD`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Day(i32);

/// The text was not a day of the form `YYYY-MM-DD`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a day; write it as YYYY-MM-DD, for example 2011-11-25")]
pub struct ParseDayError(String);

impl Day {
    /// The day that holds the instant `seconds` (Unix time).
    #[must_use]
    pub const fn of_timestamp(seconds: i64) -> Self {
        Self(seconds.div_euclid(SECONDS_PER_DAY) as i32)
    }

    /// First second of the day (Unix time).
    #[must_use]
    pub const fn start_s(self) -> i64 {
        self.0 as i64 * SECONDS_PER_DAY
    }

    /// First second after the day (Unix time).
    #[must_use]
    pub const fn end_s(self) -> i64 {
        self.start_s() + SECONDS_PER_DAY
    }

    /// The day `days` later, or earlier when negative.
    #[must_use]
    pub const fn plus(self, days: i32) -> Self {
        Self(self.0 + days)
    }

    /// Days from `earlier` to `self`.
    #[must_use]
    pub const fn days_since(self, earlier: Self) -> i32 {
        self.0 - earlier.0
    }
}

const EPOCH: Date = date(1970, 1, 1);

impl FromStr for Day {
    type Err = ParseDayError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || ParseDayError(text.to_owned());
        if text.len() != 10 {
            return Err(error());
        }
        let parsed: Date = text.parse().map_err(|_| error())?;
        let since = parsed.since(EPOCH).map_err(|_| error())?;
        Ok(Self(since.get_days()))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = jiff::Span::new().days(self.0);
        match EPOCH.checked_add(since) {
            Ok(day) => write!(f, "{day}"),
            Err(_) => write!(f, "day {}", self.0),
        }
    }
}

impl TryFrom<String> for Day {
    type Error = ParseDayError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Day> for String {
    fn from(day: Day) -> Self {
        day.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_timestamps_agree() {
        let day: Day = "2011-12-09".parse().unwrap();
        assert_eq!(day.to_string(), "2011-12-09");
        assert_eq!(day.start_s(), 1_323_388_800);
        assert_eq!(Day::of_timestamp(day.end_s() - 1), day);
        assert_eq!(Day::of_timestamp(-1).to_string(), "1969-12-31");
        assert_eq!(day.plus(-14).to_string(), "2011-11-25");
        assert_eq!("2012-03-01".parse::<Day>().unwrap().days_since("2012-02-28".parse().unwrap()), 2);
    }

    #[test]
    fn a_wrong_day_says_how_to_write_one() {
        for text in ["", "2011-13-01", "2011-2-1", "yesterday", "2011-12-09T00:00"] {
            let message = text.parse::<Day>().unwrap_err().to_string();
            assert!(message.contains("YYYY-MM-DD"), "{message}");
        }
    }
}
