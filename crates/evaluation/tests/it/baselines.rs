//! Each baseline on a log whose scores can be worked out by hand.

use std::cell::Cell;
use std::rc::Rc;

use dayvec_core::{Day, ItemTable, Sequences};
use dayvec_evaluation::baselines::{
    BaselineInput, DecayedFeatures, Ease, ItemNeighbours, ItemPairs, Limits, OwnItems, Popularity, Random,
    SvdBag, SvdVectors, Which, each, popularity,
};
use dayvec_evaluation::{EvaluationError, Scorer, TimeSplit};

use crate::fixture::{assert_close, log, scores_of};

const NONE: f32 = f32::NEG_INFINITY;

/// Four items, three users; `u` bought `a` twice ten days apart; `d` was only returned.
fn history() -> Sequences {
    log(
        4,
        &[
            ("u", "a", 10, true),
            ("v", "b", 11, true),
            ("w", "d", 12, false),
            ("w", "c", 13, true),
            ("v", "a", 19, true),
            ("u", "a", 20, true),
            ("u", "b", 20, true),
        ],
    )
}

fn day(days: i32) -> Day {
    Day::of_timestamp(0).plus(days)
}

#[test]
fn popularity_counts_positives_of_the_last_days() {
    let popularity = |n_days| Popularity::new(&history(), day(21), n_days);
    assert_eq!(scores_of(&popularity(90), 0), [3.0, 2.0, 1.0, 0.0]);
    assert_eq!(scores_of(&popularity(2), 2), [2.0, 1.0, 0.0, 0.0]);
    assert_eq!(popularity(2).name(), "popularity of 2 days");
    assert_eq!(popularity(1).name(), "popularity of 1 day");
    let before = Popularity::new(&history(), day(20), 2);
    assert_eq!(scores_of(&before, 0), [1.0, 0.0, 0.0, 0.0], "the cut-off itself is not looked at");
}

#[test]
fn random_scores_depend_on_user_and_seed_and_not_on_the_block() {
    let random = Random::new(&history(), 1);
    let block: Vec<Vec<f32>> = Vec::try_from(random.scores(&[2, 0]).unwrap()).unwrap();
    assert_eq!(block, [scores_of(&random, 2), scores_of(&random, 0)]);
    assert_ne!(block[0], block[1]);
    assert_ne!(block[1], scores_of(&Random::new(&history(), 2), 0));
}

#[test]
fn own_items_are_logs_of_decayed_counts_and_the_trend_is_added() {
    let own = OwnItems::new(&history(), day(100), 0.5);
    // Ages to the first second of day 100, in days of the fixture's noon-less hour: 89 23/24 and 79 23/24.
    let count = |days: &[f64]| days.iter().map(|age| (-(age - 1.0 / 24.0) / 80.0).exp2()).sum::<f64>();
    let log = |count: f64| (3.0 * count).ln_1p() as f32;
    let a = log(count(&[90.0, 80.0]));
    let b = log(count(&[80.0]));
    assert_close(&scores_of(&own, 0), &[a, b, 0.0, 0.0]);
    // Ten days later the trend of 28 days: a 3 times, b twice, c once.
    let own = OwnItems::new(&history(), day(30), 0.5);
    let trend = |count: f64| (0.5 * count.ln_1p()) as f32;
    let c = log(count(&[17.0]));
    assert_close(&scores_of(&own, 2), &[trend(3.0), trend(2.0), c + trend(1.0), 0.0]);
}

#[test]
fn neighbours_are_cosines_between_sets_of_buyers() {
    // Buyers: a {u, v}, b {u, v}, c {w}, d {}. With one more user x who bought b and c: cos(b, a) = 2/√6, cos(b, c) = 1/√6.
    let mut events: Vec<crate::fixture::Event> = vec![("x", "c", 1, true), ("x", "b", 2, true)];
    events.extend([("u", "a", 10, true), ("u", "b", 20, true), ("v", "b", 11, true), ("v", "a", 19, true)]);
    events.extend([("w", "d", 12, false), ("w", "c", 13, true)]);
    let history = log(4, &events);
    let one = ItemNeighbours::new(&history, 1);
    let (ab, bc) = (2.0 / 6f32.sqrt(), 1.0 / 6f32.sqrt());
    assert_close(&scores_of(&one, 0), &[ab, 1.0, bc, NONE]);
    let two = ItemNeighbours::new(&history, 2);
    assert_close(&scores_of(&two, 0), &[ab, 1.0 + bc, 1.0 + bc, NONE]);
    let block: Vec<Vec<f32>> = Vec::try_from(two.scores(&[3, 0, 1]).unwrap()).unwrap();
    assert_eq!(block, [scores_of(&two, 3), scores_of(&two, 0), scores_of(&two, 1)]);
}

