//! What is scored under every protocol.

use dayvec_core::{Day, Sequences};

use super::protocol::Protocol;
use crate::{EvaluationError, TimeSplit};

/// A positive item of a user on the test days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Label {
    /// Row of the user in the log.
    pub user: usize,
    /// Row of the item.
    pub item: u32,
    /// Unix seconds of the user's first positive action on it from the cut-off on.
    pub timestamp: i64,
}

/// The labels of a log, the same for every protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    /// First test day.
    pub cut_off: Day,
    /// The labels, by day, then user, then time.
    pub labels: Vec<Label>,
    /// Whether an item is of the catalogue: met in any event before the cut-off. One entry an item row.
    pub eligible: Vec<bool>,
    /// Labels left out because their item is not of the catalogue.
    pub n_outside: usize,
    /// Labels left out because their user has no action yet under one of the protocols.
    pub n_too_young: usize,
}

impl Labels {
    /// The labels on the days of `split` in `log`, which also holds what came before; of users who had a positive before
    /// the cut-off, and some action under every one of `protocols`.
    ///
    /// # Errors
    /// When none is left.
    pub fn of(log: &Sequences, split: TimeSplit, protocols: &[Protocol]) -> Result<Self, EvaluationError> {
        let actions = &log.actions;
        let (from_s, until_s) = (split.cut_off.start_s(), split.cut_off.plus(split.n_days).start_s());
        let mut eligible = vec![false; log.items.ids().len()];
        for (&item, &timestamp) in actions.item.iter().zip(&actions.timestamp) {
            eligible[item as usize] |= timestamp < from_s;
        }
        let mut labels =
            Self { cut_off: split.cut_off, labels: Vec::new(), eligible, n_outside: 0, n_too_young: 0 };
        for user in 0..log.n_users() {
            let positives = log.range(user).filter(|&at| actions.positive[at]);
            if !positives.clone().any(|at| actions.timestamp[at] < from_s) {
                continue;
            }
            let Some(oldest_s) = log.range(user).next_back().map(|at| actions.timestamp[at]) else {
                continue;
            };
            let mut of_user: Vec<Label> = positives
                .map(|at| Label { user, item: actions.item[at], timestamp: actions.timestamp[at] })
                .filter(|label| (from_s..until_s).contains(&label.timestamp))
                .collect();
            of_user.sort_unstable();
            of_user.dedup_by_key(|label| label.item);
            for label in of_user {
                let is_known =
                    |protocol: &Protocol| oldest_s < protocol.users_until_s(split.cut_off, label.timestamp);
                if !labels.eligible[label.item as usize] {
                    labels.n_outside += 1;
                } else if !protocols.iter().all(is_known) {
                    labels.n_too_young += 1;
                } else {
                    labels.labels.push(label);
                }
            }
        }
        if labels.labels.is_empty() {
            return Err(EvaluationError::NoUsers);
        }
        labels.labels.sort_unstable_by_key(|label| {
            (Day::of_timestamp(label.timestamp), label.user, label.timestamp, label.item)
        });
        Ok(labels)
    }

    /// Distinct users, ascending.
    #[must_use]
    pub fn users(&self) -> Vec<usize> {
        let mut users: Vec<usize> = self.labels.iter().map(|label| label.user).collect();
        users.sort_unstable();
        users.dedup();
        users
    }
}
