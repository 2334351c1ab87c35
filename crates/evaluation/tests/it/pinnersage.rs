//! PinnerSage's trees, clusters and retrieval, against SciPy's Ward and a NumPy computation by the definitions.

use std::rc::Rc;

use dayvec_core::{IdColumn, ItemTable, SECONDS_PER_DAY, Sequences};
use dayvec_evaluation::pinnersage::{
    ClusterOptions, DECAY_PER_DAY, Dendrogram, Distances, LOOK_BACK_DAYS, MAX_ACTIONS, PinnerSage,
    TOP_CLUSTERS, clusters_of,
};
use dayvec_evaluation::{EvalOptions, Interests, Scorer as _, TimeSplit, Truth, evaluate, top};
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64;
use serde_json::{Value, json};

fn python(given: &Value) -> Value {
    crate::python::run("pinnersage.py", given)
}

/// Heights, members, medoids and importances equal SciPy's; returns the number of clusters.
fn check_clusters(points: &[f32], dim: usize, ages_s: &[i64], threshold: f64) -> usize {
    let options = ClusterOptions { threshold, decay_per_day: DECAY_PER_DAY };
    let rows: Vec<&[f32]> = points.chunks(dim).collect();
    let given = json!({ "points": rows, "ages_s": ages_s, "threshold": threshold, "decay": DECAY_PER_DAY });
    let expected = python(&given);
    let tree = Dendrogram::ward(Distances::euclidean(points, dim));
    let heights = expected["heights"].as_array().unwrap();
    assert_eq!(tree.merges().len(), heights.len());
    for (merge, height) in tree.merges().iter().zip(heights) {
        let height = height.as_f64().unwrap();
        assert!((merge.height - height).abs() < 1e-9, "{} is not {height}", merge.height);
    }
    let clusters = clusters_of(points, dim, ages_s, &options);
    let expected = expected["clusters"].as_array().unwrap();
    assert_eq!(clusters.len(), expected.len());
    for (got, expected) in clusters.iter().zip(expected) {
        assert_eq!(json!(got.members), expected[0]);
        assert_eq!(json!(got.medoid), expected[1], "medoid of {:?}", got.members);
        let importance = expected[2].as_f64().unwrap();
        assert!((got.importance - importance).abs() < 1e-9, "{} is not {importance}", got.importance);
    }
    clusters.len()
}

fn ages(n: usize, rng: &mut Pcg64) -> Vec<i64> {
    (0..n).map(|_| rng.random_range(0..90 * SECONDS_PER_DAY)).collect()
}

#[test]
fn clusters_equal_scipys_ward() {
    let mut rng = Pcg64::seed_from_u64(3);
    for (n, dim, threshold) in
        [(1, 3, 1.0), (2, 3, 0.1), (2, 3, 9.0), (40, 8, 2.0), (150, 3, 1.0), (150, 3, 50.0)]
    {
        let points: Vec<f32> = (0..n * dim).map(|_| rng.random_range(-1.0..1.0)).collect();
        let n_clusters = check_clusters(&points, dim, &ages(n, &mut rng), threshold);
        if n == 150 {
            assert!((2..n).contains(&n_clusters), "{n_clusters} of {n}: the threshold tests nothing");
        }
    }
}

#[test]
fn ties_are_settled_as_scipy_settles_them() {
    let mut rng = Pcg64::seed_from_u64(4);
    // Whole coordinates in a small square: most distances are equal to others, and many points to each other.
    for (n, side, threshold) in [(12, 2, 1.0), (60, 4, 1.0), (60, 4, 5.0), (90, 6, 3.5), (9, 1, 0.0)] {
        let points: Vec<f32> = (0..2 * n).map(|_| rng.random_range(0..side) as f32).collect();
        check_clusters(&points, 2, &ages(n, &mut rng), threshold);
    }
    // A merge at exactly the threshold is kept; of two members the first is the medoid.
    let options = ClusterOptions { threshold: 4.0, decay_per_day: 0.0 };
    let clusters = clusters_of(&[0.0, 2.0, 10.0], 1, &[0, 5, 7], &options);
    assert_eq!((clusters[0].members.as_slice(), clusters[0].medoid), ([0, 1].as_slice(), 0));
    assert_eq!((clusters[0].importance, clusters.len()), (2.0, 2));
    assert!(clusters_of(&[], 1, &[], &options).is_empty());
}

const N_ITEMS: usize = 60;
const DIM: usize = 4;
const N_USERS: usize = 12;
const CUT_OFF_DAY: i64 = 200;

/// (item, Unix seconds), newest first, of a user.
fn actions(rng: &mut Pcg64, n: usize, days: ::core::ops::Range<i64>) -> Vec<(u32, i64)> {
    let seconds = days.start * SECONDS_PER_DAY..days.end * SECONDS_PER_DAY;
    let mut times: Vec<i64> = (0..n).map(|_| rng.random_range(seconds.clone())).collect();
    times.sort_unstable_by(|a, b| b.cmp(a));
    times.into_iter().map(|time| (rng.random_range(0..N_ITEMS as u32), time)).collect()
}

/// One row a user; every item occurs, as an old action that is not positive of a user of its own.
fn log(users: &[Vec<(u32, i64)>]) -> Sequences {
    let ids: Vec<String> = (0..N_ITEMS).map(|item| format!("item-{item}")).collect();
    let mut log = Sequences {
        items: ids.iter().map(String::as_str).collect::<IdColumn>().into(),
        offsets: vec![0],
        ..Sequences::default()
    };
    let everything: Vec<(u32, i64)> = (0..N_ITEMS as u32).map(|item| (item, 0)).collect();
    for (user, actions) in users.iter().chain([&everything]).enumerate() {
        for &(item, time) in actions {
            log.actions.item.push(item);
            log.actions.action_type.push(0);
            log.actions.timestamp.push(time);
            log.actions.positive.push(user < users.len());
            log.actions.event_key.push(log.actions.event_key.len() as u64);
        }
        log.offsets.push(log.actions.item.len());
    }
    let names: Vec<String> = (0..=users.len()).map(|user| user.to_string()).collect();
    log.users = names.iter().map(String::as_str).collect();
    log
}

