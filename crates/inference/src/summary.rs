//! The summary of a run: for people, for scripts (`--report FILE`), and for the demo's summary.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use anyhow::Context as _;
use dayvec_core::{Day, FaultKind, Gate};
use dayvec_runtime::fault::WithFault as _;
use dayvec_sequences::ReadSummary;
use serde::Serialize;

use dayvec_report::SnapshotStatistics;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The snapshot is the one that readers see now.
    Announced,
    /// An earlier run had announced this very snapshot; nothing was written.
    AlreadyAnnounced,
    /// A gate failed; the snapshot is whole, and readers don't see it.
    GatesFailed,
    /// This worker's share is done, and others' are not: the last of them commits.
    ShareDone,
}

/// A snapshot is whole, and gates keep it from being announced.
#[derive(Debug, thiserror::Error)]
#[error("gates failed")]
pub(crate) struct GatesFailed;

/// Where a run started from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// The whole log: there was no state, or `--full` asked for it.
    Log,
    /// An earlier state, with every user encoded, for no snapshot by this model matches it.
    State,
    /// An earlier state and the snapshot made of it: users without new actions are carried.
    Snapshot,
}

/// A run in numbers; `--report FILE` writes it as JSON.
#[derive(Debug, Clone, Serialize)]
pub struct DailySummary {
    /// The day of the run.
    pub day: Day,
    /// How it ended.
    pub outcome: Outcome,
    /// What it started from.
    pub start: Start,
    /// The day of the state that it started from.
    pub start_day: Option<Day>,
    /// The model.
    pub model_id: String,
    /// The snapshot: `<day>/<run id>`.
    pub snapshot_id: String,
    /// Users with an embedding.
    pub users: u64,
    /// Of them, encoded by this run.
    pub encoded: u64,
    /// Of them, carried over bit for bit.
    pub carried: u64,
    /// Items with an embedding.
    pub items: u64,
    /// Buckets that an earlier attempt of the same run had done.
    pub resumed_buckets: u32,
    /// Everything else that was counted.
    pub statistics: SnapshotStatistics,
    /// What was read of the log; none when it has no file for these days.
    pub events: Option<ReadSummary>,
    /// The gates, passed and failed.
    pub gates: Vec<Gate>,
    /// Whether a failed gate or a later day was overruled by `--force`.
    pub forced: bool,
    /// Seconds of the whole run.
    pub seconds: f64,
    /// Seconds of its stages.
    pub stages: BTreeMap<&'static str, f64>,
}

impl DailySummary {
    /// An error when a gate kept the snapshot from being announced.
    ///
    /// # Errors
    /// [`FaultKind::Data`], with every number that missed its limit.
    pub fn check_gates(&self) -> anyhow::Result<()> {
        if self.outcome != Outcome::GatesFailed {
            return Ok(());
        }
        let failed: Vec<String> =
            self.gates.iter().filter(|gate| !gate.passed).map(|gate| format!("\n  - {gate}")).collect();
        Err(GatesFailed).fault(FaultKind::Data).with_context(|| {
            format!(
                "snapshot {} is complete but not announced, because these gates failed:{}\ninspect it; to announce it \
                 anyway, run again with --force",
                self.snapshot_id,
                failed.concat()
            )
        })
    }

    /// Write as JSON.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        std::fs::write(path, text + "\n").with_context(|| format!("write the summary {}", path.display()))
    }
}

/// Seconds by stage.
pub(crate) struct StageTimes {
    began: Instant,
    stage_began: Instant,
    seconds: BTreeMap<&'static str, f64>,
}

impl StageTimes {
    pub(crate) fn begin() -> Self {
        let now = Instant::now();
        Self { began: now, stage_began: now, seconds: BTreeMap::new() }
    }

    /// The stage that ran until now was `name`.
    pub(crate) fn end(&mut self, name: &'static str) {
        let now = Instant::now();
        *self.seconds.entry(name).or_default() += (now - self.stage_began).as_secs_f64();
        self.stage_began = now;
    }

    pub(crate) fn total_s(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    pub(crate) fn seconds(&self) -> BTreeMap<&'static str, f64> {
        self.seconds.clone()
    }
}
