//! Order, repeats and truncation, against a plain restatement of the rules.

use std::collections::{BTreeMap, HashSet};

use dayvec_sequences::Keep;
use polars::prelude::Column;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

use crate::log::{ALL, DAY, DAY_S, columns_of, lines, read_columns, shop};

type Event = (String, String, &'static str, i64);

/// The rules, in the fewest words: newest first, ties latest row first, each event once, within the keep.
fn restated(events: &[Event], keep: Keep) -> Vec<String> {
    let mut by_user: BTreeMap<&str, Vec<&Event>> = BTreeMap::new();
    for event in events.iter().rev() {
        by_user.entry(&event.0).or_default().push(event);
    }
    let line = |(user, mut list): (&str, Vec<&Event>)| {
        list.sort_by_key(|event| -event.3);
        let mut seen = HashSet::new();
        list.retain(|event| seen.insert((&event.1, event.2, event.3)));
        let newest = list[0].3;
        list.retain(|event| {
            keep.look_back_days.is_none_or(|days| newest - event.3 < i64::from(days) * DAY_S)
        });
        list.truncate(keep.newest.unwrap_or(usize::MAX));
        let actions: Vec<_> =
            list.iter().map(|event| format!("{} {} {}", event.1, event.2, event.3 - DAY)).collect();
        format!("{user}: {}", actions.join(", "))
    };
    by_user.into_iter().map(line).collect()
}

pub(crate) fn random_events(seed: u64, n: usize) -> Vec<Event> {
    let mut random = Pcg64::seed_from_u64(seed);
    let event = |_| {
        let user = format!("user-{}", random.random_range(0..8));
        let item = random.random_range(0..6).to_string();
        let action = ["view", "buy"][random.random_range(0..2)];
        let at = DAY + random.random_range(0..4) * DAY_S + random.random_range(0..3);
        (user, item, action, at)
    };
    (0..n).map(event).collect()
}

fn borrowed(events: &[Event]) -> Vec<(&str, &str, &str, i64)> {
    events.iter().map(|event| (event.0.as_str(), event.1.as_str(), event.2, event.3)).collect()
}

#[test]
fn equals_the_rules_restated() {
    let keeps = [
        ALL,
        Keep { newest: Some(5), look_back_days: None },
        Keep { newest: None, look_back_days: Some(2) },
        Keep { newest: Some(30), look_back_days: Some(1) },
    ];
    for (seed, n) in [(1, 20), (2, 300), (3, 1000)] {
        let events = random_events(seed, n);
        for keep in keeps {
            let (sequences, report) = read_columns(&shop(), columns_of(&borrowed(&events)), keep).unwrap();
            assert_eq!(lines(&sequences), restated(&events, keep), "seed {seed}, {keep:?}");
            assert!(n < 100 || report.duplicates > 0);
        }
    }
}

#[test]
fn backwards_is_the_stable_order_of_the_input() {
    let events = [("u", "c", "buy", DAY), ("u", "a", "buy", DAY), ("u", "b", "buy", DAY)];
    let (sequences, _) = read_columns(&shop(), columns_of(&events), ALL).unwrap();
    assert_eq!(lines(&sequences), ["u: b buy 0, a buy 0, c buy 0"]);
}

#[test]
fn event_ids_identify_events_and_settle_ties() {
    let events = [
        ("u", "a", "view", DAY),
        ("u", "a", "view", DAY),
        ("u", "b", "view", DAY),
        ("u", "b", "view", DAY + 7),
        ("u", "c", "view", DAY),
    ];
    let read_with_ids = |order: [usize; 5]| {
        let ids = ["e1", "e2", "e3", "e3", "e4"];
        let mut log = columns_of(&order.map(|row| events[row]));
        log.push(Column::new("event_id".into(), order.map(|row| ids[row])));
        read_columns(&shop(), log, ALL).unwrap()
    };
    let (sequences, report) = read_with_ids([0, 1, 2, 3, 4]);
    assert_eq!(report.duplicates, 1, "e3 twice; the two like rows are two events");
    assert!(lines(&sequences)[0].starts_with("u: b view 7, "));
    for order in [[4, 3, 2, 1, 0], [2, 0, 4, 1, 3]] {
        assert_eq!(
            read_with_ids(order).0.actions.event_key,
            sequences.actions.event_key,
            "input order is no matter"
        );
    }
}

#[test]
fn integer_and_text_event_ids_are_the_same() {
    let events = [("u", "a", "view", DAY), ("u", "b", "view", DAY), ("u", "c", "view", DAY)];
    let keys = |ids: Column| {
        let mut log = columns_of(&events);
        log.push(ids);
        read_columns(&shop(), log, ALL).unwrap().0.actions.event_key
    };
    let integers = keys(Column::new("event_id".into(), [1i64, 20, -300]));
    assert_eq!(integers, keys(Column::new("event_id".into(), ["1", "20", "-300"])));
}

#[test]
fn events_without_an_id_among_those_with_one() {
    let events = [("u", "a", "view", DAY), ("u", "a", "view", DAY), ("u", "a", "view", DAY)];
    let mut log = columns_of(&events);
    log.push(Column::new("event_id".into(), [Some("e1"), None, None]));
    let (_, report) = read_columns(&shop(), log, ALL).unwrap();
    assert_eq!((report.kept, report.duplicates), (2, 1));
}
