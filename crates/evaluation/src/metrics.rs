//! What is reported, from what each user got.

use serde::{Deserialize, Serialize};

use crate::Outcomes;
use crate::bootstrap::{Sums, intervals};

/// Share of the retrievals that P90 Coverage accounts for.
const COVERED_SHARE: f64 = 0.9;

/// One user's lists under one setting.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct UserOutcome {
    /// Relevant items.
    pub(crate) n_pairs: u32,
    /// Those that fewer than 10 items outscore.
    pub(crate) hits: u32,
    /// Those in the list of 10.
    pub(crate) listed: u32,
    /// The list of 10.
    pub(crate) first: Vec<u32>,
    /// Entropy of the interests of the top 50, in nats.
    pub(crate) entropy: Option<f64>,
}

/// An estimate with its bootstrap 95 % confidence interval over users.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The estimate.
    pub value: f64,
    /// 2.5 % percentile.
    pub low: f64,
    /// 97.5 % percentile.
    pub high: f64,
}

/// Recall@10; a relevant item is hit when fewer than 10 items of the catalogue score strictly higher.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Recall {
    /// Mean over distinct (user, item) pairs.
    pub micro: Interval,
    /// Mean over users of the mean over their items.
    #[serde(rename = "macro")]
    pub macro_: Interval,
    /// Micro, counting only what is in a list of 10 with ties broken by item row; below `micro` where ties make hits.
    pub micro_listed: f64,
}

/// One scorer under one setting (seen items allowed, or filtered).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Retrieval {
    /// Recall@10.
    pub recall_at_10: Recall,
    /// Interest Entropy@50 in nats, where items have interest labels.
    pub interest_entropy_at_50: Option<f64>,
    /// P90 Coverage@10, a share of the catalogue.
    pub p90_coverage_at_10: f64,
    /// Users with a relevant item: those that recall is over.
    pub n_users: usize,
    /// Distinct (user, relevant item) pairs.
    pub n_pairs: usize,
}

/// One scorer's row of the table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Name of the scorer.
    pub scorer: String,
    /// Users evaluated: positives on both sides of the cut-off.
    pub n_users: usize,
    /// Items of the catalogue.
    pub n_items: usize,
    /// Distinct (user, relevant item) pairs left out because the item is not of the catalogue.
    pub n_pairs_outside: usize,
    /// Items that the user already acted upon may be retrieved and may be relevant: the main figures.
    pub seen_allowed: Retrieval,
    /// Items that the user already acted upon are neither candidates nor relevant.
    pub seen_filtered: Retrieval,
}

impl Outcomes {
    /// Metrics over the users for whose row in the history `keep` holds.
    #[must_use]
    pub fn metrics(&self, keep: &dyn Fn(usize) -> bool) -> Metrics {
        let kept: Vec<usize> = (0..self.users.len()).filter(|&at| keep(self.users[at])).collect();
        let of = |outcomes: &[UserOutcome]| {
            let outcomes: Vec<&UserOutcome> = kept.iter().map(|&at| &outcomes[at]).collect();
            self.retrieval(&outcomes)
        };
        Metrics {
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
            let (hits, pairs) = (f64::from(user.hits), f64::from(user.n_pairs));
            [Sums { over: hits, under: pairs }, Sums { over: hits / pairs, under: 1.0 }]
        };
        let sums: Vec<[Sums; 2]> = asked.iter().map(sums).collect();
        let [micro, macro_] = intervals(&sums, self.n_resamples, self.seed);
        let n_pairs: usize = asked.iter().map(|user| user.n_pairs as usize).sum();
        let listed: u64 = asked.iter().map(|user| u64::from(user.listed)).sum();
        let entropies: Vec<f64> = outcomes.iter().filter_map(|user| user.entropy).collect();
        Retrieval {
            recall_at_10: Recall { micro, macro_, micro_listed: listed as f64 / (n_pairs.max(1)) as f64 },
            interest_entropy_at_50: (!entropies.is_empty())
                .then(|| entropies.iter().sum::<f64>() / entropies.len() as f64),
            p90_coverage_at_10: p90_coverage(
                outcomes.iter().map(|user| user.first.as_slice()),
                self.n_eligible,
            ),
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
