//! Each baseline on a log whose scores can be worked out by hand.

use dayvec_core::{Day, ItemTable, Sequences};
use dayvec_evaluation::baselines::{
    BaselineInput, DecayedFeatures, Ease, ItemNeighbours, OwnItems, Popularity, Random, RecentPopularity,
    SvdBag, each,
};
use dayvec_evaluation::{EvaluationError, Scorer};

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
fn popularity_counts_positives_of_all_time_or_of_the_last_days() {
    assert_eq!(scores_of(&Popularity::new(&history()), 0), [3.0, 2.0, 1.0, 0.0]);
    let recent = RecentPopularity::new(&history(), day(21), 2);
    assert_eq!(scores_of(&recent, 2), [2.0, 1.0, 0.0, 0.0]);
    assert_eq!(recent.name(), "popularity of 2 days");
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
fn own_items_halve_with_the_half_life() {
    let own = OwnItems::new(&history(), 10.0);
    assert_close(&scores_of(&own, 0), &[1.5, 1.0, NONE, NONE]);
    assert_close(&scores_of(&own, 2), &[NONE, NONE, 1.0, NONE]);
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
    let full = SvdBag::new(&history(), 3, 10.0, 1).unwrap();
    assert_close(&scores_of(&full, 0), &[1.5, 1.0, 0.0, 0.0]);
    // The block of a and b, log(1 + count) = [[ln 3, ln 2], [ln 2, ln 2]], has the leading right vector.
    let first = SvdBag::new(&history(), 1, 10.0, 1).unwrap();
    let (three, two) = (3f64.ln(), 2f64.ln());
    let (aa, ab, bb) = (three * three + two * two, three * two + two * two, 2.0 * two * two);
    let largest = f64::midpoint(aa, bb) + (((aa - bb) / 2.0).powi(2) + ab * ab).sqrt();
    let length = (ab * ab + (largest - aa).powi(2)).sqrt();
    let v = [ab / length, (largest - aa) / length];
    let user = 1.5 * v[0] + v[1];
    assert_close(&scores_of(&first, 0), &[(user * v[0]) as f32, (user * v[1]) as f32, 0.0, 0.0]);
}

#[test]
fn ease_is_the_closed_form() {
    // XᵀX of a and b is [[2, 2], [2, 2]]; with λ = 1, B[a→b] = B[b→a] = 2/3. `c` shares no buyer, `d` has none.
    let ease = Ease::new(&history(), 1.0, 10).unwrap();
    assert_close(&scores_of(&ease, 0), &[2.0 / 3.0, 2.0 / 3.0, 0.0, NONE]);
    // Only the two items with the most buyers are kept, and `w` bought neither.
    let ease = Ease::new(&history(), 1.0, 2).unwrap();
    assert_close(&scores_of(&ease, 2), &[0.0, 0.0, NONE, NONE]);
}

#[test]
fn each_visits_them_in_the_order_of_the_table() {
    let history = history();
    let items =
        ItemTable { ids: history.items.clone(), dim: 1, features: vec![1.0; 4], ..ItemTable::default() };
    let input = BaselineInput {
        history: &history,
        items: &items,
        cut_off: day(21),
        ease_items: 3,
        pinnersage: None,
        seed: 1,
    };
    let mut names = Vec::new();
    each(&input, &mut |scorer: &dyn Scorer| {
        assert_eq!(scorer.scores(&[0, 1, 2])?.size(), [3, 4], "{}", scorer.name());
        names.push(scorer.name().to_owned());
        Ok::<(), EvaluationError>(())
    })
    .unwrap();
    let expected = [
        "random",
        "popularity",
        "popularity of 28 days",
        "own items by decayed count",
        "neighbours of the last 5 items",
        "decayed mean of item features",
        "decayed bag of SVD vectors, 64",
        "decayed bag of SVD vectors, 256",
        "EASE",
    ];
    assert_eq!(names, expected);
}
