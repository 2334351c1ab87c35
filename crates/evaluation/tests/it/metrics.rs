//! Recall, ties, seen items, entropy, lists and the table.

use dayvec_core::{IdColumn, ItemTable, Sequences};
use dayvec_evaluation::{
    Embeddings, EvalOptions, EvaluationError, Interests, Placed, Predicted, Scorer, Truth, evaluate,
    retrieve, top,
};
use dayvec_report::{ScorerMetrics, Table};

use crate::fixture::{Event, Fixed, log};

const N_ITEMS: u8 = 14;

/// 14 items, all in the catalogue by way of a user who is not evaluated; `u` bought `a` before.
fn history(more: &[Event]) -> Sequences {
    let mut events: Vec<Event> = vec![("u", "a", 1, true)];
    events.extend_from_slice(more);
    let all = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n"];
    events.extend(all.map(|item| ("everything", item, 1, false)));
    log(N_ITEMS, &events)
}

fn measure(scorer: &dyn Scorer, history: &Sequences, future: &[Event]) -> ScorerMetrics {
    let truth = Truth::build(history, &log(N_ITEMS, future)).unwrap();
    evaluate(scorer, history, &truth, &EvalOptions::default()).unwrap()
}

/// `a` scores highest, `n` lowest.
fn descending() -> Vec<f32> {
    (0..N_ITEMS).map(|item| -f32::from(item)).collect()
}

#[test]
fn a_hit_is_outscored_by_fewer_than_ten() {
    let future = [("u", "a", 9, true), ("u", "j", 9, true), ("u", "k", 9, true)];
    let metrics = measure(&Fixed(vec![descending()]), &history(&[]), &future);
    let allowed = &metrics.seen_allowed;
    assert_eq!(allowed.recall.micro.value, 2.0 / 3.0, "`j` has 9 above it, `k` 10");
    assert_eq!(allowed.recall.micro_listed, 2.0 / 3.0);
    assert_eq!((allowed.n_pairs, allowed.n_users), (3, 1));
    let filtered = &metrics.seen_filtered;
    assert_eq!(filtered.recall.micro.value, 1.0, "without `a`, `k` is the tenth");
    assert_eq!(filtered.n_pairs, 2, "`a` is not to be found again");
    assert_eq!(allowed.coverage.p90, 9.0 / 14.0);
}

#[test]
fn the_lists_of_a_scorer_score_as_it_does() {
    let future = [("u", "a", 9, true), ("u", "c", 9, true), ("u", "k", 9, true)];
    let scorer = Fixed(vec![vec![0.5, 9.0, 0.5, 3.0, 3.0, 2.0, 8.0, 7.0, 6.0, 5.0, 4.0, 0.25, 0.125, 0.0]]);
    let scored = measure(&scorer, &history(&[]), &future);
    let scores = &scorer.0[0];
    let places = scores.iter().map(|score| 1 + scores.iter().filter(|other| *other > score).count());
    let placed = |(item, place)| Placed { item, place: place as u32 };
    let predicted = |list: Vec<Placed>| Predicted::new("fixed", usize::from(N_ITEMS), [(0, list)].into());
    let list: Vec<Placed> = (0..).zip(places).map(placed).collect();
    assert_eq!(measure(&predicted(list.clone()), &history(&[]), &future), scored);
    assert_eq!(scored.seen_allowed.recall.micro.value, 1.0 / 3.0, "`a` and `c` are tied for the tenth place");

    // What a list does not name is not retrieved, and a user without a list retrieves nothing.
    let best: Vec<Placed> = list.into_iter().filter(|placed| placed.place <= 3).collect();
    let short = measure(&predicted(best.clone()), &history(&[]), &future).seen_allowed;
    assert_eq!((short.recall.micro.value, short.coverage.p90), (0.0, 3.0 / 14.0));
    let none = measure(&Predicted::new("none", usize::from(N_ITEMS), [].into()), &history(&[]), &future);
    assert_eq!((none.seen_allowed.recall.micro_listed, none.seen_allowed.coverage.p90), (0.0, 0.0));

    let truth = Truth::build(&history(&[]), &log(N_ITEMS, &future)).unwrap();
    let outcomes = retrieve(&predicted(best), &history(&[]), &truth, &EvalOptions::default()).unwrap();
    assert_eq!(outcomes.short_lists(), [1, 1]);
    let outcomes = retrieve(&scorer, &history(&[]), &truth, &EvalOptions::default()).unwrap();
    assert_eq!(outcomes.short_lists(), [0, 0]);
}

