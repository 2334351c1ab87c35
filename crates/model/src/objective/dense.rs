//! Dense all action: random positions, each with one random positive of the K days after its own action.

use dayvec_core::SECONDS_PER_DAY;
use rand::RngExt;
use rand_pcg::Pcg64Mcg;

use super::{Pair, PairSampler, Timeline};
use crate::tokens::Window;

#[derive(Debug)]
pub(super) struct DenseAllAction {
    window_s: i64,
    positions: usize,
}

impl DenseAllAction {
    pub(super) fn new(window_days: u32, positions: usize) -> Self {
        Self { window_s: i64::from(window_days) * SECONDS_PER_DAY, positions }
    }

    fn labels_after<'a>(&self, timeline: Timeline<'a>, at: usize) -> &'a [usize] {
        let acted = timeline.timestamp(at);
        timeline.labels_between(acted, acted + self.window_s)
    }
}

impl PairSampler for DenseAllAction {
    fn can_end_at(&self, timeline: Timeline<'_>, at: usize) -> bool {
        !self.labels_after(timeline, at).is_empty()
    }

    fn pairs(&self, timeline: Timeline<'_>, window: &Window, rng: &mut Pcg64Mcg) -> Vec<Pair> {
        let mut usable: Vec<(usize, &[usize])> = (window.range.clone().enumerate())
            .map(|(position, at)| (position, self.labels_after(timeline, at)))
            .filter(|(_, after)| !after.is_empty())
            .collect();
        let wanted = self.positions.min(usable.len());
        for drawn in 0..wanted {
            let other = rng.random_range(drawn..usable.len());
            usable.swap(drawn, other);
        }
        usable.truncate(wanted);
        usable.iter().map(|(position, after)| (*position, after[rng.random_range(0..after.len())])).collect()
    }
}
