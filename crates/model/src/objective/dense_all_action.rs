//! Dense all action: random positions, each with one random positive of the K days after its own action.

use std::num::NonZeroU32;

use dayvec_core::SECONDS_PER_DAY;
use rand::RngExt;
use rand_pcg::Pcg64Mcg;
use serde::Deserialize;

use super::pairs::{Pair, PairSampler, Timeline};
use crate::tokens::InputRange;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DenseAllAction {
    /// K, in days.
    window_days: NonZeroU32,
}

impl DenseAllAction {
    fn positives_after<'a>(&self, timeline: Timeline<'a>, at: usize) -> &'a [usize] {
        let acted = timeline.timestamp(at);
        timeline.positives_between(acted, acted + i64::from(self.window_days.get()) * SECONDS_PER_DAY)
    }
}

impl PairSampler for DenseAllAction {
    fn can_end_at(&self, timeline: Timeline<'_>, at: usize) -> bool {
        !self.positives_after(timeline, at).is_empty()
    }

    fn pairs(
        &self,
        timeline: Timeline<'_>,
        input: &InputRange,
        n_positions: usize,
        rng: &mut Pcg64Mcg,
    ) -> Vec<Pair> {
        let mut usable: Vec<(usize, &[usize])> = (input.actions.clone().enumerate())
            .map(|(position, at)| (position, self.positives_after(timeline, at)))
            .filter(|(_, after)| !after.is_empty())
            .collect();
        let wanted = n_positions.min(usable.len());
        for drawn in 0..wanted {
            let other = rng.random_range(drawn..usable.len());
            usable.swap(drawn, other);
        }
        usable.truncate(wanted);
        usable.iter().map(|(position, after)| (*position, after[rng.random_range(0..after.len())])).collect()
    }
}