#[test]
fn features_are_averaged_at_unit_length() {
    let history = history();
    let features = vec![2.0, 0.0, 0.0, 5.0, 3.0, 4.0, 0.0, 0.0];
    let table = ItemTable { ids: history.items.clone(), dim: 2, features, ..ItemTable::default() };
    let mean = DecayedFeatures::new(&history, &table, 10.0).unwrap();
    // u: (1.5·(1, 0) + 1·(0, 1)) / 2.5 = (0.6, 0.4)
    assert_close(&scores_of(&mean, 0), &[0.6, 0.4, 0.6 * 0.6 + 0.4 * 0.8, 0.0]);
    let other = ItemTable { ids: log(3, &[]).items, dim: 2, features: vec![0.0; 6], ..ItemTable::default() };
    let error = DecayedFeatures::new(&history, &other, 10.0).unwrap_err();
    assert!(matches!(error, EvaluationError::ItemRows { table: 3, history: 4 }), "{error}");
}

#[test]
fn svd_bag_projects_decayed_counts_on_the_leading_items_space() {
    // Full rank over a, b, c: V·Vᵀ is the identity on them.
    let svd_bag = |dim, memory_bytes| {
        let svd = SvdVectors::new(&history(), dim, 1, memory_bytes).unwrap();
        SvdBag::new(&history(), &Rc::new(svd), dim, 10.0)
    };
    let full = svd_bag(3, 1 << 20);
    assert_close(&scores_of(&full, 0), &[1.5, 1.0, 0.0, NONE]);
    // The block of a and b, log(1 + count) = [[ln 3, ln 2], [ln 2, ln 2]], has the leading right vector.
    let first = svd_bag(1, 1 << 20);
    let (three, two) = (3f64.ln(), 2f64.ln());
    let (aa, ab, bb) = (three * three + two * two, three * two + two * two, 2.0 * two * two);
    let largest = f64::midpoint(aa, bb) + (((aa - bb) / 2.0).powi(2) + ab * ab).sqrt();
    let length = (ab * ab + (largest - aa).powi(2)).sqrt();
    let v = [ab / length, (largest - aa) / length];
    let user = 1.5 * v[0] + v[1];
    assert_close(&scores_of(&first, 0), &[(user * v[0]) as f32, (user * v[1]) as f32, 0.0, NONE]);
    // Memory for one item and one user: of `a`, which `u` and `v` bought, and of every second of them.
    assert_close(&scores_of(&svd_bag(1, 2 * 6 * 4 * 17), 0), &[1.5, NONE, NONE, NONE]);
}

#[test]
fn ease_is_the_closed_form() {
    // XᵀX of a and b is [[2, 2], [2, 2]]; with λ = 1, B[a→b] = B[b→a] = 2/3. `c` shares no buyer, `d` has none.
    let ease = |ease_items, memory_bytes| {
        let pairs = ItemPairs::new(&history(), Limits { ease_items, memory_bytes }).unwrap();
        Ease::new(&Rc::new(pairs), 1.0).unwrap()
    };
    assert_close(&scores_of(&ease(10, 1 << 20), 0), &[2.0 / 3.0, 2.0 / 3.0, 0.0, NONE]);
    // Only the two items with the most buyers are kept, and `w` bought neither.
    for limited in [ease(2, 1 << 20), ease(10, 5 * 4 * 2 * 2)] {
        assert_close(&scores_of(&limited, 2), &[0.0, 0.0, NONE, NONE]);
    }
}

fn input<'a>(history: &'a Sequences, items: &'a ItemTable) -> BaselineInput<'a> {
    let limits = Limits { ease_items: 3, memory_bytes: 1 << 20 };
    BaselineInput {
        history,
        items,
        split: TimeSplit { cut_off: day(21), n_days: 3 },
        limits,
        pinnersage: None,
        seed: 1,
    }
}

fn table(history: &Sequences) -> ItemTable {
    let n_items = history.items.ids().len();
    ItemTable { ids: history.items.clone(), dim: 1, features: vec![1.0; n_items], ..ItemTable::default() }
}

