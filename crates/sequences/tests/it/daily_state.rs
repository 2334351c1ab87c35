//! A day's merge into the state gives what one read of everything gives.

use dayvec_core::{EventSchema, PositiveRule, Sequences};
use dayvec_sequences::{Keep, SequencesError, state};
use polars::prelude::Column;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

use crate::log::{ALL, DAY, DAY_S, columns_of, everything, lines, read_columns, shop};

/// An event of a log with every column; without an id when the log has none.
#[derive(Clone)]
struct Event {
    user: String,
    item: String,
    action: &'static str,
    at: i64,
    surface: Option<&'static str>,
    duration_s: Option<f32>,
    id: Option<String>,
}

/// Ten days of events in the order of days, with repeats, ties, and late repeats of earlier days' events.
fn events(seed: u64, with_ids: bool) -> Vec<(i64, Event)> {
    let mut random = Pcg64::seed_from_u64(seed);
    let mut log: Vec<(i64, Event)> = Vec::new();
    for day in 0..10 {
        for n in 0..40 {
            if random.random_range(0..10) == 0 && !log.is_empty() {
                let again = log[random.random_range(0..log.len())].1.clone();
                log.push((day, again));
                continue;
            }
            let event = Event {
                user: random.random_range(0..12).to_string(),
                item: format!("item-{}", random.random_range(0..9)),
                action: ["view", "buy", "return"][random.random_range(0..3)],
                at: DAY + day * DAY_S + random.random_range(0..4),
                surface: [None, Some("home"), Some("search")][random.random_range(0..3)],
                duration_s: [None, Some(1.0), Some(20.0)][random.random_range(0..3)],
                id: with_ids.then(|| format!("event {day} {n}")),
            };
            log.push((day, event));
        }
    }
    log
}

fn schema() -> EventSchema {
    let on = Some(vec!["home".to_owned()]);
    let positives = vec![
        PositiveRule { action: "buy".into(), longer_than_s: None, surfaces: None },
        PositiveRule { action: "view".into(), longer_than_s: Some(10.0), surfaces: on },
    ];
    EventSchema { positives, ..shop() }
}

fn sequences_of(events: &[&Event], keep: Keep) -> Sequences {
    let rows: Vec<_> =
        events.iter().map(|event| (&*event.user, &*event.item, event.action, event.at)).collect();
    let mut log = columns_of(&rows);
    log.push(Column::new("surface".into(), events.iter().map(|event| event.surface).collect::<Vec<_>>()));
    log.push(Column::new(
        "duration_s".into(),
        events.iter().map(|event| event.duration_s).collect::<Vec<_>>(),
    ));
    if events.iter().any(|event| event.id.is_some()) {
        log.push(Column::new(
            "event_id".into(),
            events.iter().map(|event| event.id.as_deref()).collect::<Vec<_>>(),
        ));
    }
    read_columns(&schema(), log, keep).unwrap().0
}

fn through_a_file(sequences: &Sequences) -> Sequences {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bucket=0000.parquet");
    state::write(sequences, &schema(), &path).unwrap();
    state::read(&path, &schema()).unwrap()
}

#[test]
fn merge_of_any_cut_equals_one_read() {
    let keeps = [
        ALL,
        Keep { newest: Some(7), look_back_days: None },
        Keep { newest: Some(12), look_back_days: Some(3) },
    ];
    for seed in 0..4 {
        let log = events(seed, seed % 2 == 0);
        for keep in keeps {
            let whole = sequences_of(&log.iter().map(|(_, event)| event).collect::<Vec<_>>(), keep);
            for cut in 1..10 {
                let part = |of: &dyn Fn(i64) -> bool| {
                    let events: Vec<_> =
                        log.iter().filter(|(day, _)| of(*day)).map(|(_, event)| event).collect();
                    sequences_of(&events, keep)
                };
                let before = through_a_file(&part(&|day| day < cut));
                let after = part(&|day| day >= cut);
                let (merged, changed) = state::merge(&before, &after, keep);
                assert_eq!(everything(&merged), everything(&whole), "seed {seed}, cut {cut}, {keep:?}");
                check_flags(&before, &merged, &changed);
            }
        }
    }
}

/// A flag stands for a user whose sequence is not what it was.
fn check_flags(before: &Sequences, merged: &Sequences, changed: &[bool]) {
    let before = everything(before);
    let expected: Vec<bool> = everything(merged).iter().map(|user| !before.contains(user)).collect();
    assert_eq!(changed, expected);
    assert!(changed.contains(&true));
}

#[test]
fn a_file_gives_back_what_was_written() {
    for (seed, with_ids) in [(7, true), (8, false)] {
        let log = events(seed, with_ids);
        let sequences = sequences_of(&log.iter().map(|(_, event)| event).collect::<Vec<_>>(), ALL);
        assert_eq!(everything(&through_a_file(&sequences)), everything(&sequences));
    }
    let none = Sequences { offsets: vec![0], ..Sequences::default() };
    assert_eq!(through_a_file(&none).n_users(), 0);
    let plain = read_columns(&shop(), columns_of(&[("u", "a", "view", DAY)]), ALL).unwrap().0;
    let again = through_a_file(&plain);
    assert!(again.actions.surface.is_empty() && again.actions.duration_s.is_empty());
}

#[test]
fn repeats_and_idle_users_are_not_new() {
    let of =
        |events: &[_]| read_columns(&shop(), columns_of(events), Keep { newest: Some(2), ..ALL }).unwrap().0;
    let before = of(&[
        ("idle", "a", "view", DAY),
        ("again", "a", "view", DAY),
        ("late", "a", "view", DAY + 5),
        ("late", "b", "view", DAY + 6),
    ]);
    let today =
        of(&[("again", "a", "view", DAY), ("late", "z", "view", DAY - 9), ("new", "a", "view", DAY + 9)]);
    let (merged, changed) = state::merge(&before, &today, Keep { newest: Some(2), look_back_days: None });
    let new: Vec<_> =
        merged.users.iter().zip(&changed).filter(|(_, changed)| **changed).map(|(id, _)| id).collect();
    assert_eq!(new, ["new"]);
    assert_eq!(
        lines(&merged),
        ["again: a view 0", "idle: a view 0", "late: b view 6, a view 5", "new: a view 9"]
    );
    let (same, changed) = state::merge(&before, &of(&[("idle", "a", "view", DAY)]), ALL);
    assert_eq!(everything(&same), everything(&before));
    assert!(!changed.contains(&true));
}

#[test]
fn a_damaged_state_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.parquet");
    let sequences = read_columns(&shop(), columns_of(&[("u", "a", "view", DAY)]), ALL).unwrap().0;
    state::write(&sequences, &shop(), &path).unwrap();
    let fewer = EventSchema { actions: vec!["buy".into()], ..shop() };
    let error = state::read(&path, &fewer).unwrap_err();
    assert!(
        matches!(&error, SequencesError::State { .. }) && error.to_string().contains("`view`"),
        "{error}"
    );
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 9]).unwrap();
    let error = state::read(&path, &shop()).unwrap_err();
    assert!(matches!(error, SequencesError::State { .. }), "{error}");
    let absent = folder.path().join("no/such/folder/state.parquet");
    assert!(matches!(state::write(&sequences, &shop(), &absent), Err(SequencesError::Io { .. })));
}
