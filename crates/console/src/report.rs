//! `metrics.json` of a checkpoint, as far as the page shows it. Every field may be missing: an older trainer wrote fewer,
//! and a newer one may write others.

use std::collections::BTreeMap;

use serde::Deserialize;

/// What a training found out.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Report {
    pub(crate) tower_pair_id: String,
    pub(crate) items_version: String,
    pub(crate) cut_off: String,
    pub(crate) test_days: i32,
    pub(crate) users: u64,
    pub(crate) actions: u64,
    pub(crate) recall_by_scorer: RecallByScorer,
    pub(crate) evaluation: Evaluation,
    pub(crate) training: Option<Training>,
}

/// Recall@10 by scorer, `model` and `popularity` among them; null where it is no number.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RecallByScorer {
    pub(crate) seen_allowed: BTreeMap<String, Option<f64>>,
}

/// Scorers side by side, over two sets of users.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Evaluation {
    pub(crate) all_users: Table,
    pub(crate) held_out: Option<Table>,
}

/// One row a scorer.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Table {
    pub(crate) title: String,
    pub(crate) rows: Vec<Row>,
}

/// A scorer.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Row {
    pub(crate) scorer: String,
    pub(crate) n_users: u64,
    pub(crate) n_items: u64,
    pub(crate) seen_allowed: Retrieval,
    pub(crate) seen_filtered: Retrieval,
}

/// A scorer with seen items allowed, or filtered.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Retrieval {
    pub(crate) recall: Recall,
    pub(crate) interest_entropy: Option<InterestEntropy>,
    pub(crate) coverage: Coverage,
}

/// Interest Entropy@50.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct InterestEntropy {
    pub(crate) nats: Option<f64>,
}

/// P90 Coverage@10.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Coverage {
    pub(crate) p90: Option<f64>,
}

/// Recall over pairs and over users.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Recall {
    pub(crate) micro: Interval,
    #[serde(rename = "macro")]
    pub(crate) macro_: Interval,
}

/// An estimate with its 95 % interval.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Interval {
    pub(crate) value: Option<f64>,
    pub(crate) low: Option<f64>,
    pub(crate) high: Option<f64>,
}

/// Figures of the training.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Training {
    pub(crate) steps: u64,
    pub(crate) seconds: f64,
    pub(crate) loss: Option<f64>,
    pub(crate) tokens_per_s: Option<f64>,
    pub(crate) users: u64,
    pub(crate) actions: u64,
    pub(crate) parameters: u64,
    /// (step, running mean of the loss).
    pub(crate) curve: Vec<(u64, Option<f64>)>,
}

impl Report {
    /// Recall@10 of a scorer.
    pub(crate) fn recall(&self, scorer: &str) -> Option<f64> {
        self.recall_by_scorer.seen_allowed.get(scorer).copied().flatten()
    }
}