#[test]
fn no_tie_makes_a_hit() {
    let future = [("u", "a", 9, true), ("u", "j", 9, true), ("u", "k", 9, true), ("u", "n", 9, true)];
    let metrics = measure(&Fixed(vec![vec![0.5; 14]]), &history(&[]), &future);
    assert_eq!(metrics.seen_allowed.recall.micro.value, 0.0);
    assert_eq!(metrics.seen_allowed.recall.micro_listed, 0.5, "`a` and `j` are of the ten lowest rows");
    // Of ten items that score alike and above the rest, each is a hit; an eleventh takes that from all of them.
    let mut scores = vec![0.0; 14];
    scores[..10].fill(1.0);
    let metrics = measure(&Fixed(vec![scores.clone()]), &history(&[]), &future);
    assert_eq!(metrics.seen_allowed.recall.micro.value, 0.5);
    scores[10] = 1.0;
    let metrics = measure(&Fixed(vec![scores]), &history(&[]), &future);
    assert_eq!(metrics.seen_allowed.recall.micro.value, 0.0);
}

#[test]
fn what_is_not_retrieved_is_never_hit() {
    let mut scores = vec![f32::NEG_INFINITY; 14];
    scores[3] = 1.0;
    let future = [("u", "d", 9, true), ("u", "e", 9, true)];
    let metrics = measure(&Fixed(vec![scores]), &history(&[]), &future);
    assert_eq!(
        metrics.seen_allowed.recall.micro.value, 0.5,
        "only one item is above `e`, but `e` is not an answer"
    );
    assert_eq!(metrics.seen_allowed.coverage.p90, 1.0 / 14.0);
}

#[test]
fn items_outside_the_catalogue_are_neither_candidates_nor_relevant() {
    let history = log(N_ITEMS, &[("u", "m", 1, true), ("u", "n", 1, true)]);
    let future = [("u", "n", 9, true), ("u", "a", 9, true)];
    let metrics = measure(&Fixed(vec![descending()]), &history, &future);
    assert_eq!(
        metrics.seen_allowed.recall.micro.value, 1.0,
        "12 items score higher, none of the catalogue but one"
    );
    assert_eq!((metrics.n_pairs_outside, metrics.n_items, metrics.seen_allowed.n_pairs), (1, 2, 1));
    assert_eq!(metrics.seen_filtered.n_users, 0);
    assert_eq!(metrics.seen_filtered.recall.micro.value, 0.0);
}

#[test]
fn micro_counts_pairs_and_macro_users_and_a_subset_is_an_evaluation_of_its_own() {
    let history = history(&[("v", "b", 1, true)]);
    let future = [
        ("u", "a", 9, true),
        ("v", "a", 9, true),
        ("v", "l", 9, true),
        ("v", "m", 9, true),
        ("v", "n", 9, true),
    ];
    let scorer = Fixed(vec![descending(), descending()]);
    let metrics = measure(&scorer, &history, &future);
    assert_eq!(metrics.seen_allowed.recall.micro.value, 2.0 / 5.0);
    assert_eq!(metrics.seen_allowed.recall.macro_.value, (1.0 + 0.25) / 2.0);

    let truth = Truth::build(&history, &log(N_ITEMS, &future)).unwrap();
    let outcomes = retrieve(&scorer, &history, &truth, &EvalOptions::default()).unwrap();
    assert_eq!(outcomes.metrics(&|_| true), metrics);
    assert_eq!(
        outcomes.metrics(&|user| history.users.get(user) == "v"),
        measure(&scorer, &history, &future[1..])
    );
}

