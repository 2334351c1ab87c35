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
    #[serde(default)]
    next: Next,
}

/// Which positive is the next one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Next {
    /// The first of a later time: what a basket says about the next basket.
    #[default]
    Later,
    /// The first in the order of the sequence, of the same time or later: the next row of the log, as in SASRec's code and
    /// in a leave-one-out test, whose last event may be of the same basket as the one before.
    InOrder,
}

impl Sasrec {
    fn next(&self, timeline: Timeline<'_>, at: usize) -> Option<usize> {
        match self.next {
            Next::Later => timeline.next_positive(at),
            Next::InOrder => timeline.next_positive_in_order(at),
        }
    }
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
        self.next(timeline, at).is_some()
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
        let pair = |(position, at)| Some(Pair::new(position, self.next(timeline, at)?));
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
                let objective = Sasrec { loss: Loss::SampledSoftmax, newest_weight, next: Next::Later };
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
    fn in_order_the_next_positive_may_be_of_the_same_time() {
        let actions = [(60, true), (50, false), (40, true), (30, false), (20, true), (20, true), (10, false)];
        with_timeline(&actions, |timeline| {
            let loss = Loss::SampledSoftmax;
            let objective = Sasrec { loss, newest_weight: NewestWeight::Alike, next: Next::InOrder };
            let pairs =
                objective.pairs(timeline, &InputRange { actions: 2..7 }, 1, &mut Pcg64Mcg::seed_from_u64(1));
            let found: Vec<_> = pairs.iter().map(|pair| (pair.position, pair.label)).collect();
            assert_eq!(found, [(0, 0), (1, 2), (2, 2), (3, 4), (4, 5)], "4 is the next of 5");
            assert!(objective.can_end_at(timeline, 1) && !objective.can_end_at(timeline, 0));
        });
    }

    #[test]
    fn an_input_of_one_action_has_one_pair() {
        with_timeline(&[(20, true), (10, true)], |timeline| {
            let (loss, newest_weight) = (Loss::BinaryCrossEntropy, NewestWeight::Half);
            let objective = Sasrec { loss, newest_weight, next: Next::Later };
            let input = InputRange { actions: 1..2 };
            let pairs = objective.pairs(timeline, &input, 1, &mut Pcg64Mcg::seed_from_u64(1));
            assert_eq!(pairs, [Pair::new(0, 0)]);
        });
    }
}
