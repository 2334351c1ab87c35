//! What training sees, and what comes of it.

use dayvec_core::SECONDS_PER_DAY;
use dayvec_parts::{
    Basis, BasisWidths, ByItem, FoldBases, Horizon, ItemCounts, PartsError, TrainingRows, fold_of,
};
use tch::{Kind, Tensor};

use crate::encode::{END_S, N_ITEMS, SPEC, train};
use crate::fixture::{OPENED_S, UserActions, sequences, shop};

const WIDTHS: BasisWidths = BasisWidths { memory: 12, cooccurrence: 8 };

/// The products of both sides of a basis: what scores depend on.
fn products(basis: &Basis) -> [Tensor; 2] {
    let [memory, source, target] = basis.vectors();
    [memory.matmul(&memory.tr()), source.matmul(&target.tr())]
}

fn distance(a: &Basis, b: &Basis) -> f64 {
    let [a, b] = [products(a), products(b)];
    a.iter().zip(&b).map(|(a, b)| (a - b).abs().max().double_value(&[])).fold(0.0, f64::max)
}

#[test]
fn the_basis_of_a_fold_has_not_seen_its_users() {
    let users = shop(200, N_ITEMS, 8);
    let log = sequences(&users, N_ITEMS);
    let bases = FoldBases::of(&log, WIDTHS, 1, &|| false).unwrap();
    let n_folds = bases.without.len();
    for (fold, basis) in bases.without.iter().enumerate() {
        // The users of the fold live another life; everyone else is as before.
        let others: Vec<UserActions> = users
            .iter()
            .enumerate()
            .map(|(user, actions)| {
                let in_fold = fold_of(&format!("user {user}"), n_folds) == fold;
                if in_fold {
                    vec![(5, OPENED_S + 10, true), (6, OPENED_S + 5, true)]
                } else {
                    actions.clone()
                }
            })
            .collect();
        let changed = FoldBases::of(&sequences(&others, N_ITEMS), WIDTHS, 1, &|| false).unwrap();
        // The newest positive of anyone moves every weight by one factor, which no direction depends on.
        assert!(distance(basis, &changed.without[fold]) < 1e-2, "fold {fold} saw its users");
        assert!(distance(&bases.all, &changed.all) > 0.1, "the users of fold {fold} change nothing at all");
    }
}

#[test]
fn folds_are_of_equal_size() {
    let folds: Vec<usize> = (0..10_000).map(|user| fold_of(&format!("u{user}"), 5)).collect();
    for fold in 0..5 {
        let share = folds.iter().filter(|&&of| of == fold).count();
        assert!((1800..2200).contains(&share), "fold {fold}: {share}");
    }
}

#[test]
fn the_same_seed_gives_the_same_parts() {
    let log = sequences(&shop(120, N_ITEMS, 9), N_ITEMS);
    let items = |seed_log| {
        let counts = ItemCounts::of(&ByItem::of(seed_log), END_S, SPEC.history_len);
        train(seed_log, None).unwrap().encode_items(&counts).unwrap()
    };
    assert_eq!(items(&log), items(&log));
}

#[test]
fn a_training_stops_when_it_is_told_to() {
    let log = sequences(&shop(120, N_ITEMS, 10), N_ITEMS);
    assert!(matches!(train(&log, Some(3)), Err(PartsError::Stopped)));
}

#[test]
fn a_log_without_a_horizon_is_refused() {
    let log = sequences(&[vec![(1, OPENED_S, true)]], N_ITEMS);
    let by_item = ByItem::of(&log);
    let horizon = Horizon { until_s: OPENED_S + SECONDS_PER_DAY, n_days: 14 };
    let error = TrainingRows::of(&by_item, horizon, 10, |_| true).unwrap_err();
    assert!(error.to_string().contains("14 days"), "{error}");
}

/// Recall of the next fortnight's items in lists of ten, by parts and by the bare popularity of the year.
#[test]
fn trained_parts_find_what_people_buy_again() {
    let users = shop(400, N_ITEMS, 11);
    let cut_off = END_S - 14 * SECONDS_PER_DAY;
    let past: Vec<UserActions> =
        users.iter().map(|user| user.iter().filter(|(_, at, _)| *at < cut_off).copied().collect()).collect();
    let log = sequences(&past, N_ITEMS);
    let parts = train(&log, None).unwrap();
    let with_past: Vec<usize> = (0..past.len()).filter(|&user| !past[user].is_empty()).collect();
    let dim = SPEC.dim() as i64;
    let vectors = Tensor::from_slice(&parts.encode_users(&log, &with_past).unwrap()).view([-1, dim]);
    let counts = ItemCounts::of(&ByItem::of(&log), cut_off, SPEC.history_len);
    let items = Tensor::from_slice(&parts.encode_items(&counts).unwrap()).view([-1, dim]);
    let scores = vectors.matmul(&items.tr());
    let mut popularity = vec![0.0_f32; N_ITEMS];
    past.iter().flatten().filter(|action| action.2).for_each(|action| popularity[action.0 as usize] += 1.0);
    let popularity = Tensor::from_slice(&popularity).unsqueeze(0).expand_as(&scores);
    let recall = |scores: &Tensor| {
        let best = scores.topk(10, 1, true, true).1;
        let (mut hits, mut pairs) = (0, 0);
        for (row, &user) in with_past.iter().enumerate() {
            let best: Vec<i64> = Vec::try_from(best.get(row as i64).to_kind(Kind::Int64)).unwrap();
            let mut bought: Vec<u32> = users[user]
                .iter()
                .filter(|(_, at, positive)| *at >= cut_off && *positive)
                .map(|a| a.0)
                .collect();
            bought.sort_unstable();
            bought.dedup();
            pairs += bought.len();
            hits += bought.iter().filter(|&&item| best.contains(&i64::from(item))).count();
        }
        hits as f64 / pairs as f64
    };
    let (ours, popular) = (recall(&scores), recall(&popularity));
    assert!(ours > 2.0 * popular && ours > 0.5, "parts {ours}, popularity {popular}");
}
