//! All action: the newest position, with every positive of the K days after it.

use std::num::NonZeroU32;

use rand::seq::IndexedRandom;
use rand_pcg::Pcg64Mcg;
use serde::Deserialize;

use super::pairs::{Pair, PairSampler, Timeline};
use crate::tokens::InputRange;

/// Most labels of an input, drawn from all (the paper, section 3).
const MOST_LABELS: NonZeroU32 = NonZeroU32::new(32).expect("not zero");

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AllAction {
    /// K, in days.
    window_days: NonZeroU32,
    /// Most labels of an input.
    #[serde(default = "most_labels")]
    max_labels: NonZeroU32,
}

const fn most_labels() -> NonZeroU32 {
    MOST_LABELS
}

impl PairSampler for AllAction {
    fn can_end_at(&self, timeline: Timeline<'_>, at: usize) -> bool {
        !timeline.positives_of_window(at, self.window_days).is_empty()
    }

    fn pairs(
        &self,
        timeline: Timeline<'_>,
        input: &InputRange,
        _n_positions: usize,
        rng: &mut Pcg64Mcg,
    ) -> Vec<Pair> {
        let positives = timeline.positives_of_window(input.actions.start, self.window_days);
        let most = self.max_labels.get() as usize;
        positives.sample(rng, most).map(|&label| Pair::new(0, label)).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use dayvec_core::SECONDS_PER_DAY as DAY;
    use rand::SeedableRng;

    use super::super::test_timeline::with_timeline;
    use super::*;

    fn labels(objective: &AllAction, timeline: Timeline<'_>, start: usize, seed: u64) -> Vec<usize> {
        let input = InputRange { actions: start..start + 2 };
        let pairs = objective.pairs(timeline, &input, 1, &mut Pcg64Mcg::seed_from_u64(seed));
        assert!(pairs.iter().all(|pair| pair.position == 0 && pair.weight == 1.0));
        pairs.iter().map(|pair| pair.label).collect()
    }

    #[test]
    fn the_newest_position_gets_every_positive_of_the_window() {
        let objective = AllAction { window_days: NonZeroU32::new(2).unwrap(), max_labels: MOST_LABELS };
        let actions =
            [(3 * DAY, true), (2 * DAY, false), (DAY + 1, true), (DAY, true), (0, true), (0, false)];
        with_timeline(&actions, |timeline| {
            for (at, expected) in [(0, &[][..]), (1, &[0]), (3, &[0, 2]), (4, &[2, 3])] {
                assert_eq!(objective.can_end_at(timeline, at), !expected.is_empty(), "action {at}");
                let mut found = labels(&objective, timeline, at, 1);
                found.sort_unstable();
                assert_eq!(found, expected, "action {at}");
            }
        });
    }

    #[test]
    fn of_too_many_labels_each_is_drawn_alike_and_once() {
        let objective =
            AllAction { window_days: NonZeroU32::new(28).unwrap(), max_labels: NonZeroU32::new(3).unwrap() };
        let actions: Vec<(i64, bool)> = (0..11).rev().map(|day| (day * DAY, true)).collect();
        with_timeline(&actions, |timeline| {
            let mut counts = [0_u32; 10];
            for seed in 0..3_000 {
                let found = labels(&objective, timeline, 10, seed);
                assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), 3);
                found.iter().for_each(|&label| counts[label] += 1);
            }
            assert!(counts.iter().all(|&count| count.abs_diff(900) < 120), "{counts:?}");
        });
    }
}