fn table(log: &Sequences, rng: &mut Pcg64) -> ItemTable {
    ItemTable {
        ids: log.items.clone(),
        dim: DIM,
        features: (0..N_ITEMS * DIM).map(|_| rng.random_range(-1.0..1.0)).collect(),
        interests: Some((0..N_ITEMS).map(|item| ["hats", "cups", "pens"][item % 3]).collect()),
        titles: None,
    }
}

#[test]
fn oracle_recall_and_merged_lists_equal_numpy() {
    let mut rng = Pcg64::seed_from_u64(6);
    let users: Vec<Vec<(u32, i64)>> = (0..N_USERS)
        .map(|user| {
            let mut all = actions(&mut rng, 6, CUT_OFF_DAY..CUT_OFF_DAY + 14);
            all.extend(actions(&mut rng, 2 + 4 * user, 20..CUT_OFF_DAY));
            all
        })
        .collect();
    let log = log(&users);
    let table = table(&log, &mut rng);
    let split =
        TimeSplit { cut_off: dayvec_core::Day::of_timestamp(CUT_OFF_DAY * SECONDS_PER_DAY), n_days: 14 };
    let history = split.history(&log);
    let truth = Truth::build(&history, &split.future(&log)).unwrap();
    let threshold = 0.5;
    let is_past = |action: &&(u32, i64)| action.1 < split.cut_off.start_s();
    let given_users: Vec<Value> = users
        .iter()
        .map(|actions| {
            let (past, future): (Vec<&(u32, i64)>, Vec<_>) = actions.iter().partition(is_past);
            let future: Vec<u32> = future.into_iter().map(|action: &(u32, i64)| action.0).collect();
            json!({ "history": past, "future": future })
        })
        .collect();
    let items: Vec<&[f32]> = table.features.chunks(DIM).collect();
    let interests: Vec<&str> = table.interests.as_ref().unwrap().iter().collect();
    let expected = python(&json!({
        "users": given_users, "items": items, "interests": interests, "threshold": threshold,
        "decay": DECAY_PER_DAY, "look_back_days": LOOK_BACK_DAYS, "top": [2, 5],
    }));
    let options = EvalOptions { interests: Interests::of(&table), n_resamples: 20, seed: 1 };
    let sage = Rc::new(PinnerSage::new(&history, &table, threshold).unwrap());
    assert!(sage.mean_clusters() > 3.0, "{}: nothing for the fifth cluster to do", sage.mean_clusters());
    for n_clusters in [2, 5] {
        let row = evaluate(&sage.top(n_clusters), &history, &truth, &options).unwrap();
        assert_eq!(row.scorer, format!("PinnerSage, {n_clusters} clusters, oracle"));
        for (kept, got) in [("all", row.seen_allowed), ("unseen", row.seen_filtered)] {
            let expected = &expected[format!("{n_clusters} {kept}")];
            let entropy = got.interest_entropy.unwrap().nats;
            let got = [got.recall.micro.value, got.recall.micro_listed, entropy, got.coverage.p90];
            for (column, value) in got.into_iter().enumerate() {
                let expected = expected[column].as_f64().unwrap();
                assert!(
                    (value - expected).abs() < 1e-9,
                    "{n_clusters} {kept} {column}: {value} not {expected}"
                );
            }
            assert!(got[0] > got[1], "the oracle is not above the merged list: {got:?}");
        }
    }
    // The merged list is also what the scorer gives as scores.
    let five = sage.top(5);
    let rows = top(&five, &[3], &truth.eligible, 50).unwrap();
    assert_eq!(rows.item.len(), 50);
    assert_eq!(rows.score[..3], [0.0, -1.0, -2.0]);
}

#[test]
fn only_the_newest_positives_with_features_are_clustered() {
    let mut rng = Pcg64::seed_from_u64(7);
    let many: Vec<(u32, i64)> =
        (0..MAX_ACTIONS + 50).map(|at| (u32::from(at >= MAX_ACTIONS), 9_000_000 - at as i64)).collect();
    let old = vec![(2, 20_000_000), (3, 20_000_000 - i64::from(LOOK_BACK_DAYS) * SECONDS_PER_DAY)];
    let log = log(&[many, old, vec![(4, 1_000)]]);
    let mut table = table(&log, &mut rng);
    table.features[4 * DIM..5 * DIM].fill(0.0);
    let sage = Rc::new(PinnerSage::new(&log, &table, 1e-9).unwrap());
    let first_two = |user| {
        let rows = top(&sage.top(TOP_CLUSTERS[0]), &[user], &[true; N_ITEMS], 1).unwrap();
        rows.item
    };
    assert_eq!((first_two(0), first_two(1)), (vec![0], vec![2]));
    assert_eq!(sage.mean_clusters(), 1.0, "item 1 is beyond the newest ones, item 3 too old");
    assert_eq!(first_two(2), [0; 0], "nothing is known about item 4");
    assert_eq!(sage.top(5).name(), "PinnerSage, 5 clusters, oracle");
    let other = ItemTable { dim: 1, ..ItemTable::default() };
    assert!(PinnerSage::new(&log, &other, 1.0).is_err());
}
