//! A made-up log of any size, with a known truth: users whose interests drift over weeks act on items that each belong to
//! one interest.
//!
//! ```text
//! DIR/events/day=YYYY-MM-DD/part-NNNN.parquet   user_id, item_id, action, timestamp (s), surface, duration_s, event_id
//! DIR/items.csv                                 item_id, interest (the truth), title
//! DIR/items.parquet                             the same with an embedding, where a width was asked for
//! DIR/dataset.yaml                              how the trainer reads the log
//! ```
//!
//! Every user's day is drawn from a generator named by (seed, user, day), so a log is the same whatever the number of
//! threads, any part can be made alone, and nothing is held in memory but the parts being written.
//! It never overwrites: a folder that holds events already is refused.

mod behaviour;
mod catalogue;
mod parts;
mod random;
mod taste;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use dayvec_core::Day;

use parts::{PartWriter, Texts};

/// Events that a part holds, about: what one thread makes between two looks at the list of parts.
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
    /// Threads; 0 for every core. The log is the same for any number.
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

/// Why a log could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SynthError {
    /// The options contradict themselves.
    #[error("a log can't be made: {}", .0.join("; "))]
    Options(Vec<String>),
    /// The folder holds a log already.
    #[error("{} exists already; name a new folder, or remove it", .0.display())]
    AlreadyThere(PathBuf),
    /// A file could not be written.
    #[error("write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A Parquet file could not be written.
    #[error("write {}", path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: parquet::errors::ParquetError,
    },
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
                "items: {} items can't cover {} interests; ask for at least one interest, and an item for each",
                self.n_items, self.n_interests
            ));
        }
        if !(1..=36_500).contains(&self.n_days) {
            faults.push(format!("days: {} is not between 1 and 36500", self.n_days));
        }
        if !(self.events_per_user_day > 0.0 && self.events_per_user_day <= 100.0) {
            faults.push(format!(
                "events a user and day: {} is not above 0 and at most 100",
                self.events_per_user_day
            ));
        }
        if !(0.0..=1.0).contains(&self.drift_per_week) {
            faults.push(format!("drift: {} is not a chance between 0 and 1", self.drift_per_week));
        }
        faults
    }

    /// Interest of an item: items go round the interests, so an item's rank within its interest is `item / n_interests`.
    const fn interest_of(&self, item: u32) -> u32 {
        item % self.n_interests
    }

    /// Number of items of an interest.
    const fn items_of(&self, interest: u32) -> u32 {
        (self.n_items - interest).div_ceil(self.n_interests)
    }

    /// The item of an interest with a rank of popularity.
    const fn item_of(&self, interest: u32, rank: u32) -> u32 {
        rank * self.n_interests + interest
    }

    /// Users of one part.
    fn users_per_part(&self) -> u64 {
        ((PART_EVENTS / self.events_per_user_day) as u64).max(1)
    }

    /// Files that [`generate`] writes below `events/`.
    #[must_use]
    pub fn n_parts(&self) -> u64 {
        u64::from(self.n_days) * self.n_users.div_ceil(self.users_per_part())
    }
}

/// Make the log in folder `out`. Returns the number of events.
///
/// # Errors
/// When the options are wrong, `out` holds events already, or a file cannot be written.
pub fn generate(options: &SynthOptions, out: &Path) -> Result<u64, SynthError> {
    generate_telling(options, out, &|_| ())
}

/// [`generate`], telling `on_part` the number of events of each part as soon as it is written, on any thread.
///
/// # Errors
/// As [`generate`].
pub fn generate_telling(
    options: &SynthOptions,
    out: &Path,
    on_part: &(dyn Fn(u64) + Sync),
) -> Result<u64, SynthError> {
    let faults = options.faults();
    if !faults.is_empty() {
        return Err(SynthError::Options(faults));
    }
    let events = out.join("events");
    if events.exists() {
        return Err(SynthError::AlreadyThere(events));
    }
    for day in 0..options.n_days {
        let path = events.join(format!("day={}", options.first_day.plus(day as i32)));
        std::fs::create_dir_all(&path).map_err(|source| SynthError::Write { path, source })?;
    }
    let description = out.join("dataset.yaml");
    std::fs::write(&description, DATASET)
        .map_err(|source| SynthError::Write { path: description.clone(), source })?;
    catalogue::write_csv(options, &out.join("items.csv"))?;
    if options.embedding_dim > 0 {
        catalogue::write_features(options, &out.join("items.parquet"))?;
    }
    write_parts(options, &events, on_part)
}

/// Threads take the next part from a shared counter until none is left.
fn write_parts(
    options: &SynthOptions,
    events: &Path,
    on_part: &(dyn Fn(u64) + Sync),
) -> Result<u64, SynthError> {
    let n_threads = match options.threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        threads => threads,
    };
    let texts = Texts::new(options);
    let (next, total, failed) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let work = || -> Result<(), SynthError> {
        loop {
            let part = next.fetch_add(1, Ordering::Relaxed);
            if part >= options.n_parts() || failed.load(Ordering::Relaxed) {
                return Ok(());
            }
            let n_events = write_part(options, events, &texts, part)
                .inspect_err(|_| failed.store(true, Ordering::Relaxed))?;
            total.fetch_add(n_events, Ordering::Relaxed);
            on_part(n_events);
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..n_threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("a worker does not panic"))
    })?;
    Ok(total.into_inner())
}

fn write_part(options: &SynthOptions, events: &Path, texts: &Texts, part: u64) -> Result<u64, SynthError> {
    let parts_per_day = options.n_parts() / u64::from(options.n_days);
    let (day, nth) = ((part / parts_per_day) as u32, part % parts_per_day);
    let folder = format!("day={}", options.first_day.plus(day as i32));
    let path = events.join(folder).join(format!("part-{nth:04}.parquet"));
    let first = nth * options.users_per_part();
    let mut writer = PartWriter::create(&path, texts)?;
    let mut outcome = Ok(());
    for user in first..options.n_users.min(first + options.users_per_part()) {
        behaviour::day_of_user(options, user, day, &mut |event| {
            if outcome.is_ok() {
                outcome = writer.push(event);
            }
        });
    }
    outcome.and_then(|()| writer.close())
}

/// The log's description, in the words of the trainer's configuration.
const DATASET: &str = "\
# How the trainer reads this log: `schema` is its events.schema, `text` its
# items.build.text.columns, beside the path of items.csv.
note: made up by `dayvec synth`; interests drift over weeks, and `interest` in items.csv is the truth
schema:
  columns: {user_id: user_id, item_id: item_id, action: action, timestamp: timestamp, surface: surface, duration_s: duration_s, event_id: event_id}
  time_unit: s
  actions: [view, click, save, purchase, hide]
  positives:
    - action: save
    - action: purchase
    - {action: click, longer_than_s: 10}
text: {item_id: item_id, text: [title], title: title, interest: interest}
";

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
    fn every_fault_is_told() {
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
