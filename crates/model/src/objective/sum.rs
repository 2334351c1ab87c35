//! A weighted sum of objectives over the same inputs.

use dayvec_core::Objective;
use rand_pcg::Pcg64Mcg;

use super::pairs::{Pair, PairSampler, Timeline};
use crate::batch::Loss;
use crate::tokens::InputRange;

/// One objective of a sum.
#[derive(Debug)]
pub(super) struct Term {
    /// Weight of all its pairs of an input together.
    pub(super) weight: f32,
    pub(super) objective: Box<dyn PairSampler>,
}

/// A term as it is configured.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TermSettings {
    pub(super) weight: f32,
    pub(super) objective: Objective,
}

/// The settings of a sum.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SumSettings {
    pub(super) terms: Vec<TermSettings>,
}

/// At least one term, all with the same loss.
#[derive(Debug)]
pub(super) struct Sum {
    pub(super) terms: Vec<Term>,
    pub(super) loss: Loss,
}

impl PairSampler for Sum {
    fn can_end_at(&self, timeline: Timeline<'_>, at: usize) -> bool {
        self.terms.iter().any(|term| term.objective.can_end_at(timeline, at))
    }

    fn loss(&self) -> Loss {
        self.loss
    }

    fn pairs(
        &self,
        timeline: Timeline<'_>,
        input: &InputRange,
        n_positions: usize,
        rng: &mut Pcg64Mcg,
    ) -> Vec<Pair> {
        let mut all = Vec::new();
        for term in &self.terms {
            let pairs = term.objective.pairs(timeline, input, n_positions, rng);
            let total: f32 = pairs.iter().map(|pair| pair.weight).sum();
            all.extend(
                pairs.into_iter().map(|pair| Pair { weight: term.weight * pair.weight / total, ..pair }),
            );
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use dayvec_core::SECONDS_PER_DAY as DAY;
    use rand::SeedableRng;

    use super::super::pair_sampler;
    use super::super::test_timeline::with_timeline;
    use super::*;

    #[test]
    fn each_term_weighs_what_it_is_given_whatever_its_number_of_pairs() {
        let all_action = serde_json::json!({"name": "all_action", "window_days": 28});
        let terms = serde_json::json!([
            {"weight": 3.0, "objective": all_action}, {"weight": 1.0, "objective": {"name": "next_action"}}
        ]);
        let sum = pair_sampler(&Objective::named("sum").with("terms", terms)).unwrap();
        let actions: Vec<(i64, bool)> = (0..6).rev().map(|day| (day * DAY, true)).collect();
        with_timeline(&actions, |timeline| {
            let input = InputRange { actions: 4..6 };
            let pairs = sum.pairs(timeline, &input, 1, &mut Pcg64Mcg::seed_from_u64(1));
            assert_eq!(pairs.len(), 5);
            let (first, second) = pairs.split_at(4);
            assert!(first.iter().all(|pair| (pair.weight - 0.75).abs() < 1e-6), "{first:?}");
            assert_eq!((second[0].label, second[0].weight), (3, 1.0));
            assert!(sum.can_end_at(timeline, 1) && !sum.can_end_at(timeline, 0));
        });
    }
}
