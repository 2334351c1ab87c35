//! The log: read, split at the cut-off, and numbered by a model's item table. **Nothing after the cut-off and no held-out
//! user may reach training.**

use std::sync::Arc;

use anyhow::{Context, anyhow};
use dayvec_core::{
    Day, DayRows, EventSchema, FaultKind, ItemTable, LogEnd, ModelSpec, Sequences, rows_per_day,
};
use dayvec_evaluation::{TimeSplit, leave_one_out};
use dayvec_runtime::fault::{OrFault as _, WithFault as _};
use dayvec_sequences::log::{EventLog, digest};
use dayvec_sequences::split::is_held_out;
use dayvec_sequences::{Keep, ReadOptions, ReadSummary, SequenceBuilder, SequencesError};

use crate::config::{Config, DataFacts, SplitProtocol};
use crate::items::ItemFeatures;
use crate::store::Store;

/// The log, split by time.
#[derive(Debug)]
pub(crate) struct SplitLog {
    /// Counts of good and bad rows.
    pub(crate) report: ReadSummary,
    /// Its last day; stray rows may lie behind it.
    pub(crate) last: Day,
    /// How it is split.
    pub(crate) protocol: SplitProtocol,
    /// Where it is split.
    pub(crate) split: TimeSplit,
    /// Days behind the end of the log that have rows all the same.
    pub(crate) stray_days: Vec<DayRows>,
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
        let (all, report) =
            read().or_fault().with_context(|| format!("events.url: read {}", config.events))?;
        tracing::info!(users = all.n_users(), items = all.items.ids().len(), "{report}");
        if report.outside_range > 0 {
            tracing::warn!(
                rows = report.outside_range,
                earliest = %raw.earliest,
                latest = %raw.latest,
                "left out rows outside events.earliest and events.latest"
            );
        }
        Self::split(config, &all, report)
    }

    fn split(config: &Config, all: &Sequences, report: ReadSummary) -> anyhow::Result<Self> {
        let n_days = config.raw.split.test_days as i32;
        let LogEnd { last, stray } = LogEnd::of(&rows_per_day(&all.actions.timestamp))
            .ok_or_else(|| anyhow!("the log has no valid event"))
            .fault(FaultKind::Data)?;
        warn_of_stray_days(last, &stray);
        let default = TimeSplit::before(last, n_days);
        let protocol = config.raw.split.protocol;
        let split = match protocol {
            SplitProtocol::Time => {
                TimeSplit { cut_off: config.raw.split.cut_off.unwrap_or(default.cut_off), n_days }
            }
            // No day of the log is left for a test of all users.
            SplitProtocol::LeaveOneOut => TimeSplit { cut_off: last.plus(1), n_days },
        };
        let cut_off = split.cut_off;
        let (history, future) = match protocol {
            SplitProtocol::Time => (split.history(all), split.future(all)),
            SplitProtocol::LeaveOneOut => leave_one_out(&all.within(i64::MIN, cut_off.start_s())),
        };
        if history.n_actions() == 0 {
            let first = Day::of_timestamp(report.first_s.unwrap_or(last.start_s()));
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
        Ok(Self { report, last, protocol, split, stray_days: stray, history, future })
    }

    /// Refuse a test window behind the end of the log.
    pub(crate) fn check_test_days(&self) -> anyhow::Result<()> {
        let cut_off = self.split.cut_off;
        if self.protocol == SplitProtocol::LeaveOneOut || cut_off <= self.last {
            return Ok(());
        }
        let fault = anyhow!(
            "split.cut_off {cut_off} is after the log's last day, {}: there is nothing to test on; choose an earlier day, \
             or null",
            self.last
        );
        Err(fault).fault(FaultKind::Data)
    }

    /// Digest of the log up to the end of the test days.
    pub(crate) fn hash(&self) -> String {
        log_hash([&self.history, &self.future])
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
        let Self { protocol, split, stray_days, future, .. } = self;
        ModelData { protocol, split, stray_days, without_features: unknown, history, future }
    }
}

/// Digest of what is before a cut-off and of the test days after it.
pub(crate) fn log_hash(parts: [&Sequences; 2]) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(digest(part).as_bytes());
    }
    hasher.finalize().to_hex()[..16].to_owned()
}

