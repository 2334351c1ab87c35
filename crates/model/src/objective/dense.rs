//! Dense all action: random positions, each with one random positive of the K days after its own action.

use dayvec_core::{SECONDS_PER_DAY, Sequences};
use rand::RngExt;
use rand_pcg::Pcg64Mcg;

use super::{Labels, Pair, PairSampler, WindowRef};

#[derive(Debug)]
pub(super) struct DenseAllAction {
    window_s: i64,
    positions: usize,
}

impl DenseAllAction {
    pub(super) fn new(window_days: u32, positions: usize) -> Self {
        Self { window_s: i64::from(window_days) * SECONDS_PER_DAY, positions }
    }

    fn labels_after<'a>(
        &self,
        sequences: &Sequences,
        labels: &'a Labels,
        user: usize,
        at: usize,
    ) -> &'a [usize] {
        let acted = sequences.actions.timestamp[at];
        labels.between(sequences, user, acted, acted + self.window_s)
    }
}

impl PairSampler for DenseAllAction {
    fn can_end_at(&self, sequences: &Sequences, labels: &Labels, user: usize, at: usize) -> bool {
        !self.labels_after(sequences, labels, user, at).is_empty()
    }

    fn pairs(
        &self,
        sequences: &Sequences,
        labels: &Labels,
        user: usize,
        window: &WindowRef<'_>,
        rng: &mut Pcg64Mcg,
    ) -> Vec<Pair> {
        let range = window.0.range.clone();
        let mut usable: Vec<(usize, &[usize])> = range
            .clone()
            .map(|at| (at - range.start, self.labels_after(sequences, labels, user, at)))
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
