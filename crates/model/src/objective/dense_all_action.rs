//! Dense all action: random positions, each with one random positive of the K days after its own action.

use std::num::NonZeroU32;

use rand::seq::{IndexedRandom, SliceRandom};
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
        timeline.positives_of_window(at, self.window_days)
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
        let (drawn, _) = usable.partial_shuffle(rng, n_positions);
        drawn.iter().filter_map(|(position, after)| Some(Pair::new(*position, *after.choose(rng)?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use dayvec_core::SECONDS_PER_DAY;
    use rand::SeedableRng;

    use super::super::test_timeline::with_timeline;
    use super::*;

    const DAY: i64 = SECONDS_PER_DAY;

    fn dense(window_days: u32) -> DenseAllAction {
        DenseAllAction { window_days: NonZeroU32::new(window_days).unwrap() }
    }

    #[test]
    fn labels_are_the_positives_of_the_window_after_the_action_itself() {
        let actions = [(3 * DAY, true), (2 * DAY, false), (DAY + 1, true), (DAY, true), (0, true)];
        with_timeline(&actions, |timeline| {
            for (at, expected) in [(0, &[][..]), (1, &[0]), (2, &[0]), (3, &[0, 2]), (4, &[2, 3])] {
                assert_eq!(dense(2).positives_after(timeline, at), expected, "action {at}");
                assert_eq!(dense(2).can_end_at(timeline, at), !expected.is_empty());
            }
            // a window of one day after the oldest action ends with the action exactly one day later
            assert_eq!(dense(1).positives_after(timeline, 4), [3]);
        });
    }

    #[test]
    fn positions_are_distinct_and_every_position_and_label_is_drawn_alike() {
        let actions: Vec<(i64, bool)> = (0..10).rev().map(|day| (day * DAY, true)).collect();
        with_timeline(&actions, |timeline| {
            let input = InputRange { actions: 2..10 }; // positions 0..8
            let mut rng = Pcg64Mcg::seed_from_u64(1);
            let (mut by_position, mut by_pair) = (BTreeMap::new(), BTreeMap::new());
            for _ in 0..4_000 {
                let pairs = dense(2).pairs(timeline, &input, 4, &mut rng);
                let positions: BTreeSet<usize> = pairs.iter().map(|pair| pair.position).collect();
                assert_eq!(positions.len(), 4);
                for Pair { position, label, .. } in pairs {
                    *by_position.entry(position).or_insert(0) += 1;
                    *by_pair.entry((position, label)).or_insert(0) += 1;
                }
            }
            // 4 of 8 positions, and one of two labels each: the two actions just before it in the columns
            assert_eq!(by_position.len(), 8);
            assert!(by_position.values().all(|count: &i32| (count - 2_000).abs() < 200), "{by_position:?}");
            let expected: BTreeSet<_> = (0..8).flat_map(|at| [(at, at), (at, at + 1)]).collect();
            assert_eq!(by_pair.keys().copied().collect::<BTreeSet<_>>(), expected);
            assert!(by_pair.values().all(|count: &i32| (count - 1_000).abs() < 150), "{by_pair:?}");
        });
    }

    #[test]
    fn all_usable_positions_are_taken_where_they_are_few() {
        let actions = [(5 * DAY, true), (4 * DAY, false), (DAY, false), (0, false)];
        with_timeline(&actions, |timeline| {
            let input = InputRange { actions: 1..4 };
            let mut pairs = dense(4).pairs(timeline, &input, 32, &mut Pcg64Mcg::seed_from_u64(1));
            pairs.sort_unstable_by_key(|pair| pair.position);
            assert_eq!(
                pairs,
                [Pair::new(0, 0), Pair::new(1, 0)],
                "the oldest action is more than 4 days before the positive"
            );
        });
    }
}
