//! The split by time, the test users and their relevant items.

use dayvec_core::Sequences;
use dayvec_evaluation::{EvaluationError, TimeSplit, Truth, leave_one_out};

use crate::fixture::log;

#[test]
fn the_split_is_at_the_last_whole_14_days() {
    let split = TimeSplit::before("2011-12-09".parse().unwrap(), 14);
    assert_eq!(split.cut_off.to_string(), "2011-11-25");
    assert_eq!(split.earlier(), TimeSplit { cut_off: "2011-11-11".parse().unwrap(), n_days: 14 });
    let start = split.cut_off.days_since("1970-01-01".parse().unwrap()).into();
    let log = log(
        4,
        &[
            ("u", "a", start - 1, true),
            ("u", "b", start, true),
            ("u", "c", start + 13, true),
            ("u", "d", start + 14, true),
        ],
    );
    assert_eq!(TimeSplit::last_of(&log).unwrap(), split);
    assert_eq!(split.history(&log).actions.item, [0]);
    assert_eq!(split.future(&log).actions.item, [2, 1], "the last day is not used");
    assert!(matches!(TimeSplit::last_of(&split.history(&log).within(0, 0)), Err(EvaluationError::EmptyLog)));
}

#[test]
fn truth_is_the_distinct_positives_of_users_with_positives_on_both_sides() {
    let history = log(
        5,
        &[
            ("both", "a", 1, true),
            ("returner", "b", 1, false),
            ("gone", "c", 1, true),
            ("outsider", "c", 2, true),
        ],
    );
    let future = log(
        5,
        &[
            ("new", "a", 9, true),
            ("outsider", "e", 9, true),
            ("both", "e", 9, true),
            ("both", "c", 9, true),
            ("both", "a", 9, true),
            ("both", "c", 9, true),
            ("both", "b", 9, false),
            ("returner", "a", 9, true),
        ],
    );
    let truth = Truth::build(&history, &future).unwrap();
    assert_eq!(truth.users, [0, 3]);
    assert_eq!(truth.relevant, [vec![0, 2], vec![]]);
    assert_eq!(truth.eligible, [true, true, true, false, false], "any event makes an item eligible");
    assert_eq!(truth.n_outside, [1, 1], "`e` was never seen before the cut-off");
}

#[test]
fn a_thinned_truth_has_evenly_spread_users() {
    let users = ["u", "v", "w", "x", "y"];
    let history = log(2, &users.map(|user| (user, "a", 1, true)));
    let truth = Truth::build(&history, &log(2, &users.map(|user| (user, "a", 9, true)))).unwrap();
    let thinned = truth.clone().thinned(2);
    assert_eq!((thinned.users.as_slice(), thinned.relevant.len()), (&[0, 3][..], 2));
    assert_eq!(truth.clone().thinned(5), truth);
}

#[test]
fn items_are_matched_by_id_across_reads() {
    let history = log(3, &[("u", "b", 1, true), ("u", "c", 1, true)]);
    let mut future = log(3, &[("u", "c", 9, true)]);
    let (resolved, _) =
        future.resolve(&["c", "b"].into_iter().collect::<dayvec_core::IdColumn>().into(), &[]);
    future = resolved;
    assert_eq!(future.actions.item, [0]);
    assert_eq!(Truth::build(&history, &future).unwrap().relevant, [vec![2]]);
}

#[test]
fn no_user_on_both_sides_is_an_error_that_says_what_to_do() {
    let history = log(2, &[("u", "a", 1, false)]);
    let error = Truth::build(&history, &log(2, &[("u", "a", 9, true)])).unwrap_err();
    assert!(error.to_string().contains("rules for positives"), "{error}");
}

#[test]
fn leave_one_out_tests_the_last_positive_and_forgets_what_came_after() {
    let log = log(
        5,
        &[
            ("u", "a", 1, true),
            ("u", "b", 2, false),
            ("u", "c", 3, true),
            ("u", "d", 3, true), // at the same time: later in the log, so newer
            ("u", "e", 4, false),
            ("once", "a", 1, false),
            ("once", "b", 2, true),
            ("never", "c", 5, false),
        ],
    );
    let (history, future) = leave_one_out(&log);
    fn items(part: &Sequences, user: usize) -> Vec<&str> {
        part.range(user).map(|at| part.items.ids().get(part.actions.item[at] as usize)).collect()
    }
    assert_eq!((items(&history, 0), items(&future, 0)), (vec!["c", "b", "a"], vec!["d"]));
    assert_eq!((items(&history, 1), items(&future, 1)), (vec!["b", "a"], vec![]));
    assert_eq!((items(&history, 2), items(&future, 2)), (vec!["c"], vec![]));
    let truth = Truth::build(&history, &future).unwrap();
    assert_eq!((truth.users, truth.n_outside), (vec![0], vec![1]), "`d` was met by no one before");
}
