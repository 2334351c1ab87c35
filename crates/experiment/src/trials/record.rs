//! `runs.jsonl`: one line a trial.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use dayvec_core::{Day, FaultKind};
use dayvec_report::{FreshnessReport, Report, ScorerMetrics, TaskRecall};
use dayvec_runtime::fault::WithFault as _;
use serde::{Deserialize, Serialize};

use crate::hashes::DataHashes;

/// What one trial was, and what it gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrialRecord {
    /// Name of the row, or of the settings that were tried.
    pub row: String,
    /// Seed of every draw.
    pub seed: u64,
    /// Name of the training.
    pub model_id: String,
    /// Version of dayvec.
    pub version: String,
    /// Digest of the configuration, places and seed left out.
    pub config_hash: String,
    /// Digest of the log up to the end of the test days.
    pub data_hash: String,
    /// Digest of the ids of the items that may be retrieved.
    pub candidates_hash: String,
    /// First test day.
    pub cut_off: Day,
    /// Number of test days.
    pub test_days: i32,
    /// Metrics of the model over all test users.
    pub all_users: ScorerMetrics,
    /// The same over those that were not trained on; absent where there are none.
    pub held_out: Option<ScorerMetrics>,
    /// Recall of each task; empty where all positives are of the same action.
    #[serde(default)]
    pub by_task: Vec<TaskRecall>,
    /// Recall under the protocols of freshness, where the matrix asks for it.
    pub freshness: Option<FreshnessReport>,
    /// Seconds of training.
    pub seconds: f64,
    /// Actions read per second.
    pub tokens_per_s: f64,
}

/// The file of the records, in the folder of a matrix or a search.
pub(crate) const RECORDS: &str = "runs.jsonl";
/// The name of the model in a table of scorers.
const MODEL: &str = "model";

impl TrialRecord {
    /// The record of a trained model.
    pub(crate) fn new(
        (row, seed): (&str, u64),
        config_hash: String,
        hashes: &DataHashes,
        report: &Report,
        freshness: Option<FreshnessReport>,
    ) -> anyhow::Result<Self> {
        let model = |rows: &[ScorerMetrics]| rows.iter().find(|row| row.scorer == MODEL).cloned();
        let all_users = model(&report.evaluation.all_users.rows)
            .ok_or_else(|| anyhow!("the report of {} has no row `{MODEL}`", report.model_id))?;
        let training = report.training.as_ref();
        Ok(Self {
            row: row.to_owned(),
            seed,
            model_id: report.model_id.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            config_hash,
            data_hash: hashes.data.clone(),
            candidates_hash: hashes.candidates.clone(),
            cut_off: report.cut_off,
            test_days: report.test_days,
            all_users,
            held_out: report.evaluation.held_out.as_ref().and_then(|table| model(&table.rows)),
            by_task: report.evaluation.by_task.clone(),
            freshness,
            seconds: training.map_or(0.0, |training| training.seconds),
            tokens_per_s: training.map_or(0.0, |training| training.tokens_per_s),
        })
    }

    /// Whether it answers for the same settings and seed, on the same log.
    pub(crate) fn is_of(&self, seed: u64, config_hash: &str, hashes: &DataHashes) -> bool {
        self.seed == seed
            && self.config_hash == config_hash
            && self.data_hash == hashes.data
            && self.version == env!("CARGO_PKG_VERSION")
    }
}

/// The file, read whole and appended to.
#[derive(Debug)]
pub(crate) struct RecordFile {
    path: PathBuf,
    pub(crate) records: Vec<TrialRecord>,
}

impl RecordFile {
    /// Open `runs.jsonl` of a folder, which is made where it is missing. A last line that a kill cut short is dropped.
    pub(crate) fn open(folder: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
        let path = folder.join(RECORDS);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            read => read.with_context(|| format!("read {}", path.display()))?,
        };
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        if whole < text.len() {
            let file = OpenOptions::new().write(true).open(&path);
            let cut = file.and_then(|file| file.set_len(whole as u64));
            cut.with_context(|| format!("cut the unfinished last line of {}", path.display()))?;
        }
        let parse = |(at, line): (usize, &str)| {
            serde_json::from_str(line)
                .with_context(|| {
                    format!("{}, line {}; remove the line to run it again", path.display(), at + 1)
                })
                .fault(FaultKind::Data)
        };
        let records = text[..whole].lines().enumerate().map(parse).collect::<anyhow::Result<_>>()?;
        Ok(Self { path, records })
    }

    /// Add a line, and wait until it is on disk.
    pub(crate) fn append(&mut self, record: TrialRecord) -> anyhow::Result<()> {
        let mut line = serde_json::to_vec(&record).context("write a record")?;
        line.push(b'\n');
        let append = || -> std::io::Result<()> {
            let mut file: File = OpenOptions::new().create(true).append(true).open(&self.path)?;
            file.write_all(&line)?;
            file.sync_all()
        };
        append()
            .with_context(|| format!("append to {}", self.path.display()))
            .fault(FaultKind::Unavailable)?;
        self.records.push(record);
        Ok(())
    }
}
