//! What log to generate, and why it could not be.

use std::path::{Path, PathBuf};

use dayvec_core::{Day, Fault, FaultKind};

/// Events that a part holds, about.
const PART_EVENTS: f64 = 500_000.0;
/// Events of the users of a part over the whole log, about, where they are held to know repeats.
const HELD_EVENTS: f64 = 4_000_000.0;

/// What log to make.
#[derive(Debug, Clone, PartialEq)]
pub struct SynthOptions {
    /// Users, with ids from 0.
    pub n_users: u64,
    /// Items, with ids from `item-0`.
    pub n_items: u32,
    /// Interests; each has `n_items / n_interests` items, or one more.
    pub n_interests: u32,
    /// First UTC day.
    pub first_day: Day,
    /// Days.
    pub n_days: u32,
    /// Mean number of events of a user and day. Users differ widely, and most days of most users are idle.
    pub events_per_user_day: f64,
    /// Chance that one of a user's interests moves on in a week.
    pub drift_per_week: f64,
    /// Interests that a user has at any time.
    pub n_tastes: u32,
    /// Share of actions that leave the user's own interests for any other.
    pub explore: f64,
    /// Share of choices within an interest that fall on one of the user's favourites: what makes users come back.
    pub favourite_share: f64,
    /// Favourites that a user has in every interest.
    pub n_favourites: u32,
    /// Whether only a user's first event on an item is kept, as in a log of reviews. The others are dropped, so there are
    /// fewer events than asked for.
    pub no_repeats: bool,
    /// Days after an event on an item within which its user has no other on it: what would fall there is dropped. The gaps
    /// are then these days and an exponential wait; 0 for no such pause.
    pub repeat_gap_days: u32,
    /// Exponent of the popularity of items within an interest: 0 makes all equal, 1 is Zipf's law.
    pub popularity_exponent: f64,
    /// Share of a user's periods of `burst_days` that are bursts: many sessions about one interest drawn for them.
    pub burst_share: f64,
    /// Days of a burst.
    pub burst_days: u32,
    /// Share of an interest's choices, favourites aside, that fall on its hit: an item drawn for `hit_days`.
    pub hit_share: f64,
    /// Days that an item stays a hit.
    pub hit_days: u32,
    /// Share of the catalogue that is born during the log, at a constant rate; the other items were born before, at the
    /// same rate.
    pub new_items: f64,
    /// Days after which an item is half as popular; 0 for items that do not age. Needs new items.
    pub half_life_days: f64,
    /// Share of users who act a tenth as often as the others.
    pub thin_users: f64,
    /// Whether timestamps are midnight of their day.
    pub day_precision: bool,
    /// Width of the embeddings in `items.parquet`; 0 for no such file.
    pub embedding_dim: usize,
    /// Names every draw.
    pub seed: u64,
    /// Number of threads; 0 uses all cores. The log is the same for any number.
    pub threads: usize,
}

impl Default for SynthOptions {
    fn default() -> Self {
        Self {
            n_users: 10_000,
            n_items: 5_000,
            n_interests: 24,
            first_day: Day::of_timestamp(1_767_225_600), // 2026-01-01
            n_days: 90,
            events_per_user_day: 2.0,
            drift_per_week: 0.1,
            n_tastes: 3,
            explore: 0.05,
            favourite_share: 0.2,
            n_favourites: 4,
            no_repeats: false,
            repeat_gap_days: 0,
            popularity_exponent: 1.0,
            burst_share: 0.0,
            burst_days: 5,
            hit_share: 0.0,
            hit_days: 3,
            new_items: 0.0,
            half_life_days: 0.0,
            thin_users: 0.0,
            day_precision: false,
            embedding_dim: 0,
            seed: 1,
            threads: 0,
        }
    }
}

/// Why a log could not be generated.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are what the message says")]
pub enum SynthError {
    /// The options contradict themselves.
    #[error("wrong options: {}", .0.join("; "))]
    Options(Vec<String>),
    /// The folder holds a log already.
    #[error("{} already exists; use another folder, or remove it", .0.display())]
    AlreadyThere(PathBuf),
    /// The log has no user to measure the truth with.
    #[error(
        "no user has positive actions both before and after the cut-off {0}; make the log larger, or measure no truth"
    )]
    NoTestUsers(Day),
    /// A file could not be written.
    #[error("can't write {}; check that the folder is writable and has free space", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// A Parquet file could not be written.
    #[error("can't write {}; check that the folder is writable and has free space", path.display())]
    Parquet {
        path: PathBuf,
        #[source]
        source: parquet::errors::ParquetError,
    },
}

impl Fault for SynthError {
    fn kind(&self) -> FaultKind {
        match self {
            Self::Options(_) | Self::AlreadyThere(_) | Self::NoTestUsers(_) => FaultKind::Configuration,
            Self::Write { .. } | Self::Parquet { .. } => FaultKind::Unavailable,
        }
    }
}

