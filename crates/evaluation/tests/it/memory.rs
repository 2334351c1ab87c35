//! The memory of a whole table of baselines over a catalogue of a million items.

use std::fs;

use dayvec_core::{Actions, Day, IdInterner, ItemTable, SECONDS_PER_DAY, Sequences};
use dayvec_evaluation::baselines::{BaselineInput, Limits, Which, each};
use dayvec_evaluation::{EvalOptions, EvaluationError, Scorer, TimeSplit, Truth, retrieve};

const N_ITEMS: u32 = 1_000_000;
const N_USERS: u32 = 32;
/// For the dense matrices of one baseline.
const MEMORY_BYTES: usize = 64 << 20;
/// As config/trainer.yaml states it: a block of scores and its copies, and what else grows with the catalogue.
const BESIDE_BYTES: usize = 512 << 20;

/// A hundred purchases a user, spread over the catalogue and over a hundred days, so that nearly every purchase is of
/// another item; every fifth is of an item that all buy.
fn log() -> Sequences {
    let mut items = IdInterner::default();
    (0..N_ITEMS).for_each(|item| {
        items.intern(&item.to_string());
    });
    let mut log = Sequences { offsets: vec![0], actions: Actions::default(), items, ..Sequences::default() };
    for user in 0..N_USERS {
        for day in (0..100u32).rev() {
            let spread = (user * 100 + day).wrapping_mul(2_654_435_761) % N_ITEMS;
            log.actions.item.push(if day % 5 == 0 { day / 5 } else { spread });
            log.actions.action_type.push(0);
            log.actions.timestamp.push(i64::from(day) * SECONDS_PER_DAY);
            log.actions.positive.push(true);
            log.actions.event_key.push(u64::from(user * 100 + day));
        }
        log.offsets.push(log.actions.item.len());
    }
    let users: Vec<String> = (0..N_USERS).map(|user| format!("u{user}")).collect();
    log.users = users.iter().map(String::as_str).collect();
    log
}

/// A line of `/proc/self/status`, in bytes.
fn status(name: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() << 10
}

#[test]
fn a_million_items_stay_within_the_stated_bound() {
    let log = log();
    let split = TimeSplit { cut_off: Day::of_timestamp(0).plus(86), n_days: 14 };
    let history = split.history(&log);
    // Every item is of the catalogue.
    let eligible = vec![true; N_ITEMS as usize];
    let truth = Truth { eligible, ..Truth::build(&history, &split.future(&log)).unwrap().thinned(16) };
    let features = vec![0.5; N_ITEMS as usize * 4];
    let items = ItemTable { ids: log.items.clone(), dim: 4, features, ..ItemTable::default() };
    let limits = Limits { ease_items: usize::MAX, memory_bytes: MEMORY_BYTES };
    let input = BaselineInput { history: &history, items: &items, split, limits, pinnersage: None, seed: 1 };
    let options = EvalOptions { n_resamples: 10, ..EvalOptions::default() };
    fs::write("/proc/self/clear_refs", "5").unwrap(); // the peak starts anew
    let before = status("VmRSS:");
    let (mut n_scorers, mut most) = (0, 0);
    each(&input, Which::All, &|| false, &mut |scorer: &dyn Scorer| {
        let metrics = retrieve(scorer, &history, &truth, &options)?.metrics(&|_| true);
        assert_eq!((metrics.n_items, metrics.n_users), (N_ITEMS as usize, truth.users.len()));
        n_scorers += 1;
        most = most.max(status("VmHWM:") - before);
        Ok::<(), EvaluationError>(())
    })
    .unwrap();
    assert_eq!(n_scorers, 14);
    assert!(most < MEMORY_BYTES + BESIDE_BYTES, "{} MiB", most >> 20);
}
