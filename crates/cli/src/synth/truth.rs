//! The best achievable recall of a log: `truth.json`, and the lists that reach it, `truth.parquet`.
//!
//! Test users, relevant items and the catalogue are those of `dayvec-evaluation`: users with positives on both sides of the
//! cut-off, their distinct positive items of the window, and the items met in any event before it. The lists of ten settle
//! ties, by the lower number of the item. Users are worked on in blocks, whose events are drawn again, so memory is a few
//! numbers an item, and never users × items.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use rayon::prelude::*;

use super::acted::Acted;
use super::behaviour::day_of_user;
use super::market::Market;
use super::options::{SynthError, SynthOptions};
use super::oracle::Oracle;
use super::recall::{RECALL_K, RecallOfTruth, Truth, TruthOptions};
use super::truth_files::{ListWriter, Listed, write_json};

/// Users of a block, the unit of parallel work, and blocks whose lists are held before they are written.
const BLOCK_USERS: u64 = 1024;
const BLOCKS_HELD: u64 = 64;

/// What happened before the cut-off, by item.
struct History {
    /// Whether any event has the item.
    met: Vec<bool>,
    /// The items of any event, by number of positives, then by number.
    popular: Vec<u32>,
}

/// A test user.
pub(super) struct Case {
    pub(super) user: u64,
    /// Items of events before the cut-off, ascending.
    pub(super) seen: Vec<u32>,
    /// Items of positives in the window, of the catalogue, ascending.
    pub(super) relevant: Vec<u32>,
    /// What they did before the cut-off.
    pub(super) acted: Acted,
}

/// Sums over users, and their lists.
#[derive(Default)]
struct Block {
    n_users: u64,
    recalls: [RecallOfTruth; 4],
    lists: Vec<Listed>,
}

/// Measure the best achievable recall of the log of `options` and write it into folder `out`, calling `on_users` with
/// numbers of finished users.
///
/// # Errors
/// When the options are wrong, no user can be tested, or a file cannot be written.
pub fn measure_truth(
    options: &SynthOptions,
    truth: &TruthOptions,
    out: &Path,
    on_users: &(dyn Fn(u64) + Sync),
) -> Result<Truth, SynthError> {
    let faults = [options.faults(), truth.faults(options)].concat();
    if !faults.is_empty() {
        return Err(SynthError::Options(faults));
    }
    let market = Market::new(options);
    let start = cut_off(&market, truth)?;
    let path = out.join("truth.parquet");
    let mut lists = (truth.n_top > 0).then(|| ListWriter::create(&path)).transpose()?;
    let threads = options.thread_pool(out)?;
    let history = threads.install(|| History::draw(&market, start));
    let window = start..(start + truth.test_days).min(options.n_days);
    let oracle = Oracle::new(&market, window.clone(), &history.met, truth.n_futures);
    let n_blocks = options.n_users.div_ceil(BLOCK_USERS);
    let mut all = Block::default();
    for held in (0..n_blocks).step_by(BLOCKS_HELD as usize) {
        let work = |nth: u64| {
            let users = nth * BLOCK_USERS..options.n_users.min((nth + 1) * BLOCK_USERS);
            on_users(users.end - users.start);
            let cases = users.filter_map(|user| test_user(&market, window.clone(), &history.met, user));
            Block::of(cases, &oracle, &history.popular, truth.n_top)
        };
        let blocks: Vec<Block> =
            threads.install(|| (held..n_blocks.min(held + BLOCKS_HELD)).into_par_iter().map(work).collect());
        for block in &blocks {
            all.merge(block);
            if let Some(writer) = &mut lists {
                writer.write(&block.lists)?;
            }
        }
    }
    if let Some(writer) = lists {
        writer.close()?;
    }
    let [best, best_unseen, popularity, popularity_unseen] = all.recalls;
    let measured = Truth {
        cut_off: options.first_day.plus(start as i32),
        n_users: all.n_users,
        n_items: history.popular.len(),
        best,
        best_unseen,
        popularity,
        popularity_unseen,
    };
    if measured.n_users == 0 {
        if truth.n_top > 0 {
            std::fs::remove_file(&path).map_err(|source| SynthError::Write { path, source })?;
        }
        return Err(SynthError::NoTestUsers(measured.cut_off));
    }
    write_json(options, truth, &measured, &out.join("truth.json"))?;
    Ok(measured)
}

