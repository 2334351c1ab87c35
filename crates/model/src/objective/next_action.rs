//! Next action: the newest position, with the first positive after it.

use dayvec_core::Sequences;
use rand_pcg::Pcg64Mcg;

use super::{Labels, Pair, PairSampler, WindowRef};

#[derive(Debug)]
pub(super) struct NextAction;

impl NextAction {
    fn next(sequences: &Sequences, labels: &Labels, user: usize, at: usize) -> Option<usize> {
        labels.between(sequences, user, sequences.actions.timestamp[at], i64::MAX).last().copied()
    }
}

impl PairSampler for NextAction {
    fn can_end_at(&self, sequences: &Sequences, labels: &Labels, user: usize, at: usize) -> bool {
        Self::next(sequences, labels, user, at).is_some()
    }

    fn pairs(
        &self,
        sequences: &Sequences,
        labels: &Labels,
        user: usize,
        window: &WindowRef<'_>,
        _rng: &mut Pcg64Mcg,
    ) -> Vec<Pair> {
        Self::next(sequences, labels, user, window.0.range.start)
            .map(|label| (0, label))
            .into_iter()
            .collect()
    }
}
