//! The protocols of freshness, against a NumPy computation by their definitions.

use dayvec_core::{Actions, Day, IdInterner, SECONDS_PER_DAY, Sequences};
use dayvec_evaluation::freshness::{Aged, FreshnessOptions, Labels, Protocol, baselines, measure};
use dayvec_evaluation::{Embeddings, EvaluationError, Scorer, TimeSplit};
use rand::{RngExt as _, SeedableRng as _};
use rand_pcg::Pcg64;
use serde_json::{Value, json};

const N_ITEMS: usize = 40;
const DIM: usize = 4;
const N_USERS: usize = 30;
const SPLIT: TimeSplit = TimeSplit { cut_off: CUT_OFF, n_days: 6 };
const CUT_OFF: Day = Day::of_timestamp(20 * SECONDS_PER_DAY);
const OPTIONS: FreshnessOptions =
    FreshnessOptions { delay_days: 1, max_age_days: 4, n_resamples: 50, seed: 1 };

/// (user, item, Unix seconds, positive), no two of a user at the same second.
type Event = (usize, u32, i64, bool);

/// A log of random visits on days 0 to 27; the last items are first met after the cut-off.
fn events(rng: &mut Pcg64) -> Vec<Event> {
    let mut events = Vec::new();
    for user in 0..N_USERS {
        // Some users are young: their first action is close to the cut-off.
        let first_day = if user % 5 == 0 { 18 } else { 0 };
        let mut times: Vec<i64> =
            (0..40).map(|_| rng.random_range(first_day * SECONDS_PER_DAY..28 * SECONDS_PER_DAY)).collect();
        times.sort_unstable();
        times.dedup();
        for time in times {
            let n_known = if time < CUT_OFF.start_s() { N_ITEMS - 3 } else { N_ITEMS };
            // Few distinct items, so that labels come back.
            let item = (user * 3 + rng.random_range(0..12)) % n_known;
            events.push((user, item as u32, time, rng.random_bool(0.7)));
        }
    }
    events
}

fn sequences(events: &[Event]) -> Sequences {
    let mut items = IdInterner::default();
    for item in 0..N_ITEMS {
        items.intern(&format!("item-{item}"));
    }
    let mut log = Sequences { offsets: vec![0], actions: Actions::default(), items, ..Sequences::default() };
    for user in 0..N_USERS {
        for &(_, item, time, positive) in events.iter().rev().filter(|event| event.0 == user) {
            log.actions.item.push(item);
            log.actions.action_type.push(0);
            log.actions.timestamp.push(time);
            log.actions.positive.push(positive);
            log.actions.event_key.push(log.actions.event_key.len() as u64);
        }
        log.offsets.push(log.actions.item.len());
    }
    log.users =
        (0..N_USERS).map(|user| user.to_string()).collect::<Vec<_>>().iter().map(String::as_str).collect();
    log
}

/// Mean of the vectors of the newest three actions, by inner product, plus a hundredth of the item's count in the week
/// before: both sides age. The count is a last component, by which every user has 0.01.
struct MeanOfNewest<'a> {
    log: &'a Sequences,
    vectors: &'a [f32],
}

impl Aged for MeanOfNewest<'_> {
    fn name(&self) -> &str {
        "mean of the newest three"
    }

    fn items_change(&self) -> bool {
        true
    }

    fn scorer(&self, states: &Sequences, until_s: i64) -> Result<Box<dyn Scorer + '_>, EvaluationError> {
        let mut items = Vec::new();
        for item in 0..N_ITEMS {
            items.extend_from_slice(&self.vectors[item * DIM..(item + 1) * DIM]);
            let week = until_s - 7 * SECONDS_PER_DAY..until_s;
            let actions = self.log.actions.item.iter().zip(&self.log.actions.timestamp);
            let count = actions.filter(|(what, time)| **what as usize == item && week.contains(time)).count();
            items.push(count as f32);
        }
        let mut users = Vec::new();
        for user in 0..states.n_users() {
            let newest: Vec<usize> = states.range(user).take(3).collect();
            for at in 0..DIM {
                let value = |&place: &usize| self.vectors[states.actions.item[place] as usize * DIM + at];
                users.push(newest.iter().map(value).sum::<f32>() / newest.len() as f32);
            }
            users.push(0.01);
        }
        let rows: Vec<usize> = (0..states.n_users()).collect();
        Ok(Box::new(Embeddings::new("mean", &rows, &users, N_ITEMS, &items)?))
    }
}