/// The cut-off, in days from the log's first.
fn cut_off(market: &Market<'_>, truth: &TruthOptions) -> Result<u32, SynthError> {
    let options = market.options;
    let start = match truth.cut_off {
        Some(day) => (day.start_s() - options.first_day.start_s()) / dayvec_core::SECONDS_PER_DAY,
        None => i64::from(last_active_day(market)) - i64::from(truth.test_days),
    };
    u32::try_from(start).ok().filter(|&start| start > 0).ok_or_else(|| {
        SynthError::Options(vec![format!(
            "test days: {} leave no history before them; make the log longer than {} days, or measure no truth",
            truth.test_days, options.n_days
        )])
    })
}

/// The day of the log's last event.
fn last_active_day(market: &Market<'_>) -> u32 {
    let is_active = |day: &u32| {
        (0..market.options.n_users).any(|user| {
            let mut any = false;
            let mut acted = Acted::default();
            // Where events are dropped, the earlier days decide what is left of this one.
            for earlier in 0..if market.options.drops_events() { *day } else { 0 } {
                acted.day_of_user(market, user, earlier, &mut |_| ());
            }
            acted.day_of_user(market, user, *day, &mut |_| any = true);
            any
        })
    };
    (0..market.options.n_days).rev().find(is_active).unwrap_or(0)
}

impl History {
    fn draw(market: &Market<'_>, cut_off: u32) -> Self {
        let options = market.options;
        let met: Vec<AtomicBool> = (0..options.n_items).map(|_| AtomicBool::new(false)).collect();
        let positives: Vec<AtomicU32> = (0..options.n_items).map(|_| AtomicU32::new(0)).collect();
        (0..options.n_users).into_par_iter().for_each(|user| {
            let mut acted = Acted::default();
            for day in 0..cut_off {
                acted.day_of_user(market, user, day, &mut |event| {
                    met[event.item as usize].store(true, Ordering::Relaxed);
                    if event.is_positive() {
                        positives[event.item as usize].fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        let met: Vec<bool> = met.into_iter().map(AtomicBool::into_inner).collect();
        let mut popular: Vec<u32> = (0..options.n_items).filter(|&item| met[item as usize]).collect();
        popular
            .sort_by_cached_key(|&item| std::cmp::Reverse(positives[item as usize].load(Ordering::Relaxed)));
        Self { met, popular }
    }
}

/// What `user` did, if they have positives on both sides of the cut-off. The catalogue is `met`.
pub(super) fn test_user(
    market: &Market<'_>,
    window: std::ops::Range<u32>,
    met: &[bool],
    user: u64,
) -> Option<Case> {
    let mut is_active = false;
    for day in window.clone() {
        day_of_user(market, user, day, &mut |event| is_active |= event.is_positive());
    }
    if !is_active {
        return None; // So the days before need not be drawn.
    }
    let (mut seen, mut relevant, mut has_positive) = (Vec::new(), Vec::new(), false);
    let mut acted = Acted::default();
    for day in 0..window.start {
        acted.day_of_user(market, user, day, &mut |event| {
            has_positive |= event.is_positive();
            seen.push(event.item);
        });
    }
    let before = acted.clone();
    for day in window {
        acted.day_of_user(market, user, day, &mut |event| {
            relevant.extend(event.is_positive().then_some(event.item));
        });
    }
    if relevant.is_empty() {
        return None;
    }
    relevant.retain(|&item| met[item as usize]);
    for items in [&mut seen, &mut relevant] {
        items.sort_unstable();
        items.dedup();
    }
    has_positive.then_some(Case { user, seen, relevant, acted: before })
}

impl Block {
    fn of(cases: impl Iterator<Item = Case>, oracle: &Oracle<'_>, popular: &[u32], n_top: usize) -> Self {
        let mut block = Self::default();
        for Case { user, seen, relevant, acted } in cases {
            let is_unseen = |item: &u32| seen.binary_search(item).is_err();
            let unseen: Vec<u32> = relevant.iter().copied().filter(is_unseen).collect();
            let prospect = oracle.prospect(user);
            let best = prospect.best(n_top.max(RECALL_K), &[], &acted);
            block.n_users += 1;
            block.recalls[0].add(best.iter().map(|&(item, _)| item), &relevant);
            if !unseen.is_empty() {
                let best = prospect.best(RECALL_K, &seen, &acted);
                block.recalls[1].add(best.iter().map(|&(item, _)| item), &unseen);
            }
            block.recalls[2].add(popular.iter().copied(), &relevant);
            block.recalls[3].add(popular.iter().copied().filter(is_unseen), &unseen);
            let ranked = best.iter().take(n_top).zip(1..);
            block.lists.extend(ranked.map(|(&(item, probability), rank)| (user, rank, item, probability)));
        }
        block
    }

    fn merge(&mut self, other: &Self) {
        self.n_users += other.n_users;
        for (sum, recall) in self.recalls.iter_mut().zip(&other.recalls) {
            sum.merge(recall);
        }
    }
}