#[test]
fn entropy_is_of_the_labels_of_the_top_50_in_nats() {
    let labels: IdColumn = (0..N_ITEMS).map(|item| ["x", "y", "z", ""][usize::from(item) % 4]).collect();
    let table = ItemTable { interests: Some(labels), ..ItemTable::default() };
    let options = EvalOptions { interests: Interests::of(&table), ..EvalOptions::default() };
    let mut scores = vec![f32::NEG_INFINITY; 14];
    for item in [0, 4, 1, 3] {
        scores[item] = 1.0;
    }
    let history = history(&[]);
    let truth = Truth::build(&history, &log(N_ITEMS, &[("u", "a", 9, true)])).unwrap();
    let metrics = evaluate(&Fixed(vec![scores]), &history, &truth, &options).unwrap();
    let expected = -(2.0f64 / 3.0 * (2.0f64 / 3.0).ln() + 1.0 / 3.0 * (1.0f64 / 3.0).ln());
    let entropy = metrics.seen_allowed.interest_entropy.unwrap().nats;
    assert!((entropy - expected).abs() < 1e-12, "two x, one y, one without a label: {entropy}");
    assert!(Interests::of(&ItemTable::default()).is_none());
}

#[test]
fn top_rows_are_ranked_with_ties_by_item_row() {
    let mut eligible = vec![true; 5];
    eligible[0] = false;
    let scorer = Fixed(vec![
        vec![9.0, 1.0, 2.0, 1.0, 1.0],
        vec![9.0, f32::NEG_INFINITY, 0.0, -1.0, f32::NEG_INFINITY],
    ]);
    let rows = top(&scorer, &[1, 0], &eligible, 3).unwrap();
    assert_eq!(rows.user, [1, 1, 0, 0, 0]);
    assert_eq!(rows.rank, [1, 2, 1, 2, 3]);
    assert_eq!(rows.item, [2, 3, 2, 1, 3]);
    assert_eq!(rows.score, [0.0, -1.0, 2.0, 1.0, 1.0]);
}

#[test]
fn embeddings_score_by_inner_product_for_the_users_they_hold() {
    let items = [1.0, 0.0, 0.0, 1.0, 2.0, 3.0];
    let model = Embeddings::new("model", &[4, 2], &[1.0, 0.5, -1.0, 0.0], 3, &items).unwrap();
    let scores = model.scores(&[2, 4]).unwrap();
    assert_eq!(Vec::<f32>::try_from(scores.reshape([-1])).unwrap(), [-1.0, 0.0, -2.0, 1.0, 0.5, 3.5]);
    assert!(matches!(model.scores(&[3]), Err(EvaluationError::UnknownUser { user: 3, .. })));
    let error = Embeddings::new("model", &[4, 2], &[1.0, 0.5, -1.0], 3, &items).unwrap_err();
    assert_eq!(error.to_string(), "model: user embeddings: 3 values, but 2 rows of width 2 need 4");
}

#[test]
fn a_wrong_shape_and_nan_are_refused() {
    let error = top(&Fixed(vec![vec![1.0; 4]]), &[0], &[true; 5], 3).unwrap_err();
    assert_eq!(error.to_string(), "fixed: scores have the shape [1, 4], but must have [1, 5] (users, items)");
    let scores = vec![vec![1.0; 5], vec![1.0, 2.0, 3.0, f32::NAN, 4.0]];
    let error = top(&Fixed(scores), &[0, 1], &[true; 5], 3).unwrap_err();
    assert!(matches!(error, EvaluationError::NotANumber { user: 1, .. }), "{error}");
}

#[test]
fn the_table_is_aligned() {
    let future = [("u", "a", 9, true), ("u", "k", 9, true)];
    let mut rows = vec![measure(&Fixed(vec![descending()]), &history(&[]), &future)];
    rows.push(ScorerMetrics { scorer: "a longer name".into(), ..rows[0].clone() });
    let table = Table { title: "all users".into(), rows };
    let text = table.to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 5, "{text}");
    assert!(lines[1..4].iter().all(|line| line.len() == lines[1].len()), "{text}");
    assert!(lines[2].starts_with("fixed          0.5000 [0.5000, 0.5000]  0.5000"), "{text}");
    assert!(lines[4].starts_with("1 users, 14 items; 2 pairs, 1 of them unseen"), "{text}");
}
