//! Which parts a model was made of, and on what that was chosen.

use ::core::fmt;

use dayvec_core::Day;
use serde::{Deserialize, Serialize};

/// The choice of a model's parts on the days before the test days.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PartsChoice {
    /// First of the days that it was made on.
    pub from: Day,
    /// Number of those days.
    pub n_days: i32,
    /// Users that were measured there.
    pub n_users: usize,
    /// What was chosen.
    pub chosen: PartsTrial,
    /// All that was tried, in order.
    pub tried: Vec<PartsTrial>,
}

/// Parts that were tried.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PartsTrial {
    /// Width of the memory.
    pub memory: usize,
    /// Width of the co-occurrence.
    pub cooccurrence: usize,
    /// Width of the trend.
    pub trend: usize,
    /// Weight of items that are new to the user in the loss.
    pub unseen_weight: f64,
    /// Recall@10 on the earlier days, micro, seen items allowed.
    pub recall: f64,
    /// The same with seen items filtered out.
    pub unseen_recall: f64,
}

/// A space of parts turned onto that of an older model; inner products stay as they were.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlignmentReport {
    /// The older model.
    pub model_id: String,
    /// Mean cosine of the users' new and old embeddings without the turn.
    pub before: f64,
    /// The same with it.
    pub after: f64,
}

/// A recall below this is hardly told apart from zero.
const LEAST_RECALL: f64 = 0.001;

impl PartsTrial {
    /// What decides: the geometric mean of both recalls, so that a tenth more of either counts the same.
    #[must_use]
    pub fn merit(&self) -> f64 {
        ((self.recall + LEAST_RECALL) * (self.unseen_recall + LEAST_RECALL)).sqrt()
    }
}

impl fmt::Display for PartsTrial {
    /// `memory 120 + co-occurrence 128 + trend 8, unseen items weigh 0.1: 0.0951 / 0.0542`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [("memory", self.memory), ("co-occurrence", self.cooccurrence), ("trend", self.trend)];
        let named: Vec<String> = parts
            .iter()
            .filter(|(_, width)| *width > 0)
            .map(|(name, width)| format!("{name} {width}"))
            .collect();
        write!(
            f,
            "{}, unseen items weigh {}: {:.4} / {:.4}",
            named.join(" + "),
            self.unseen_weight,
            self.recall,
            self.unseen_recall
        )
    }
}

impl fmt::Display for PartsChoice {
    /// A line on the days, then one a trial.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "parts chosen on the {} days from {} over {} users (recall@10, seen items allowed / filtered):",
            self.n_days, self.from, self.n_users
        )?;
        for trial in &self.tried {
            let mark = if *trial == self.chosen { "*" } else { " " };
            write!(f, "\n{mark} {trial}")?;
        }
        Ok(())
    }
}