fn reference(events: &[Event], vectors: &[f32]) -> Value {
    let items: Vec<&[f32]> = vectors.chunks(DIM).collect();
    let given = json!({
        "events": events, "items": items, "cut_off": 20, "n_days": SPLIT.n_days,
        "delay_days": OPTIONS.delay_days, "max_age_days": OPTIONS.max_age_days,
    });
    crate::python::run("freshness.py", &given)
}

#[test]
fn every_protocol_equals_numpy() {
    let mut rng = Pcg64::seed_from_u64(5);
    let events = events(&mut rng);
    let vectors: Vec<f32> = (0..N_ITEMS * DIM).map(|_| rng.random_range(-1.0..1.0)).collect();
    let log = sequences(&events);
    let expected = reference(&events, &vectors);

    let labels = Labels::of(&log, SPLIT, &OPTIONS.protocols()).unwrap();
    let counts = [labels.labels.len(), labels.n_outside, labels.n_too_young];
    let expected_counts = ["n_labels", "n_outside", "n_too_young"].map(|key| expected[key].as_u64().unwrap());
    assert_eq!(counts.map(|count| count as u64), expected_counts);
    assert!(expected_counts.iter().all(|&count| count > 0), "{expected_counts:?}: the log is too simple");

    let row = measure(&MeanOfNewest { log: &log, vectors: &vectors }, &log, &labels, &OPTIONS).unwrap();
    let check = |name: &str, column: usize, got: f64| {
        let expected = expected[name][column].as_f64().unwrap();
        assert!((got - expected).abs() < 1e-9, "{name}, column {column}: {got} is not {expected}");
    };
    for (name, allowed, unseen) in [
        ("once", row.once, row.once_unseen),
        ("daily", row.daily, row.daily_unseen),
        ("realtime", row.realtime, row.realtime_unseen),
    ] {
        check(name, 0, allowed.value);
        check(name, 1, unseen.value);
        assert!(allowed.low <= allowed.value && allowed.value <= allowed.high);
    }
    for (age, recall) in row.by_user_age_days.iter().enumerate() {
        check(&format!("users {age}"), 0, recall.value);
    }
    for (age, recall) in row.by_item_age_days.as_ref().unwrap().iter().enumerate() {
        check(&format!("items {age}"), 0, recall.value);
    }
    assert_eq!((row.by_user_age_days.len(), row.by_item_age_days.unwrap().len()), (5, 5));
    let loss = row.daily.value / row.realtime.value - 1.0;
    assert!((row.change_from_realtime.daily.value - loss).abs() < 1e-12);
    let recalls = [row.once.value, row.daily.value, row.realtime.value];
    assert!(recalls.windows(2).all(|pair| pair[0] != pair[1]), "{recalls:?}: the protocols do not differ");
}

#[test]
fn users_without_change_lose_nothing() {
    // Everyone does the same every day, so an embedding of any age is as good as a new one.
    let events: Vec<Event> = (0..N_USERS)
        .flat_map(|user| {
            let visit = move |day: i64| {
                let item = (user % 7 + 7 * (day % 3) as usize) as u32;
                (user, item, day * SECONDS_PER_DAY + 60, true)
            };
            (0..28).map(visit)
        })
        .collect();
    let log = sequences(&events);
    let labels = Labels::of(&log, SPLIT, &OPTIONS.protocols()).unwrap();
    let items = dayvec_core::ItemTable {
        ids: log.items.clone(),
        dim: 1,
        features: vec![1.0; N_ITEMS],
        interests: None,
        titles: None,
    };
    let own = baselines(&log, &items).into_iter().find(|it| it.name().starts_with("own items")).unwrap();
    let row = measure(&*own, &log, &labels, &OPTIONS).unwrap();
    assert_eq!((row.once.value, row.daily.value, row.realtime.value), (1.0, 1.0, 1.0));
    assert_eq!(row.change_from_realtime.once.value, 0.0);
    assert!(row.by_user_age_days.iter().all(|recall| recall.value == 1.0));
    assert_eq!(row.by_item_age_days, None);
}

#[test]
fn a_log_without_labels_is_refused() {
    let log = sequences(&[(0, 1, 5, true), (1, 2, 21 * SECONDS_PER_DAY, true)]);
    let labels = Labels::of(&log, SPLIT, &[Protocol::Once]);
    assert!(matches!(labels, Err(EvaluationError::NoUsers)), "{labels:?}");
}