impl SynthOptions {
    /// Everything that is wrong with the options, one sentence a fault.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.n_users == 0 || self.n_users > 1 << 32 {
            faults.push(format!("users: {} is not between 1 and 2^32", self.n_users));
        }
        if self.n_interests == 0 || self.n_items < self.n_interests {
            faults.push(format!(
                "items: {} items can't cover {} interests; there must be at least one interest, and an item for each",
                self.n_items, self.n_interests
            ));
        }
        if !(1..=36_500).contains(&self.n_days) {
            faults.push(format!("days: {} is not between 1 and 36500", self.n_days));
        }
        if !(self.events_per_user_day > 0.0 && self.events_per_user_day <= 100.0) {
            faults.push(format!(
                "events per user and day: {} is not above 0 and at most 100",
                self.events_per_user_day
            ));
        }
        for (name, share) in [
            ("drift", self.drift_per_week),
            ("explore", self.explore),
            ("favourite share", self.favourite_share),
            ("bursts", self.burst_share),
            ("hits", self.hit_share),
            ("new items", self.new_items),
            ("thin users", self.thin_users),
        ] {
            if !(0.0..=1.0).contains(&share) {
                faults.push(format!("{name}: {share} is not a probability between 0 and 1"));
            }
        }
        for (name, count, most) in [
            ("tastes", self.n_tastes, 64),
            ("favourites", self.n_favourites, 1000),
            ("burst days", self.burst_days, 36_500),
            ("repeat gap, plus one,", self.repeat_gap_days.saturating_add(1), 36_500),
            ("hit days", self.hit_days, 36_500),
        ] {
            if !(1..=most).contains(&count) {
                faults.push(format!("{name}: {count} is not between 1 and {most}"));
            }
        }
        if !(0.0..=10.0).contains(&self.popularity_exponent) {
            faults.push(format!("popularity exponent: {} is not between 0 and 10", self.popularity_exponent));
        }
        faults.extend(self.ageing_fault());
        faults
    }

    /// Everything that the log depends on.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "users": self.n_users, "items": self.n_items, "interests": self.n_interests,
            "first_day": self.first_day.to_string(), "days": self.n_days,
            "events_per_user_day": self.events_per_user_day, "drift": self.drift_per_week,
            "tastes": self.n_tastes, "explore": self.explore,
            "favourite_share": self.favourite_share, "favourites": self.n_favourites,
            "no_repeats": self.no_repeats, "repeat_gap": self.repeat_gap_days,
            "popularity_exponent": self.popularity_exponent,
            "bursts": self.burst_share, "burst_days": self.burst_days,
            "hits": self.hit_share, "hit_days": self.hit_days,
            "new_items": self.new_items, "item_half_life": self.half_life_days,
            "thin_users": self.thin_users, "day_precision": self.day_precision, "seed": self.seed,
        })
    }

    fn ageing_fault(&self) -> Option<String> {
        let half_life = self.half_life_days;
        // Weights of items are powers of two of their age in half-lives: more than these leave the range of f64.
        let least = f64::from(self.n_days) / 500.0;
        if half_life == 0.0 {
            None
        } else if !(half_life >= least && half_life.is_finite()) {
            Some(format!(
                "item half-life: {half_life} days is not 0, for none, or at least {least} for a log this long"
            ))
        } else if self.new_items == 0.0 {
            Some(
                "item half-life: without new items all items are equally old; set a share of new items"
                    .to_owned(),
            )
        } else {
            None
        }
    }

    /// The threads that the options ask for; `path` is what they work on.
    pub(crate) fn thread_pool(&self, path: &Path) -> Result<rayon::ThreadPool, SynthError> {
        let build = rayon::ThreadPoolBuilder::new().num_threads(self.threads).build();
        build.map_err(|error| SynthError::Write {
            path: path.to_owned(),
            source: std::io::Error::other(error),
        })
    }

    /// Interest of an item: items go round the interests, so an item's rank within its interest is `item / n_interests`.
    pub(crate) const fn interest_of(&self, item: u32) -> u32 {
        item % self.n_interests
    }

    /// Number of items of an interest.
    pub(crate) const fn items_of(&self, interest: u32) -> u32 {
        (self.n_items - interest).div_ceil(self.n_interests)
    }

    /// The item of an interest with a rank of popularity.
    pub(crate) const fn item_of(&self, interest: u32, rank: u32) -> u32 {
        rank * self.n_interests + interest
    }

    /// Users of one part.
    pub(crate) fn users_per_part(&self) -> u64 {
        let of_a_day = ((PART_EVENTS / self.events_per_user_day) as u64).max(1);
        if !self.drops_events() {
            return of_a_day;
        }
        // What these users did is held in memory, and they are written by one thread.
        let in_memory = (HELD_EVENTS / self.events_per_user_day / f64::from(self.n_days)) as u64;
        of_a_day.min(in_memory).min(self.n_users.div_ceil(16).max(256)).max(1)
    }

    /// Whether what a user did before decides which events are kept.
    pub(crate) const fn drops_events(&self) -> bool {
        self.no_repeats || self.repeat_gap_days > 0
    }

    /// Files that are written below `events/`.
    #[must_use]
    pub fn n_parts(&self) -> u64 {
        u64::from(self.n_days) * self.n_users.div_ceil(self.users_per_part())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_and_interests_agree() {
        let options = SynthOptions { n_items: 50, n_interests: 24, ..SynthOptions::default() };
        let mut seen = [false; 50];
        for interest in 0..24 {
            for rank in 0..options.items_of(interest) {
                let item = options.item_of(interest, rank);
                assert_eq!(options.interest_of(item), interest);
                assert!(!std::mem::replace(&mut seen[item as usize], true));
            }
        }
        assert!(seen.iter().all(|&seen| seen));
    }

    #[test]
    fn every_fault_is_reported() {
        let options = SynthOptions {
            n_users: 0,
            n_items: 3,
            n_days: 0,
            drift_per_week: 2.0,
            ..SynthOptions::default()
        };
        assert_eq!(options.faults().len(), 4, "{:?}", options.faults());
        assert!(SynthOptions::default().faults().is_empty());
    }
}
