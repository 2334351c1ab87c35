//! What an embedding depends on, and what not.

use dayvec_core::{PartsSpec, SECONDS_PER_DAY, Sequences};
use dayvec_parts::{
    BasisWidths, ByItem, Fit, FitOptions, FoldBases, Horizon, ItemCounts, Parts, PartsError, TrainingRows,
};
use tch::Device;

use crate::fixture::{OPENED_S, UserActions, sequences, shop};

pub(crate) const N_ITEMS: usize = 60;
pub(crate) const SPEC: PartsSpec = PartsSpec { memory: 12, cooccurrence: 8, trend: 4, history_len: 40 };
pub(crate) const END_S: i64 = OPENED_S + 365 * SECONDS_PER_DAY;

pub(crate) fn options() -> FitOptions {
    FitOptions { parts: SPEC, seed: 1, rows: 32, softmax_steps: 10, recall_steps: 20, unseen_weight: 0.1 }
}

/// Parts after a few steps.
pub(crate) fn train(log: &Sequences, stop_after: Option<u64>) -> Result<Parts, PartsError> {
    let by_item = ByItem::of(log);
    let rows =
        TrainingRows::of(&by_item, Horizon { until_s: END_S, n_days: 14 }, SPEC.history_len, |_| true)?;
    let bases = FoldBases::of(log, BasisWidths { memory: 12, cooccurrence: 8 }, 1, &|| false)?;
    Fit::run(&rows, bases, options(), Device::Cpu, &mut |progress| stop_after != Some(progress.step))
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

fn all_users(parts: &Parts, log: &Sequences) -> Vec<f32> {
    parts.encode_users(log, &(0..log.n_users()).collect::<Vec<_>>()).unwrap()
}

#[test]
fn a_user_is_encoded_alike_alone_and_among_others() {
    let users = shop(2500, N_ITEMS, 2);
    let log = sequences(&users, N_ITEMS);
    let parts = train(&log, None).unwrap();
    let together = all_users(&parts, &log);
    for user in [0, 7, 1022, 1023, 1024, 2499] {
        let alone = parts.encode_users(&log, &[user]).unwrap();
        assert_eq!(bits(&alone), bits(&together[user * SPEC.dim()..(user + 1) * SPEC.dim()]), "user {user}");
    }
}

#[test]
fn time_that_passes_changes_no_user() {
    let users = shop(80, N_ITEMS, 3);
    let log = sequences(&users, N_ITEMS);
    let parts = train(&log, None).unwrap();
    let later: Vec<UserActions> = users
        .iter()
        .map(|user| {
            user.iter().map(|&(item, at, positive)| (item, at - 100 * SECONDS_PER_DAY, positive)).collect()
        })
        .collect();
    assert_eq!(bits(&all_users(&parts, &log)), bits(&all_users(&parts, &sequences(&later, N_ITEMS))));
}

#[test]
fn only_the_newest_actions_count() {
    let mut users = shop(80, N_ITEMS, 4);
    let log = sequences(&users, N_ITEMS);
    let parts = train(&log, None).unwrap();
    for user in &mut users {
        user.truncate(SPEC.history_len);
    }
    assert_eq!(bits(&all_users(&parts, &log)), bits(&all_users(&parts, &sequences(&users, N_ITEMS))));
}

#[test]
fn items_counted_in_pieces_are_the_items_counted_at_once() {
    let users = shop(300, N_ITEMS, 5);
    let until_s = OPENED_S + 200 * SECONDS_PER_DAY;
    let of = |users: &[UserActions]| ItemCounts::of(&ByItem::of(&sequences(users, N_ITEMS)), until_s, 40);
    let mut pieces = ItemCounts::none(N_ITEMS, until_s);
    for piece in users.rchunks(70) {
        pieces.add(&of(piece));
    }
    assert_eq!(pieces, of(&users));
    let earlier: Vec<UserActions> =
        users.iter().map(|user| user.iter().filter(|(_, at, _)| *at < until_s).copied().collect()).collect();
    assert_eq!(pieces, of(&earlier), "what comes later is not seen");
}

#[test]
fn saved_parts_are_loaded_to_the_bit() {
    let log = sequences(&shop(120, N_ITEMS, 6), N_ITEMS);
    let parts = train(&log, None).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    parts.save(&path).unwrap();
    let loaded = Parts::load(SPEC, N_ITEMS, &path, Device::Cpu).unwrap();
    assert_eq!(bits(&all_users(&parts, &log)), bits(&all_users(&loaded, &log)));
    let counts = ItemCounts::of(&ByItem::of(&log), END_S, SPEC.history_len);
    assert_eq!(bits(&parts.encode_items(&counts).unwrap()), bits(&loaded.encode_items(&counts).unwrap()));
    let other = PartsSpec { memory: 16, ..SPEC };
    let error = Parts::load(other, N_ITEMS, &path, Device::Cpu).unwrap_err().to_string();
    assert!(error.contains("model.safetensors"), "{error}");
}
