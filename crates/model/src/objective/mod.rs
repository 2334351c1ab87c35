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
pub(crate) struct Labels {
    offsets: Vec<usize>,
    places: Vec<usize>,
}

impl Labels {
    /// Collect the positive actions of all users.
    pub(crate) fn new(sequences: &Sequences) -> Self {
        let mut offsets = vec![0];
        let mut places = Vec::new();
        for user in 0..sequences.n_users() {
            places.extend(sequences.range(user).filter(|&at| sequences.actions.positive[at]));
            offsets.push(places.len());
        }
        Self { offsets, places }
    }
}

/// One user's actions and positive labels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timeline<'a> {
    pub(crate) sequences: &'a Sequences,
    pub(crate) labels: &'a Labels,
    pub(crate) user: usize,
}

impl<'a> Timeline<'a> {
    /// Unix seconds of the action at a place in the columns.
    fn timestamp(&self, at: usize) -> i64 {
        self.sequences.actions.timestamp[at]
    }

    /// Positives with `after_s < timestamp <= until_s`, newest first.
    fn labels_between(&self, after_s: i64, until_s: i64) -> &'a [usize] {
        let offsets = &self.labels.offsets;
        let places = &self.labels.places[offsets[self.user]..offsets[self.user + 1]];
        let first = places.partition_point(|&at| self.timestamp(at) > until_s);
        let end = places.partition_point(|&at| self.timestamp(at) > after_s);
        &places[first..end.max(first)]
    }
}

/// A (position, label) pair: `position` counts from the newest action of the input (the paper's i, less one), and
/// `label` is the place of a positive action, later than the one at that position.
pub(crate) type Pair = (usize, usize);

/// An objective.
pub(crate) trait PairSampler: Send + Sync + std::fmt::Debug {
    /// Whether the action at column `at` can be the newest of an input that has a pair.
    fn can_end_at(&self, timeline: Timeline<'_>, at: usize) -> bool;

    /// Draw the pairs of one input sequence.
    fn pairs(&self, timeline: Timeline<'_>, window: &Window, rng: &mut Pcg64Mcg) -> Vec<Pair>;
}

/// The sampler of a spec's objective; `positions` is the number of positions drawn from a sequence.
pub(crate) fn objective_sampler(spec: &ModelSpec, positions: usize) -> Box<dyn PairSampler> {
    match spec.objective {
        Objective::DenseAllAction { window_days } => Box::new(DenseAllAction::new(window_days, positions)),
        Objective::NextAction => Box::new(NextAction),
    }
}
