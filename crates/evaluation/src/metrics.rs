//! What is reported, from what each user got.

use dayvec_report::{Coverage, InterestEntropy, Recall, Retrieval, ScorerMetrics};

use crate::bootstrap::{Sums, intervals};
use crate::outcomes::{ENTROPY_K, Outcomes, RECALL_K, UserOutcome};

/// Share of the retrievals that P90 Coverage accounts for.
const COVERED_SHARE: f64 = 0.9;

impl Outcomes {
    /// Metrics over the users for whose row in the history `keep` holds.
    #[must_use]
    pub fn metrics(&self, keep: &dyn Fn(usize) -> bool) -> ScorerMetrics {
        let kept: Vec<usize> = (0..self.users.len()).filter(|&at| keep(self.users[at])).collect();
        let of = |outcomes: &[UserOutcome]| {
            let outcomes: Vec<&UserOutcome> = kept.iter().map(|&at| &outcomes[at]).collect();
            self.retrieval(&outcomes)
        };
        ScorerMetrics {
            scorer: self.scorer.clone(),
            n_users: kept.len(),
            n_items: self.n_eligible,
            n_pairs_outside: kept.iter().map(|&at| self.n_outside[at] as usize).sum(),
            seen_allowed: of(&self.allowed),
            seen_filtered: of(&self.filtered),
        }
    }

    fn retrieval(&self, outcomes: &[&UserOutcome]) -> Retrieval {
        let asked: Vec<&UserOutcome> = outcomes.iter().copied().filter(|user| user.n_pairs > 0).collect();
        let sums = |user: &&UserOutcome| {
            let (hits, pairs) = (user.hits.len() as f64, f64::from(user.n_pairs));
            [
                Sums { over: hits, under: pairs },
                Sums { over: hits / pairs, under: 1.0 },
                Sums { over: user.ndcg, under: 1.0 },
            ]
        };
        let sums: Vec<[Sums; 3]> = asked.iter().map(sums).collect();
        let [micro, macro_, ndcg] = intervals(&sums, self.n_resamples, self.seed);
        let n_pairs: usize = asked.iter().map(|user| user.n_pairs as usize).sum();
        let listed: u64 = asked.iter().map(|user| u64::from(user.listed)).sum();
        let entropies: Vec<f64> = outcomes.iter().filter_map(|user| user.entropy).collect();
        let micro_listed = listed as f64 / (n_pairs.max(1)) as f64;
        let nats = || entropies.iter().sum::<f64>() / entropies.len() as f64;
        let lists = outcomes.iter().map(|user| user.first.as_slice());
        Retrieval {
            recall: Recall { k: RECALL_K, micro, macro_, micro_listed },
            ndcg,
            interest_entropy: (!entropies.is_empty()).then(|| InterestEntropy { k: ENTROPY_K, nats: nats() }),
            coverage: Coverage { k: RECALL_K, p90: p90_coverage(lists, self.n_eligible) },
            n_users: asked.len(),
            n_pairs,
        }
    }
}

/// The smallest number of items whose retrievals sum to at least 90 % of all, over the number of items.
fn p90_coverage<'a>(lists: impl Iterator<Item = &'a [u32]>, n_items: usize) -> f64 {
    let mut pooled: Vec<u32> = lists.flatten().copied().collect();
    pooled.sort_unstable();
    let mut counts: Vec<usize> = pooled.chunk_by(u32::eq).map(<[u32]>::len).collect();
    counts.sort_unstable_by(|a, b| b.cmp(a));
    let needed = COVERED_SHARE * pooled.len() as f64;
    let mut covered = 0;
    let n_covering = counts.iter().take_while(|&&count| {
        let before = covered;
        covered += count;
        (before as f64) < needed
    });
    n_covering.count() as f64 / n_items.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p90_coverage_counts_the_fewest_items_that_make_nine_tenths() {
        // 7 + 2 of 10 retrievals are exactly 90 %: two items of 20.
        let lists: [&[u32]; 3] = [&[5, 5, 5, 5, 5], &[5, 5, 9], &[9, 3]];
        assert_eq!(p90_coverage(lists.into_iter(), 20), 0.1);
        // 9 of 11 are less than 90 %: the third item is needed.
        let lists: [&[u32]; 3] = [&[5, 5, 5, 5, 5], &[5, 5, 9], &[9, 3, 2]];
        assert_eq!(p90_coverage(lists.into_iter(), 20), 0.15);
        assert_eq!(p90_coverage(std::iter::empty(), 20), 0.0);
    }
}
