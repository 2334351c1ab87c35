//! Which positions of a sequence are trained, and on which future action each (the paper, section 4). One file an
//! objective; all of them produce (position, label) pairs for the same loss.

mod dense;
mod next_action;

use dayvec_core::{ModelSpec, Objective, Sequences};
use rand_pcg::Pcg64Mcg;

use crate::tokens::Window;
use dense::DenseAllAction;
use next_action::NextAction;

/// The positive labels of every user, as places in the columns of [`Sequences`], newest first.
#[derive(Debug)]
pub struct Labels {
    offsets: Vec<usize>,
    places: Vec<usize>,
}

impl Labels {
    /// Collect the positive actions of all users.
    #[must_use]
    pub fn new(sequences: &Sequences) -> Self {
        let mut offsets = vec![0];
        let mut places = Vec::new();
        for user in 0..sequences.n_users() {
            places.extend(sequences.range(user).filter(|&at| sequences.actions.positive[at]));
            offsets.push(places.len());
        }
        Self { offsets, places }
    }

    /// Positives of `user` with `after_s < timestamp <= until_s`, newest first.
    #[must_use]
    pub fn between(&self, sequences: &Sequences, user: usize, after_s: i64, until_s: i64) -> &[usize] {
        let places = &self.places[self.offsets[user]..self.offsets[user + 1]];
        let timestamp = |at: usize| sequences.actions.timestamp[at];
        let first = places.partition_point(|&at| timestamp(at) > until_s);
        let end = places.partition_point(|&at| timestamp(at) > after_s);
        &places[first..end.max(first)]
    }
}

/// A (position, label) pair: `position` counts from the newest action of the input (the paper's i, less one), and
/// `label` is the place of a positive action, later than the one at that position.
pub(crate) type Pair = (usize, usize);

/// An objective.
pub trait PairSampler: Send + Sync + std::fmt::Debug {
    /// Whether the action at column `at` of `user` can be the newest of an input that has a pair.
    fn can_end_at(&self, sequences: &Sequences, labels: &Labels, user: usize, at: usize) -> bool;

    /// Draw the pairs of one input sequence.
    #[doc(hidden)]
    fn pairs(
        &self,
        sequences: &Sequences,
        labels: &Labels,
        user: usize,
        window: &WindowRef<'_>,
        rng: &mut Pcg64Mcg,
    ) -> Vec<Pair>;
}

/// An input sequence, for a [`PairSampler`].
#[derive(Debug)]
pub struct WindowRef<'a>(pub(crate) &'a Window);

/// The sampler of a spec's objective; `positions` is the number of positions drawn from a sequence.
#[must_use]
pub fn objective_sampler(spec: &ModelSpec, positions: usize) -> Box<dyn PairSampler> {
    match spec.objective {
        Objective::DenseAllAction { window_days } => Box::new(DenseAllAction::new(window_days, positions)),
        Objective::NextAction => Box::new(NextAction),
    }
}
