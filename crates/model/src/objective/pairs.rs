//! What every objective works with: a user's actions, the positive ones among them, and the (position, label) pairs
//! that it draws.

use std::num::NonZeroU32;

use dayvec_core::{SECONDS_PER_DAY, Sequences};
use rand_pcg::Pcg64Mcg;

use super::tasks::Tasks;
use crate::batch::Loss;
use crate::tokens::InputRange;

/// The positive actions of every user, as indices into the columns of [`Sequences`], newest first.
#[derive(Debug)]
pub(crate) struct PositiveActions {
    offsets: Vec<usize>,
    actions: Vec<usize>,
}

impl PositiveActions {
    /// Collect the positive actions of all users that belong to one of `tasks`.
    pub(crate) fn new(sequences: &Sequences, tasks: &Tasks) -> Self {
        let mut offsets = vec![0];
        let mut actions = Vec::new();
        let columns = &sequences.actions;
        for user in 0..sequences.n_users() {
            let is_label = |&at: &usize| columns.positive[at] && tasks.contains(columns.action_type[at]);
            actions.extend(sequences.range(user).filter(is_label));
            offsets.push(actions.len());
        }
        Self { offsets, actions }
    }
}

/// One user's actions and the positive ones among them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timeline<'a> {
    pub(crate) sequences: &'a Sequences,
    pub(crate) positives: &'a PositiveActions,
    pub(crate) user: usize,
}

impl<'a> Timeline<'a> {
    /// Unix seconds of the action at an index into the columns.
    pub(super) fn timestamp(&self, at: usize) -> i64 {
        self.sequences.actions.timestamp[at]
    }

    /// The first positive later than the action at an index.
    pub(super) fn next_positive(&self, at: usize) -> Option<usize> {
        self.positives_between(self.timestamp(at), i64::MAX).last().copied()
    }

    /// The first positive newer in the sequence than the action at an index, of the same time or later.
    pub(super) fn next_positive_in_order(&self, at: usize) -> Option<usize> {
        let positives = self.positives();
        positives[..positives.partition_point(|&positive| positive < at)].last().copied()
    }

    /// All positives of the user, newest first.
    fn positives(&self) -> &'a [usize] {
        let offsets = &self.positives.offsets;
        &self.positives.actions[offsets[self.user]..offsets[self.user + 1]]
    }

    /// Positives of the `window_days` after the action at an index, newest first.
    pub(super) fn positives_of_window(&self, at: usize, window_days: NonZeroU32) -> &'a [usize] {
        let acted = self.timestamp(at);
        self.positives_between(acted, acted + i64::from(window_days.get()) * SECONDS_PER_DAY)
    }

    /// Positives with `after_s < timestamp <= until_s`, newest first.
    pub(super) fn positives_between(&self, after_s: i64, until_s: i64) -> &'a [usize] {
        let positives = self.positives();
        let first = positives.partition_point(|&at| self.timestamp(at) > until_s);
        let end = positives.partition_point(|&at| self.timestamp(at) > after_s);
        &positives[first..end.max(first)]
    }
}

/// A trained position and what to predict there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Pair {
    /// Counted from the newest action of the input: the paper's i, less one.
    pub(crate) position: usize,
    /// Index of a positive action, newer in the sequence than the one at that position.
    pub(crate) label: usize,
    /// Weight beside the other pairs of the input; all inputs weigh the same.
    pub(crate) weight: f32,
}

impl Pair {
    /// A pair that weighs as much as any other of its input.
    pub(super) const fn new(position: usize, label: usize) -> Self {
        Self { position, label, weight: 1.0 }
    }
}

/// An objective.
pub(crate) trait PairSampler: Send + Sync + std::fmt::Debug {
    /// Whether the action at index `at` can be the newest of an input that has a pair.
    fn can_end_at(&self, timeline: Timeline<'_>, at: usize) -> bool;

    /// What the pairs are trained with.
    fn loss(&self) -> Loss {
        Loss::SampledSoftmax
    }

    /// Draw the pairs of one input sequence, from at most `n_positions` positions where the objective draws positions.
    fn pairs(
        &self,
        timeline: Timeline<'_>,
        input: &InputRange,
        n_positions: usize,
        rng: &mut Pcg64Mcg,
    ) -> Vec<Pair>;
}

#[cfg(test)]
mod tests {
    use crate::objective::test_timeline::with_timeline;

    #[test]
    fn positives_are_later_than_the_first_bound_and_not_later_than_the_second() {
        let actions = [(50, true), (40, false), (30, true), (30, true), (20, true), (10, true)];
        with_timeline(&actions, |timeline| {
            for (after, until, expected) in [
                (20, 50, &[0_usize, 2, 3][..]),
                (20, 49, &[2, 3]),
                (30, 50, &[0]),
                (0, i64::MAX, &[0, 2, 3, 4, 5]),
                (50, i64::MAX, &[]),
                (40, 20, &[]),
            ] {
                assert_eq!(timeline.positives_between(after, until), expected, "({after}, {until}]");
            }
        });
    }
}
