//! What a run found out: `metrics.json`, and the tables that are printed.

use std::collections::BTreeMap;

use dayvec_core::Day;
use dayvec_evaluation::Table;
use dayvec_model::Model;
use serde::{Deserialize, Serialize};

use crate::data::Resolved;
use crate::stages::Stages;
use crate::training::Figures;

/// The model beside the baselines, over two sets of users.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tables {
    /// Every user with positives on both sides of the cut-off.
    pub all_users: Table,
    /// The held-out ones among them, never trained on; absent when there is none.
    pub held_out: Option<Table>,
}

/// `metrics.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The model.
    pub model_id: String,
    /// Its pair of towers.
    pub tower_pair_id: String,
    /// Its item features.
    pub items_version: String,
    /// Where the checkpoint is.
    pub checkpoint: String,
    /// First day of the test; training ended where it starts.
    pub cut_off: Day,
    /// Days of the test.
    pub test_days: i32,
    /// Users with actions before the cut-off.
    pub users: usize,
    /// Actions before the cut-off that the model could read.
    pub actions: usize,
    /// Actions before the cut-off whose item has no features.
    pub actions_without_features: usize,
    /// Recall@10, micro, all users, seen items allowed: the main figure, by scorer.
    pub recall_at_10: BTreeMap<String, f64>,
    /// The same with seen items filtered.
    pub recall_at_10_unseen: BTreeMap<String, f64>,
    /// Everything measured.
    pub evaluation: Tables,
    /// What the reader met in the log.
    pub events: serde_json::Value,
    /// Figures of the training; absent in an evaluation alone.
    pub training: Option<Figures>,
    /// Seconds by stage.
    pub stages: Stages,
}

impl Report {
    /// A report of a model on the data it was measured on.
    pub(crate) fn new(model: &Model, data: &Resolved, evaluation: Tables, checkpoint: String) -> Self {
        let recall = |filtered: bool| {
            let rows = evaluation.all_users.rows.iter().map(|row| {
                let retrieval = if filtered { &row.seen_filtered } else { &row.seen_allowed };
                (row.scorer.clone(), retrieval.recall_at_10.micro.value)
            });
            rows.collect()
        };
        let spec = model.spec();
        let has_actions = |&user: &usize| !data.history.range(user).is_empty();
        Self {
            model_id: spec.model_id.clone(),
            tower_pair_id: spec.tower_pair_id.clone(),
            items_version: spec.items_version.clone(),
            checkpoint,
            cut_off: data.window.cut_off,
            test_days: data.window.n_days,
            users: (0..data.history.n_users()).filter(has_actions).count(),
            actions: data.history.n_actions(),
            actions_without_features: data.unknown,
            recall_at_10: recall(false),
            recall_at_10_unseen: recall(true),
            evaluation,
            events: serde_json::Value::Null,
            training: None,
            stages: Stages::default(),
        }
    }

    /// The tables as text.
    #[must_use]
    pub fn table(&self) -> String {
        let held_out =
            self.evaluation.held_out.as_ref().map_or_else(String::new, |table| format!("\n\n{table}"));
        format!("{}{held_out}", self.evaluation.all_users)
    }
}
