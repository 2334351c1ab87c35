//! Next action: the newest position, with the first positive after it.

use rand_pcg::Pcg64Mcg;
use serde::Deserialize;

use super::pairs::{Pair, PairSampler, Timeline};
use crate::tokens::InputRange;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NextAction {}

impl NextAction {
    fn next(timeline: Timeline<'_>, at: usize) -> Option<usize> {
        timeline.positives_between(timeline.timestamp(at), i64::MAX).last().copied()
    }
}

impl PairSampler for NextAction {
    fn can_end_at(&self, timeline: Timeline<'_>, at: usize) -> bool {
        Self::next(timeline, at).is_some()
    }

    fn pairs(
        &self,
        timeline: Timeline<'_>,
        input: &InputRange,
        _n_positions: usize,
        _rng: &mut Pcg64Mcg,
    ) -> Vec<Pair> {
        Self::next(timeline, input.actions.start).map(|label| (0, label)).into_iter().collect()
    }
}
