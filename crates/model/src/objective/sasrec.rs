//! SASRec (Kang and McAuley, arXiv 1808.09781), as the paper compares with it: every position, with the first positive
//! after it.

use rand_pcg::Pcg64Mcg;
use serde::Deserialize;

use super::pairs::{Pair, PairSampler, Timeline};
use crate::batch::Loss;
use crate::tokens::InputRange;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sasrec {
    /// SASRec's own is the binary cross-entropy; the paper gives it the sampled softmax.
    loss: Loss,
    newest_weight: NewestWeight,
}

/// How much the newest position counts, the only one that serving asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum NewestWeight {
    /// As much as any other.
    Alike,
    /// As much as all others together (the paper's repair, section 7.5).
    Half,
}

impl PairSampler for Sasrec {
    fn can_end_at(&self, timeline: Timeline<'_>, at: usize) -> bool {
        timeline.next_positive(at).is_some()
    }

    fn loss(&self) -> Loss {
        self.loss
    }

    fn pairs(
        &self,
        timeline: Timeline<'_>,
        input: &InputRange,
        _n_positions: usize,
        _rng: &mut Pcg64Mcg,
    ) -> Vec<Pair> {
        let pair = |(position, at)| Some(Pair::new(position, timeline.next_positive(at)?));
        let mut pairs: Vec<Pair> = input.actions.clone().enumerate().filter_map(pair).collect();
        let n_others = pairs.len().saturating_sub(1);
        if let Some(newest) = pairs.first_mut().filter(|newest| newest.position == 0)
            && self.newest_weight == NewestWeight::Half
        {
            newest.weight = n_others.max(1) as f32;
        }
        pairs
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::super::test_timeline::with_timeline;
    use super::*;

    #[test]
    fn every_position_gets_the_next_positive() {
        // 4 and 5 are at the same time, so neither is later than the other.
        let actions = [(60, true), (50, false), (40, true), (30, false), (20, true), (20, true), (10, false)];
        with_timeline(&actions, |timeline| {
            for (newest_weight, expected) in [(NewestWeight::Alike, 1.0), (NewestWeight::Half, 4.0)] {
                let objective = Sasrec { loss: Loss::SampledSoftmax, newest_weight };
                let input = InputRange { actions: 2..7 };
                let pairs = objective.pairs(timeline, &input, 1, &mut Pcg64Mcg::seed_from_u64(1));
                let found: Vec<_> = pairs.iter().map(|pair| (pair.position, pair.label)).collect();
                assert_eq!(found, [(0, 0), (1, 2), (2, 2), (3, 2), (4, 5)]);
                assert_eq!(pairs[0].weight, expected);
                assert!(pairs[1..].iter().all(|pair| pair.weight == 1.0));
                assert!(objective.can_end_at(timeline, 2) && !objective.can_end_at(timeline, 0));
            }
        });
    }

    #[test]
    fn an_input_of_one_action_has_one_pair() {
        with_timeline(&[(20, true), (10, true)], |timeline| {
            let objective = Sasrec { loss: Loss::BinaryCrossEntropy, newest_weight: NewestWeight::Half };
            let input = InputRange { actions: 1..2 };
            let pairs = objective.pairs(timeline, &input, 1, &mut Pcg64Mcg::seed_from_u64(1));
            assert_eq!(pairs, [Pair::new(0, 0)]);
        });
    }
}
