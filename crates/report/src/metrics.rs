//! What is measured of one scorer; `dayvec_evaluation` has the definitions.

use serde::{Deserialize, Serialize};

/// An estimate with its bootstrap 95 % confidence interval over users.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The estimate.
    pub value: f64,
    /// 2.5 % percentile.
    pub low: f64,
    /// 97.5 % percentile.
    pub high: f64,
}

/// Recall@k: a relevant item is a hit when fewer than `k` other items of the catalogue score as high or higher, so that no
/// tie makes a hit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Recall {
    /// List length.
    pub k: usize,
    /// Mean over distinct (user, item) pairs.
    pub micro: Interval,
    /// Mean over users of the mean over their items.
    #[serde(rename = "macro")]
    pub macro_: Interval,
    /// Micro, counting what is in a list of `k` with ties settled by item row, which for the relevance of an item is luck;
    /// above `micro` where there are ties at the end of lists.
    pub micro_listed: f64,
}

/// Interest Entropy@k: how mixed the interests of a user's best `k` items are, mean over users.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct InterestEntropy {
    /// List length.
    pub k: usize,
    /// The entropy.
    pub nats: f64,
}

/// P90 Coverage@k: how much of the catalogue makes up 90 % of all retrievals.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// List length.
    pub k: usize,
    /// The share of the catalogue.
    pub p90: f64,
}

/// One scorer under one setting (seen items allowed, or filtered).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Retrieval {
    /// The main metric.
    pub recall: Recall,
    /// NDCG at the same list length, mean over users; what is no hit gains nothing. 0 in a report that was made
    /// before there was one.
    #[serde(default)]
    pub ndcg: Interval,
    /// Absent where no item has an interest label.
    pub interest_entropy: Option<InterestEntropy>,
    /// Diversity over all users.
    pub coverage: Coverage,
    /// Users with a relevant item: those that recall is over.
    pub n_users: usize,
    /// Distinct (user, relevant item) pairs.
    pub n_pairs: usize,
}

/// One scorer's row of a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScorerMetrics {
    /// Name of the scorer.
    pub scorer: String,
    /// Users evaluated: positives on both sides of the cut-off.
    pub n_users: usize,
    /// Items of the catalogue.
    pub n_items: usize,
    /// Distinct (user, relevant item) pairs left out because the item is not in the catalogue.
    pub n_pairs_outside: usize,
    /// Items that the user already acted upon may be retrieved and may be relevant: the main figures.
    pub seen_allowed: Retrieval,
    /// Items that the user already acted upon are neither candidates nor relevant.
    pub seen_filtered: Retrieval,
}
