//! Next action: the newest position, with the first positive after it.

use rand_pcg::Pcg64Mcg;
use serde::Deserialize;

use super::pairs::{Pair, PairSampler, Timeline};
use crate::tokens::InputRange;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NextAction {}

impl PairSampler for NextAction {
    fn can_end_at(&self, timeline: Timeline<'_>, at: usize) -> bool {
        timeline.next_positive(at).is_some()
    }

    fn pairs(
        &self,
        timeline: Timeline<'_>,
        input: &InputRange,
        _n_positions: usize,
        _rng: &mut Pcg64Mcg,
    ) -> Vec<Pair> {
        timeline.next_positive(input.actions.start).map(|label| Pair::new(0, label)).into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::super::test_timeline::with_timeline;
    use super::*;

    #[test]
    fn the_newest_position_gets_the_first_later_positive() {
        // 3 and 4 are at the same time, so neither is later than the other
        let actions = [(50, true), (40, false), (30, true), (20, true), (20, true), (10, false)];
        with_timeline(&actions, |timeline| {
            let pairs = |start| {
                let input = InputRange { actions: start..6 };
                NextAction {}.pairs(timeline, &input, 4, &mut Pcg64Mcg::seed_from_u64(1))
            };
            for (start, label) in [(1, 0), (2, 0), (3, 2), (4, 2), (5, 4)] {
                assert!(NextAction {}.can_end_at(timeline, start));
                assert_eq!(pairs(start), [Pair::new(0, label)]);
            }
            assert!(!NextAction {}.can_end_at(timeline, 0));
            assert_eq!(pairs(0), []);
        });
    }
}
