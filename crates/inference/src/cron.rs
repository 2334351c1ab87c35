//! A cron pattern in UTC.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use jiff::Timestamp;
use serde::Serialize;

/// When something is due: `minute hour day-of-month month day-of-week`, in UTC.
#[derive(Debug, Clone)]
pub struct Cron(croner::Cron);

impl Cron {
    /// The newest firing at or before `now`.
    #[must_use]
    pub fn last_before(&self, now: Timestamp) -> Option<Timestamp> {
        let found = self.0.find_previous_occurrence(&as_chrono(now)?, true).ok()?;
        Timestamp::from_second(found.timestamp()).ok()
    }

    /// The next firing after `now`.
    #[must_use]
    pub fn next_after(&self, now: Timestamp) -> Option<Timestamp> {
        let found = self.0.find_next_occurrence(&as_chrono(now)?, false).ok()?;
        Timestamp::from_second(found.timestamp()).ok()
    }
}

fn as_chrono(at: Timestamp) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(at.as_second(), 0)
}

impl FromStr for Cron {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = croner::Cron::from_str(text);
        parsed.map(Self).map_err(|error| {
            format!("`{text}` is not a cron pattern ({error}); write minute hour day month weekday, for example `0 3 * * *`")
        })
    }
}

impl fmt::Display for Cron {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

impl Serialize for Cron {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