#[test]
fn each_visits_them_in_the_order_of_the_table() {
    let history = history();
    let items = table(&history);
    let names = |which| {
        let mut names = Vec::new();
        let choices = each(&input(&history, &items), which, &|| false, &mut |scorer: &dyn Scorer| {
            assert_eq!(scorer.scores(&[0, 1, 2])?.size(), [3, 4], "{}", scorer.name());
            names.push(scorer.name().to_owned());
            Ok::<(), EvaluationError>(())
        });
        (names, choices.unwrap())
    };
    let popularity =
        ["", " of 1 day", " of 3 days", " of 7 days", " of 14 days", " of 28 days", " of 90 days"]
            .map(|width| format!("popularity{width}"));
    let (names_of_all, choices) = names(Which::All);
    assert_eq!(names_of_all[..7], popularity);
    let others = [
        "random",
        "own items with a trend",
        "neighbours of the last 5 items",
        "decayed mean of item features",
        "decayed bag of SVD vectors, 64",
        "decayed bag of SVD vectors, 256",
        "EASE",
    ];
    assert_eq!(names_of_all[7..], others);
    let chosen: Vec<&str> = choices.made.iter().map(|choice| choice.scorer.as_str()).collect();
    assert_eq!(chosen, [&["popularity"][..], &[others[1]], &others[3..]].concat());
    assert!(choices.made.iter().all(|choice| choice.tried.iter().any(|tried| tried.value == choice.value)));
    let (names_for_the_gate, choices) = names(Which::Popularity);
    assert_eq!((names_for_the_gate.as_slice(), choices.made.len()), (&popularity[..], 1));
}

/// Taste that moves: everyone bought `a` every day and eleven other items weeks ago, and buys `b` now.
fn moving() -> Sequences {
    let users = ["u", "v", "w", "x"];
    let mut events: Vec<crate::fixture::Event> = Vec::new();
    for item in ["c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m"] {
        events.extend(users.map(|user| (user, item, 55, true)));
    }
    for day in 60..76 {
        events.push((users[day as usize % 4], "a", day, true));
    }
    events.extend(users.map(|user| (user, "b", 77, true)));
    events.extend(users.map(|user| (user, "b", 80, true)));
    log(13, &events)
}

#[test]
fn the_popularity_is_that_of_the_width_that_was_best_before_the_test_days() {
    let history = moving();
    let items = table(&history);
    // Of the 28 days before day 78, eleven items have as many purchases as `b`.
    let split = TimeSplit { cut_off: day(81), n_days: 3 };
    let input = BaselineInput { split, ..input(&history, &items) };
    let mut all = Vec::new();
    let choices = each(&input, Which::Popularity, &|| false, &mut |scorer: &dyn Scorer| {
        all.push((scorer.name().to_owned(), scores_of(scorer, 0)));
        Ok::<(), EvaluationError>(())
    })
    .unwrap();
    assert_eq!((choices.from, choices.n_users), (Some(day(78)), 4));
    let choice = &choices.made[0];
    let recall: Vec<f64> = choice.tried.iter().map(|trial| trial.recall).collect();
    assert_eq!((choice.value, recall), (1.0, vec![1.0, 1.0, 1.0, 1.0, 0.0, 0.0]));
    assert_eq!(all[0].1, all[1].1, "the popularity is that of one day");
    assert_eq!(scores_of(&popularity(&input).unwrap(), 0), all[0].1);
}

#[test]
fn without_users_before_the_test_days_the_usual_settings_are_taken() {
    let history = log(2, &[("u", "a", 20, true)]);
    let items = table(&history);
    let choices =
        each(&input(&history, &items), Which::All, &|| false, &mut |_| Ok::<(), EvaluationError>(()))
            .unwrap();
    assert_eq!((choices.from, choices.n_users), (None, 0));
    let values: Vec<f64> = choices.made.iter().map(|choice| choice.value).collect();
    assert_eq!(values, [28.0, 0.1, 40.0, 40.0, 40.0, 500.0]);
}

#[test]
fn a_stop_ends_it_between_two_trials() {
    let history = history();
    let items = table(&history);
    let asked = Cell::new(0);
    let stop = || {
        asked.set(asked.get() + 1);
        asked.get() > 3
    };
    let mut visited = 0;
    let stopped = each(&input(&history, &items), Which::All, &stop, &mut |_| {
        visited += 1;
        Ok::<(), EvaluationError>(())
    });
    assert!(matches!(stopped, Err(EvaluationError::Stopped)), "{stopped:?}");
    assert_eq!(visited, 0, "it was choosing the width of popularity");
}
