//! `metrics.json`: what a model was trained on, and how good it is beside baselines.

use ::core::fmt;
use std::collections::BTreeMap;

use dayvec_core::{Day, DayRows};
use serde::{Deserialize, Serialize};

use crate::{AlignmentReport, Choices, Interval, PartsChoice, Recall, Retrieval, ScorerMetrics, Table};

/// `metrics.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Name of the model.
    pub model_id: String,
    /// Digest of its weights.
    pub tower_pair_id: String,
    /// Version of its item features.
    pub items_version: String,
    /// URL or folder of the checkpoint.
    pub checkpoint: String,
    /// First day of the test; training ended the day before.
    pub cut_off: Day,
    /// Number of test days, the horizon of every recall below.
    pub test_days: i32,
    /// Whether each user's last positive was tested instead, and no user held out; a model for comparison, not for serving.
    #[serde(default)]
    pub leave_one_out: bool,
    /// Users with actions before the cut-off.
    pub users: usize,
    /// Actions before the cut-off on items with features.
    pub actions: usize,
    /// Actions before the cut-off on items without features.
    pub actions_without_features: usize,
    /// The main figures again, for those who need no more.
    pub recall_by_scorer: RecallByScorer,
    /// All metrics of all scorers.
    pub evaluation: Evaluation,
    /// Counts of good and bad rows of the log.
    pub events: serde_json::Value,
    /// Days behind the end of the log that have rows all the same, from stragglers or wrong clocks. The default cut-off
    /// does not count them.
    #[serde(default)]
    pub stray_days: Vec<DayRows>,
    /// How the parts of the model were chosen; absent where there was nothing to choose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<PartsChoice>,
    /// How near the space of the parts is to that of the model that was promoted when they were trained; absent where there
    /// was none to be near to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alignment: Option<AlignmentReport>,
    /// Statistics of the training; absent in an evaluation alone.
    pub training: Option<TrainingSummary>,
    /// Seconds by stage.
    pub stages: StageSeconds,
}

/// Recall@k by scorer name, micro-averaged over the pairs of all test users.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RecallByScorer {
    /// List length.
    pub k: usize,
    /// Items that the user already acted upon may be retrieved and may be relevant: the main figures.
    pub seen_allowed: BTreeMap<String, f64>,
    /// Items that the user already acted upon are neither candidates nor relevant.
    pub seen_filtered: BTreeMap<String, f64>,
}

impl RecallByScorer {
    /// The recalls of a table.
    #[must_use]
    pub fn of(table: &Table) -> Self {
        let recall = |of: fn(&ScorerMetrics) -> &Retrieval| {
            table.rows.iter().map(|row| (row.scorer.clone(), of(row).recall.micro.value)).collect()
        };
        Self {
            k: table.rows.first().map_or(0, |row| row.seen_allowed.recall.k),
            seen_allowed: recall(|row| &row.seen_allowed),
            seen_filtered: recall(|row| &row.seen_filtered),
        }
    }
}

/// The model beside the baselines, over two sets of users.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Every user with positives on both sides of the cut-off.
    pub all_users: Table,
    /// The held-out users among them, never trained on; absent when there are none.
    pub held_out: Option<Table>,
    /// The model's recall of each task, over all users; empty where every positive is of the same action.
    #[serde(default)]
    pub by_task: Vec<TaskRecall>,
    /// The settings of the baselines that were chosen on the days before the test days.
    #[serde(default)]
    pub choices: Choices,
}

/// Recall of one task: only positives of one action are relevant (the paper, section 7.6).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskRecall {
    /// The action.
    pub task: String,
    /// Distinct (user, relevant item) pairs.
    pub n_pairs: usize,
    /// Recall, seen items allowed.
    pub recall: Recall,
}

impl fmt::Display for TaskRecall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Recall { k, micro, .. } = self.recall;
        let Interval { value, low, high } = micro;
        write!(
            f,
            "the model's recall@{k} of {}: {value:.4} [{low:.4}, {high:.4}], {} pairs",
            self.task, self.n_pairs
        )
    }
}

impl Evaluation {
    /// The tables, one or two.
    pub fn tables(&self) -> impl Iterator<Item = &Table> {
        std::iter::once(&self.all_users).chain(&self.held_out)
    }
}

impl fmt::Display for Evaluation {
    /// The tables and what was chosen, an empty line between them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.all_users)?;
        self.held_out.iter().try_for_each(|table| write!(f, "\n\n{table}"))?;
        if !self.by_task.is_empty() {
            writeln!(f)?;
            self.by_task.iter().try_for_each(|task| write!(f, "\n{task}"))?;
        }
        if self.choices.made.is_empty() { Ok(()) } else { write!(f, "\n\n{}", self.choices) }
    }
}

/// Statistics of a training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainingSummary {
    /// Steps of the whole training.
    pub steps: u64,
    /// Seconds of the whole training, pauses left out.
    pub seconds: f64,
    /// Running mean of the loss at the end; absent when no step was left to do.
    pub loss: Option<f64>,
    /// Actions read per second since the last start, padding not counted.
    pub tokens_per_s: f64,
    /// Users to draw from.
    pub users: usize,
    /// Their actions.
    pub actions: usize,
    /// Number of weights.
    pub parameters: usize,
    /// (step, running mean of the loss) after some of the steps of the whole training.
    pub curve: Vec<(u64, f64)>,
}

/// Seconds by stage.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StageSeconds(BTreeMap<String, f64>);

impl StageSeconds {
    /// Add seconds to a stage.
    pub fn add(&mut self, stage: &str, seconds: f64) {
        *self.0.entry(stage.to_owned()).or_default() += (seconds * 1000.0).round() / 1000.0;
    }

    /// (stage, seconds), by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().map(|(stage, &seconds)| (stage.as_str(), seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Coverage, InterestEntropy};

    #[test]
    fn list_lengths_are_values() {
        let interval = Interval { value: 0.5, low: 0.25, high: 0.75 };
        let retrieval = |value| Retrieval {
            recall: Recall {
                k: 10,
                micro: Interval { value, ..interval },
                macro_: interval,
                micro_listed: 0.5,
            },
            ndcg: interval,
            interest_entropy: Some(InterestEntropy { k: 50, nats: 1.5 }),
            coverage: Coverage { k: 10, p90: 0.125 },
            n_users: 4,
            n_pairs: 8,
        };
        let row = ScorerMetrics {
            scorer: "model".into(),
            n_users: 4,
            n_items: 20,
            n_pairs_outside: 1,
            seen_allowed: retrieval(0.5),
            seen_filtered: retrieval(0.25),
        };
        let table = Table { title: "All users".into(), rows: vec![row] };
        let recall = serde_json::to_string(&RecallByScorer::of(&table)).unwrap();
        assert_eq!(recall, r#"{"k":10,"seen_allowed":{"model":0.5},"seen_filtered":{"model":0.25}}"#);
        let json = serde_json::to_string(&table).unwrap();
        for part in [
            r#""recall":{"k":10,"micro":{"value":0.5"#,
            r#""interest_entropy":{"k":50,"nats":1.5}"#,
            r#""macro""#,
        ] {
            assert!(json.contains(part), "{part} is missing from {json}");
        }
        assert_eq!(serde_json::from_str::<Table>(&json).unwrap(), table);
    }
}
