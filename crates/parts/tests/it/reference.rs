//! Statistics, bases and losses against `tests/reference/parts.py`.

use std::process::Command;

use dayvec_core::SECONDS_PER_DAY;
use dayvec_parts::{
    Basis, BasisWidths, ByItem, Histories, ITEM_STATISTICS, ItemCounts, Labels, PAIR_STATISTICS,
    USER_STATISTICS, UserAsOf, smooth_recall, softmax_loss,
};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use serde_json::{Value, json};
use tch::{Kind, Tensor};

use crate::fixture::{OPENED_S, UserActions, sequences, shop};

const N_ITEMS: usize = 40;
/// With what the decompositions carry beside them, all directions that there are: then nothing is approximate.
const WIDTHS: BasisWidths = BasisWidths { memory: 28, cooccurrence: 26 };
const BATCH: usize = 4;
const COLUMNS: usize = 60;
const TOP: i64 = 30;

fn users() -> Vec<UserActions> {
    let mut users = shop(60, N_ITEMS, 7);
    users.push(Vec::new());
    users.push(vec![(3, OPENED_S + 5, true)]);
    // The same moment many times, and a user who only looks.
    users.push(vec![(4, OPENED_S + 90, true), (4, OPENED_S + 90, true), (1, OPENED_S + 90, false)]);
    users.push(vec![(2, OPENED_S + 70, false), (2, OPENED_S + 60, false)]);
    users
}

fn rows(n_users: usize) -> Vec<UserAsOf> {
    let late = OPENED_S + 200 * SECONDS_PER_DAY + 17;
    let row = |user, until_s, history_len| UserAsOf { user, until_s, history_len };
    (0..n_users)
        .flat_map(|user| [row(user, i64::MAX, 2048), row(user, late, 2048), row(user, late, 4)])
        .collect()
}

struct Scores {
    scores: Tensor,
    top: Tensor,
    labels: Vec<(i64, i64)>,
}

/// Scores with ties, and labels inside and outside the best columns.
fn scores() -> Scores {
    let mut rng = Pcg64Mcg::seed_from_u64(3);
    let values: Vec<f64> =
        (0..BATCH * COLUMNS).map(|_| (rng.random_range(-6.0..6.0_f64) * 4.0).round() / 4.0).collect();
    let scores = Tensor::from_slice(&values).view([BATCH as i64, COLUMNS as i64]);
    let top = scores.topk(TOP, 1, true, false).1;
    let labels = vec![(0, 3), (0, 59), (1, 7), (3, 0), (3, 1), (3, 2)];
    Scores { scores, top, labels }
}

fn case(users: &[UserActions], rows: &[UserAsOf], scores: &Scores) -> Value {
    let action =
        |&(item, t, positive): &(u32, i64, bool)| json!({"item": item, "t": t, "positive": positive});
    let user = |user: &UserActions| user.iter().map(action).collect::<Vec<_>>();
    let row =
        |row: &UserAsOf| json!({"user": row.user, "until": row.until_s, "history_len": row.history_len});
    let values: Vec<f64> = Vec::try_from(scores.scores.view([-1])).unwrap();
    let top: Vec<i64> = Vec::try_from(scores.top.view([-1])).unwrap();
    json!({
        "users": users.iter().map(user).collect::<Vec<_>>(),
        "rows": rows.iter().map(row).collect::<Vec<_>>(),
        "n_items": N_ITEMS,
        "items_until": items_until(),
        "memory": WIDTHS.memory,
        "cooccurrence": WIDTHS.cooccurrence,
        "scores": values.chunks(COLUMNS).collect::<Vec<_>>(),
        "top": top.chunks(TOP as usize).collect::<Vec<_>>(),
        "labels": scores.labels,
    })
}

const fn items_until() -> i64 {
    OPENED_S + 300 * SECONDS_PER_DAY
}

fn reference(case: &Value) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("case.json");
    std::fs::write(&path, case.to_string()).unwrap();
    let python = std::env::var("DAYVEC_TEST_PYTHON").expect("scripts/test.sh sets DAYVEC_TEST_PYTHON");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reference/parts.py");
    let output = Command::new(python).arg(script).arg(&path).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn flat(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(values) => values.iter().flat_map(flat).collect(),
        number => vec![number.as_f64().unwrap()],
    }
}

fn assert_close(what: &str, ours: &[f64], theirs: &[f64], tolerance: f64) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    for (at, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
        assert!((ours - theirs).abs() < tolerance, "{what}[{at}]: {ours}, the reference has {theirs}");
    }
}

fn doubles(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.to_kind(Kind::Double).contiguous().view([-1])).unwrap()
}

#[test]
fn statistics_bases_and_losses_are_the_references() {
    let users = users();
    let (rows, scores) = (rows(users.len()), scores());
    let theirs = reference(&case(&users, &rows, &scores));
    let log = sequences(&users, N_ITEMS);
    let by_item = ByItem::of(&log);

    let histories = Histories::of(&by_item, &rows);
    let pairs: Vec<f64> = histories
        .items
        .iter()
        .zip(histories.pairs.chunks(PAIR_STATISTICS))
        .flat_map(|(&item, pair)| std::iter::once(item as f64).chain(pair.iter().map(|&x| f64::from(x))))
        .collect();
    assert_close("pairs", &pairs, &flat(&theirs["pairs"]), 1e-5);
    let of_users: Vec<f64> = histories.users.iter().map(|&x| f64::from(x)).collect();
    assert_eq!(of_users.len(), rows.len() * USER_STATISTICS);
    assert_close("users", &of_users, &flat(&theirs["users"]), 1e-5);

    let counts = ItemCounts::of(&by_item, items_until(), 2048);
    let items: Vec<f64> = counts.statistics().iter().map(|&x| f64::from(x)).collect();
    assert_eq!(items.len(), N_ITEMS * ITEM_STATISTICS);
    assert_close("items", &items, &flat(&theirs["items"]), 1e-5);

    let basis = Basis::of(&log, |_| true, WIDTHS, 1).unwrap();
    let [memory, source, target] = basis.vectors();
    assert_close("memory", &doubles(&memory.matmul(&memory.tr())), &flat(&theirs["memory"]), 1e-3);
    assert_close(
        "co-occurrence",
        &doubles(&source.matmul(&target.tr())),
        &flat(&theirs["cooccurrence"]),
        1e-3,
    );

    let column =
        |of: fn(&(i64, i64)) -> i64| Tensor::from_slice(&scores.labels.iter().map(of).collect::<Vec<_>>());
    let labels = Labels { rows: column(|label| label.0), columns: column(|label| label.1) };
    let z = scores.scores.to_kind(Kind::Float).set_requires_grad(true);
    let recall = smooth_recall(&z, &scores.top, &labels).unwrap();
    recall.backward();
    assert_close("smooth recall", &[recall.double_value(&[])], &flat(&theirs["smooth_recall"]), 1e-5);
    assert_close("its slopes", &doubles(&z.grad()), &flat(&theirs["smooth_recall_slopes"]), 1e-5);
    let z = scores.scores.to_kind(Kind::Float).set_requires_grad(true);
    let loss = softmax_loss(&z, &labels).unwrap();
    loss.backward();
    assert_close("softmax", &[loss.double_value(&[])], &flat(&theirs["softmax"]), 1e-5);
    assert_close("its slopes", &doubles(&z.grad()), &flat(&theirs["softmax_slopes"]), 1e-5);
}
