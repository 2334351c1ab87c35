//! A synthetic log of any size, with a known truth: users whose interests drift over weeks act on items that each belong to
//! one interest.
//!
//! ```text
//! DIR/events/day=YYYY-MM-DD/part-NNNN.parquet   user_id, item_id, action, timestamp (s), surface, duration_s, event_id
//! DIR/items.csv                                 item_id, interest (the truth), title
//! DIR/items.parquet                             the same with an embedding, if a width was given
//! DIR/dataset.yaml                              how the trainer reads the log
//! DIR/truth.json                                the best achievable recall after a cut-off, and popularity's
//! DIR/truth.parquet                             user_id, rank, item_id, score: the items that reach it
//! ```
//!
//! Every user's day is drawn from a generator named by (seed, user, day), so a log is the same whatever the number of
//! threads, any part can be generated on its own, and nothing is held in memory but the parts being written.
//! It never overwrites: a folder that holds events already is refused.

mod acted;
mod behaviour;
mod best;
mod catalogue;
mod chance;
mod market;
mod options;
mod oracle;
#[cfg(test)]
mod oracle_tests;
mod parts;
mod random;
mod recall;
mod return_days;
mod taste;
mod truth;
mod truth_files;

use std::path::Path;

use rayon::prelude::*;

pub use options::{SynthError, SynthOptions};
pub use recall::{RecallOfTruth, Truth, TruthOptions};
pub use truth::measure_truth;

use acted::Acted;
use behaviour::day_of_user;
use market::Market;
use parts::{PartWriter, Texts};

/// Make the log in folder `out`. Returns the number of events.
///
/// # Errors
/// When the options are wrong, `out` holds events already, or a file cannot be written.
pub fn generate(options: &SynthOptions, out: &Path) -> Result<u64, SynthError> {
    generate_with_progress(options, out, &|_| ())
}

/// [`generate`], calling `on_part` with the number of events of each part as soon as it is written, on any thread.
///
/// # Errors
/// As [`generate`].
pub fn generate_with_progress(
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
    std::fs::write(&description, format!("{DATASET}made_with: {}\n", options.json()))
        .map_err(|source| SynthError::Write { path: description.clone(), source })?;
    catalogue::write_csv(options, &out.join("items.csv"))?;
    if options.embedding_dim > 0 {
        catalogue::write_features(options, &out.join("items.parquet"))?;
    }
    write_parts(options, &events, on_part)
}

/// Write the parts in parallel; the first error stops the others from starting. Returns the number of events.
fn write_parts(
    options: &SynthOptions,
    events: &Path,
    on_part: &(dyn Fn(u64) + Sync),
) -> Result<u64, SynthError> {
    let threads = options.thread_pool(events)?;
    let texts = Texts::new(options);
    let market = Market::new(options);
    let parts_per_day = options.n_parts() / u64::from(options.n_days);
    let write = |day: u32, nth: u64, acted: &mut [Acted]| {
        let folder = format!("day={}", options.first_day.plus(day as i32));
        let path = events.join(folder).join(format!("part-{nth:04}.parquet"));
        let n_events = write_part(&market, &path, &texts, (day, nth), acted)?;
        on_part(n_events);
        Ok(n_events)
    };
    let n_users = options.users_per_part().min(options.n_users) as usize;
    // Where events are dropped, a day needs the days before it; otherwise all parts are independent.
    let days_of_part = |nth: u64| {
        let mut acted = vec![Acted::default(); n_users];
        (0..options.n_days).try_fold(0, |sum, day| Ok(sum + write(day, nth, &mut acted)?))
    };
    let one_part = |part: u64| write((part / parts_per_day) as u32, part % parts_per_day, &mut []);
    threads.install(|| {
        if options.drops_events() {
            (0..parts_per_day).into_par_iter().map(days_of_part).try_reduce(|| 0, |a, b| Ok(a + b))
        } else {
            (0..options.n_parts()).into_par_iter().map(one_part).try_reduce(|| 0, |a, b| Ok(a + b))
        }
    })
}

/// Write the events of the users of the `nth` part of a day. `acted` is what each of them did before, where repeats are
/// dropped.
fn write_part(
    market: &Market<'_>,
    path: &Path,
    texts: &Texts,
    (day, nth): (u32, u64),
    acted: &mut [Acted],
) -> Result<u64, SynthError> {
    let options = market.options;
    let first = nth * options.users_per_part();
    let mut writer = PartWriter::create(path, texts)?;
    let mut outcome = Ok(());
    for user in first..options.n_users.min(first + options.users_per_part()) {
        let mut push = |event| {
            if outcome.is_ok() {
                outcome = writer.push(event);
            }
        };
        match acted.get_mut((user - first) as usize) {
            Some(acted) => acted.day_of_user(market, user, day, &mut push),
            None => day_of_user(market, user, day, &mut push),
        }
    }
    outcome.and_then(|()| writer.close())
}

/// The log's description, in the words of the trainer's configuration.
const DATASET: &str = "\
# How the trainer reads this log: `schema` is its events.schema, `text` its
# items.build.text.columns, beside the path of items.csv.
# `made_with` is the process; truth.json, if it was asked for, has the best
# recall that is possible on this log, and truth.parquet the lists that reach it.
note: generated by `dayvec synth`; interests drift over weeks, and `interest` in items.csv is the truth
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
