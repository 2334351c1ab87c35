//! The log: read, split at the cut-off, and numbered by a model's item table. **Nothing after the cut-off and no held-out
//! user may reach training.**

use std::sync::Arc;

use anyhow::{Context, anyhow};
use dayvec_core::{Day, EventSchema, FaultKind, ItemTable, ModelSpec, Sequences};
use dayvec_evaluation::TimeSplit;
use dayvec_runtime::fault::{OrFault as _, WithFault as _};
use dayvec_sequences::log::EventLog;
use dayvec_sequences::split::is_held_out;
use dayvec_sequences::{Keep, ReadOptions, ReadSummary, SequenceBuilder, SequencesError};

use crate::config::{Config, DataFacts};
use crate::items::ItemFeatures;
use crate::store::Store;

/// The log, split by time.
#[derive(Debug)]
pub(crate) struct SplitLog {
    /// Counts of good and bad rows.
    pub(crate) report: ReadSummary,
    /// Where it is split.
    pub(crate) split: TimeSplit,
    /// Every user's actions before the cut-off.
    pub(crate) history: Sequences,
    /// Every user's actions on the test days.
    pub(crate) future: Sequences,
}

impl SplitLog {
    /// Read the log of a configuration, as `schema` (the configuration's, or a checkpoint's) says.
    pub(crate) fn read(config: &Config, store: &Store, schema: &EventSchema) -> anyhow::Result<Self> {
        let raw = &config.raw.events;
        std::fs::create_dir_all(&config.work_dir)
            .with_context(|| format!("make {}", config.work_dir.display()))?;
        let options = ReadOptions {
            from_s: raw.earliest.start_s(),
            until_s: raw.latest.end_s(),
            max_bad_share: raw.max_bad_share,
            quarantine: Some(config.quarantine()),
        };
        let read = || -> Result<(Sequences, ReadSummary), SequencesError> {
            let staging = config.work_dir.join("events");
            let files = store.block_on(EventLog::at(&config.events)?.fetch(None, &staging))?;
            let mut builder = SequenceBuilder::new(schema, options)?;
            builder.push_files(&files.paths)?;
            builder.finish(Keep { newest: None, look_back_days: None })
        };
        let (all, report) = read().or_fault().with_context(|| format!("read events {}", config.events))?;
        tracing::info!(users = all.n_users(), items = all.items.ids().len(), "{report}");
        Self::split(config, &all, report)
    }

    fn split(config: &Config, all: &Sequences, report: ReadSummary) -> anyhow::Result<Self> {
        let n_days = config.raw.split.test_days as i32;
        let last_s =
            report.last_s.ok_or_else(|| anyhow!("the log has no valid event")).fault(FaultKind::Data)?;
        let last = Day::of_timestamp(last_s);
        let cut_off = config.raw.split.cut_off.unwrap_or_else(|| last.plus(-n_days));
        let split = TimeSplit { cut_off, n_days };
        let history = split.history(all);
        if history.n_actions() == 0 {
            let first = Day::of_timestamp(report.first_s.unwrap_or(last_s));
            let fault = anyhow!(
                "no event before the cut-off {cut_off}; the log has events from {first} to {last}: move split.cut_off, or shorten \
                 split.test_days"
            );
            return Err(fault).fault(FaultKind::Data);
        }
        if !history.actions.positive.contains(&true) {
            let fault = anyhow!(
                "no positive event before the cut-off {cut_off}: none of {} events satisfies events.schema.positives {:?}",
                history.n_actions(),
                config.schema().positives
            );
            return Err(fault).fault(FaultKind::Data);
        }
        log_action_types(&history, config.schema());
        let future = split.future(all);
        Ok(Self { report, split, history, future })
    }

    /// The facts about the data that go into the spec of a model.
    pub(crate) fn facts(&self, items: &ItemFeatures) -> DataFacts {
        DataFacts {
            surfaces: self.surfaces(),
            duration: !self.history.actions.duration_s.is_empty(),
            items_version: items.version.clone(),
            item_dim: items.table.dim,
            n_items: items.table.len(),
        }
    }

    /// Surfaces of the actions before the cut-off; a model must not know later ones.
    fn surfaces(&self) -> Vec<String> {
        let mut is_used = vec![false; self.history.surfaces.len()];
        for &surface in &self.history.actions.surface {
            if let Some(row) = usize::from(surface).checked_sub(1) {
                is_used[row] = true;
            }
        }
        let named = self.history.surfaces.iter().zip(is_used);
        named.filter(|(_, is_used)| *is_used).map(|(name, _)| name.clone()).collect()
    }

    /// The log with items and surfaces numbered as a model numbers them.
    pub(crate) fn resolve(self, items: &ItemTable, spec: &ModelSpec) -> ModelData {
        let (history, unknown) = self.history.resolve(&items.ids, &spec.surfaces);
        if unknown > 0 {
            tracing::warn!(actions = unknown, "dropped actions on items without features");
        }
        ModelData { split: self.split, without_features: unknown, history, future: self.future }
    }
}

/// Log how often each action type occurs and how often it is positive: a misspelt one never occurs.
fn log_action_types(history: &Sequences, schema: &EventSchema) {
    let actions = &history.actions;
    for (action_type, action) in schema.actions.iter().enumerate() {
        let of_type =
            || (0..history.n_actions()).filter(|&at| usize::from(actions.action_type[at]) == action_type);
        let (events, positive) = (of_type().count(), of_type().filter(|&at| actions.positive[at]).count());
        tracing::info!(action, events, positive, "action type");
        if positive == 0 && schema.positives.iter().any(|rule| rule.action == *action) {
            tracing::warn!(
                action,
                events,
                "no event before the cut-off satisfies the rule for positives of this action"
            );
        }
    }
}

/// The log of a model: its items are rows of the model's item table.
#[derive(Debug)]
pub(crate) struct ModelData {
    pub(crate) split: TimeSplit,
    /// Actions before the cut-off whose item has no features.
    pub(crate) without_features: usize,
    pub(crate) history: Sequences,
    /// As read: the truth is matched by id, so that an item without features counts as one that cannot be retrieved.
    pub(crate) future: Sequences,
}

impl ModelData {
    /// The sequences to train on: those of users that are not held out.
    pub(crate) fn training(&self) -> Arc<Sequences> {
        let is_trained = |&user: &usize| {
            !self.history.range(user).is_empty() && !is_held_out(self.history.users.get(user))
        };
        let users: Vec<usize> = (0..self.history.n_users()).filter(is_trained).collect();
        Arc::new(self.history.select(&users))
    }
}
