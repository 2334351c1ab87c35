//! Events and items become what training and evaluation look at; nothing after the cut-off reaches training.

use std::sync::Arc;

use anyhow::{Context, anyhow};
use dayvec_core::{Day, EventSchema, ItemTable, ModelSpec, Sequences, id_hash};
use dayvec_evaluation::Window;
use dayvec_runtime::{Exit, OrExit};
use dayvec_sequences::{Keep, ReadOptions, ReadReport, SequenceBuilder, event_files, split::is_held_out};

use crate::config::{Config, DataFacts, ItemSource};
use crate::items::FeaturedItems;
use crate::store::{Store, stage};

/// The log, split by time.
#[derive(Debug)]
pub(crate) struct Log {
    /// What the reader met.
    pub(crate) report: ReadReport,
    /// Where it is split.
    pub(crate) window: Window,
    /// Every user's actions before the cut-off.
    pub(crate) history: Sequences,
    /// Every user's actions on the test days.
    pub(crate) future: Sequences,
}

impl Log {
    /// Read the log of a configuration, as `schema` (the configuration's, or a checkpoint's) says.
    pub(crate) fn read(config: &Config, schema: &EventSchema) -> anyhow::Result<Self> {
        let root = stage(&config.events, &config.work_dir.join("events")).context("find the events")?;
        let raw = &config.raw.events;
        std::fs::create_dir_all(&config.work_dir)
            .with_context(|| format!("make {}", config.work_dir.display()))?;
        let options = ReadOptions {
            from_s: raw.earliest.start_s(),
            until_s: raw.latest.end_s(),
            max_bad_share: raw.max_bad_share,
            quarantine: Some(config.quarantine()),
        };
        let read = || -> Result<(Sequences, ReadReport), dayvec_sequences::SequencesError> {
            let mut builder = SequenceBuilder::new(schema, options)?;
            builder.push_files(&event_files(&root, None)?)?;
            builder.finish(Keep { newest: None, look_back_days: None })
        };
        let (all, report) =
            read().with_context(|| format!("read events {}", config.events)).or_exit(Exit::BadData)?;
        tracing::info!(users = all.n_users(), items = all.items.ids().len(), "{report}");
        Self::split(config, &all, report)
    }

    fn split(config: &Config, all: &Sequences, report: ReadReport) -> anyhow::Result<Self> {
        let n_days = config.raw.split.test_days as i32;
        let last_s =
            report.last_s.ok_or_else(|| anyhow!("the log has no good event")).or_exit(Exit::BadData)?;
        let last = Day::of_timestamp(last_s);
        let window =
            Window { cut_off: config.raw.split.cut_off.unwrap_or_else(|| last.plus(-n_days)), n_days };
        let history = window.history(all);
        if history.n_actions() == 0 {
            let first = Day::of_timestamp(report.first_s.unwrap_or(last_s));
            let fault = anyhow!(
                "no event before the cut-off {}; the log goes from {first} to {last}: move split.cut_off, or shorten \
                 split.test_days",
                window.cut_off
            );
            return Err(fault).or_exit(Exit::BadData);
        }
        if !history.actions.positive.contains(&true) {
            let fault = anyhow!(
                "no positive event before the cut-off {}: none of {} events satisfies events.schema.positives {:?}",
                window.cut_off,
                history.n_actions(),
                config.schema().positives
            );
            return Err(fault).or_exit(Exit::BadData);
        }
        tell_actions(&history, config.schema());
        let future = window.future(all);
        Ok(Self { report, window, history, future })
    }

    /// What the log says about the input of a model.
    pub(crate) fn facts(&self, items: &FeaturedItems) -> DataFacts {
        DataFacts {
            surfaces: self.surfaces(),
            duration: !self.history.actions.duration_s.is_empty(),
            items_version: items.version.clone(),
            item_dim: items.table.dim,
            n_items: items.table.len(),
        }
    }

    /// Surfaces that an action before the cut-off has; later ones are not the model's to know.
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

    /// Name of the data: a digest of every action before the cut-off, and of nothing else, so that a log which has
    /// grown since names the same training.
    pub(crate) fn digest(&self) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        let (history, actions) = (&self.history, &self.history.actions);
        let items: Vec<u64> = history.items.ids().iter().map(id_hash).collect();
        for user in (0..history.n_users()).filter(|&user| !history.range(user).is_empty()) {
            let (id, range) = (history.users.get(user), history.range(user));
            hasher.update(&(id.len() as u64).to_le_bytes()).update(id.as_bytes());
            hasher.update(&(range.len() as u64).to_le_bytes());
            for &item in &actions.item[range] {
                hasher.update(&items[item as usize].to_le_bytes());
            }
        }
        hasher.update(&actions.action_type);
        hasher.update(bytemuck::cast_slice(&actions.surface));
        hasher.update(bytemuck::cast_slice(&actions.duration_s));
        hasher.update(bytemuck::cast_slice(&actions.timestamp));
        hasher.finalize()
    }

    /// Express items and surfaces as a model's, for it to read.
    pub(crate) fn resolve(self, items: &ItemTable, spec: &ModelSpec) -> Resolved {
        let (history, unknown) = self.history.resolve(&items.ids, &spec.surfaces);
        if unknown > 0 {
            tracing::warn!(unknown, "actions on items without features were dropped");
        }
        Resolved { window: self.window, unknown, history, future: self.future }
    }
}

/// Tell how often each action type was met and was a positive: a misspelt one is met never.
fn tell_actions(history: &Sequences, schema: &EventSchema) {
    let actions = &history.actions;
    for (action_type, action) in schema.actions.iter().enumerate() {
        let of_type =
            || (0..history.n_actions()).filter(|&at| usize::from(actions.action_type[at]) == action_type);
        let (met, positive) = (of_type().count(), of_type().filter(|&at| actions.positive[at]).count());
        tracing::info!(action, met, positive, "action type");
        if positive == 0 && schema.positives.iter().any(|rule| rule.action == *action) {
            tracing::warn!(
                action,
                met,
                "no event before the cut-off satisfies the positive rule of this action"
            );
        }
    }
}

/// The log as rows of a model's item table.
#[derive(Debug)]
pub(crate) struct Resolved {
    pub(crate) window: Window,
    /// Actions before the cut-off whose item has no features.
    pub(crate) unknown: usize,
    pub(crate) history: Sequences,
    /// As read: the truth is matched by id, so that an item without features counts as one that can't be found.
    pub(crate) future: Sequences,
}

impl Resolved {
    /// The sequences to train on: those of users that are not held out.
    pub(crate) fn training(&self) -> Arc<Sequences> {
        let is_trained = |&user: &usize| {
            !self.history.range(user).is_empty() && !is_held_out(self.history.users.get(user))
        };
        let users: Vec<usize> = (0..self.history.n_users()).filter(is_trained).collect();
        Arc::new(self.history.select(&users))
    }
}

/// Read the user's item features, or build them from the training window.
pub(crate) fn featured_items(config: &Config, store: &Store, log: &Log) -> anyhow::Result<FeaturedItems> {
    let staging = config.work_dir.join("items");
    let items = match &config.items {
        ItemSource::Read(url) => FeaturedItems::read(&stage(url, &staging)?)?,
        ItemSource::Build { options, text } => {
            let text = match text {
                None => None,
                Some((url, columns)) => Some((stage(url, &staging)?, columns)),
            };
            FeaturedItems::build(&log.history, text, options)?
        }
    };
    items.publish(store, &staging)?;
    Ok(items)
}