/// Name the days behind the end of the log: they are left out of the test, and someone should look at their clocks.
fn warn_of_stray_days(last: Day, stray: &[DayRows]) {
    let (Some(first), Some(newest)) = (stray.first(), stray.last()) else { return };
    let rows: u64 = stray.iter().map(|day| day.rows).sum();
    tracing::warn!(
        log_ends = %last,
        days = stray.len(),
        rows,
        from = %first.day,
        to = %newest.day,
        "rows behind the end of the log, on days that have hardly any: stragglers or wrong clocks; the default cut-off is \
         counted back from where the log ends, or set split.cut_off"
    );
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
    pub(crate) protocol: SplitProtocol,
    pub(crate) split: TimeSplit,
    /// Days behind the end of the log that have rows all the same.
    pub(crate) stray_days: Vec<DayRows>,
    /// Actions before the cut-off whose item has no features.
    pub(crate) without_features: usize,
    pub(crate) history: Sequences,
    /// As read: the truth is matched by id, so that an item without features counts as one that cannot be retrieved.
    pub(crate) future: Sequences,
}

impl ModelData {
    /// Whether a user is not trained on.
    pub(crate) fn is_held_out(&self, user: usize) -> bool {
        self.protocol == SplitProtocol::Time && is_held_out(self.history.users.get(user))
    }

    /// What is tested, for the title of a table.
    pub(crate) fn test(&self) -> String {
        match self.protocol {
            SplitProtocol::Time => format!("{} days from {}", self.split.n_days, self.split.cut_off),
            SplitProtocol::LeaveOneOut => "the last positive of each".to_owned(),
        }
    }

    /// The sequences to train on: those of users that are not held out.
    pub(crate) fn training(&self) -> Arc<Sequences> {
        let is_trained = |&user: &usize| !self.history.range(user).is_empty() && !self.is_held_out(user);
        let users: Vec<usize> = (0..self.history.n_users()).filter(is_trained).collect();
        Arc::new(self.history.select(&users))
    }
}

#[cfg(test)]
mod tests {
    use dayvec_core::{Actions, IdInterner, SECONDS_PER_DAY};
    use dayvec_evaluation::Truth;

    use super::*;

    const DAYS: i64 = 60;
    const USERS: i64 = 400;

    /// A news log: everyone reads five articles a day for two months; of a thousand events one is `late` days late.
    fn news(late: i64) -> Sequences {
        let start = "2024-01-01".parse::<Day>().unwrap();
        let mut items = IdInterner::default();
        (0..50).for_each(|item| {
            items.intern(&format!("i{item}"));
        });
        let mut log =
            Sequences { offsets: vec![0], actions: Actions::default(), items, ..Sequences::default() };
        for user in 0..USERS {
            let events = (0..DAYS * 5).map(|event| {
                let number = user * DAYS * 5 + event;
                let late = if number % 1000 == 999 { late } else { 0 };
                (start.start_s() + (event / 5 + late) * SECONDS_PER_DAY + event % 5 * 60, number % 50)
            });
            let mut events: Vec<(i64, i64)> = events.collect();
            events.sort_by_key(|&(time, _)| std::cmp::Reverse(time));
            for (time, item) in events {
                log.actions.item.push(item as u32);
                log.actions.action_type.push(0);
                log.actions.timestamp.push(time);
                log.actions.positive.push(true);
                log.actions.event_key.push(log.actions.event_key.len() as u64);
            }
            log.offsets.push(log.actions.item.len());
        }
        let users: Vec<String> = (0..USERS).map(|user| format!("u{user}")).collect();
        log.users = users.iter().map(String::as_str).collect();
        log
    }

    fn split(log: &Sequences) -> (SplitLog, usize) {
        let times = &log.actions.timestamp;
        let report = ReadSummary {
            first_s: times.iter().min().copied(),
            last_s: times.iter().max().copied(),
            ..ReadSummary::default()
        };
        let split = SplitLog::split(&Config::load(None).unwrap(), log, report).unwrap();
        let users = Truth::build(&split.history, &split.future).unwrap().users.len();
        (split, users)
    }

    #[test]
    fn events_that_are_a_month_late_do_not_move_the_test_window() {
        let (punctual, users) = split(&news(0));
        assert_eq!((punctual.split.cut_off.to_string().as_str(), users), ("2024-02-15", 400));
        assert_eq!(punctual.stray_days, []);
        for late in [30, 5000] {
            let (log, users) = split(&news(late));
            assert_eq!((log.split, users), (punctual.split, 400), "{late} days late");
            let stray: u64 = log.stray_days.iter().map(|day| day.rows).sum();
            assert!(stray > 30 && stray <= 120, "{stray} rows are named");
        }
    }
}
