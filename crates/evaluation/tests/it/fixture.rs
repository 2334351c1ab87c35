//! Logs of a few lines, and a scorer with preset scores.

use dayvec_core::{Actions, IdInterner, SECONDS_PER_DAY, Sequences};
use dayvec_evaluation::{EvaluationError, Scorer};
use tch::Tensor;

/// One event: user, item, day of the epoch, positive.
pub(crate) type Event = (&'static str, &'static str, i64, bool);

/// Sequences of `events`, given oldest first; users in order of first event, items `a`, `b`, … up to `n_items`.
pub(crate) fn log(n_items: u8, events: &[Event]) -> Sequences {
    let mut items = IdInterner::default();
    for item in 0..n_items {
        items.intern(&item_id(item));
    }
    let mut users = IdInterner::default();
    for event in events {
        users.intern(event.0);
    }
    let mut log = Sequences { offsets: vec![0], actions: Actions::default(), items, ..Sequences::default() };
    for user in users.ids().iter() {
        for event in events.iter().rev().filter(|event| event.0 == user) {
            log.actions.item.push(log.items.find(event.1).unwrap());
            log.actions.action_type.push(0);
            log.actions.timestamp.push(event.2 * SECONDS_PER_DAY + 3600);
            log.actions.positive.push(event.3);
            log.actions.event_key.push(log.actions.event_key.len() as u64);
        }
        log.offsets.push(log.actions.item.len());
    }
    log.users = users.into_ids();
    log
}

fn item_id(row: u8) -> String {
    char::from(b'a' + row).to_string()
}

/// Scores by user row.
pub(crate) struct Fixed(pub(crate) Vec<Vec<f32>>);

impl Scorer for Fixed {
    fn name(&self) -> &str {
        "fixed"
    }

    fn scores(&self, users: &[usize]) -> Result<Tensor, EvaluationError> {
        let scores: Vec<f32> = users.iter().flat_map(|&user| self.0[user].iter().copied()).collect();
        Ok(Tensor::from_slice(&scores).reshape([users.len() as i64, -1]))
    }
}

/// Scores of one user, `[n]`.
pub(crate) fn scores_of(scorer: &dyn Scorer, user: usize) -> Vec<f32> {
    Vec::try_from(scorer.scores(&[user]).unwrap().reshape([-1])).unwrap()
}

/// Equal within rounding of 32-bit floats.
pub(crate) fn assert_close(got: &[f32], expected: &[f32]) {
    assert_eq!(got.len(), expected.len());
    for (a, b) in got.iter().zip(expected) {
        assert!(a == b || (a - b).abs() < 1e-5, "{got:?} is not {expected:?}");
    }
}
