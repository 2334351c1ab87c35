//! What log to generate, and why it could not be.

use std::path::PathBuf;

use dayvec_core::{Day, Fault, FaultKind};

/// Events that a part holds, about.
const PART_EVENTS: f64 = 500_000.0;

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
            Self::Options(_) | Self::AlreadyThere(_) => FaultKind::Configuration,
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
        if !(0.0..=1.0).contains(&self.drift_per_week) {
            faults.push(format!("drift: {} is not a probability between 0 and 1", self.drift_per_week));
        }
        faults
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
        ((PART_EVENTS / self.events_per_user_day) as u64).max(1)
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
