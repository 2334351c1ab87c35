//! How old the embeddings are that score a label.

use dayvec_core::{Day, SECONDS_PER_DAY};

/// When the embeddings that score a label were computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// At the cut-off, for all test days.
    Once,
    /// At the end of each day, and used from `delay_days` days later on: with a delay of one, the labels of a day are
    /// scored with what was known when the day before it began.
    Daily {
        /// Days until a new embedding is used; at least 0.
        delay_days: i32,
    },
    /// Just before the label, without the actions of its second. Item sides are of the start of its day.
    Realtime,
    /// The start of the label's day, less these days.
    Age {
        /// Days for the users' side.
        users_days: i32,
        /// Days for the items' side.
        items_days: i32,
    },
}

impl Protocol {
    /// The users' side of a label knows the actions before this (Unix seconds).
    pub(super) const fn users_until_s(self, cut_off: Day, label_s: i64) -> i64 {
        let day_s = Day::of_timestamp(label_s).start_s();
        match self {
            Self::Once => cut_off.start_s(),
            Self::Daily { delay_days } => day_s - delay_days as i64 * SECONDS_PER_DAY,
            Self::Realtime => label_s,
            Self::Age { users_days, .. } => day_s - users_days as i64 * SECONDS_PER_DAY,
        }
    }

    /// The items' side of a label knows the actions before this (Unix seconds): the same for all labels of a day.
    pub(super) const fn items_until_s(self, cut_off: Day, label_s: i64) -> i64 {
        let day_s = Day::of_timestamp(label_s).start_s();
        match self {
            Self::Once => cut_off.start_s(),
            Self::Daily { delay_days } => day_s - delay_days as i64 * SECONDS_PER_DAY,
            Self::Realtime => day_s,
            Self::Age { items_days, .. } => day_s - items_days as i64 * SECONDS_PER_DAY,
        }
    }
}
