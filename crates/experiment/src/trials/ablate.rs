//! Every row of a matrix with every seed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use tokio_util::sync::CancellationToken;

use super::matrix::Matrix;
use super::record::{RecordFile, TrialRecord};
use super::table::table;
use super::trial::{Trials, config_hash};
use crate::config::Config;
use crate::freshness::freshness;

/// Delay and largest age of the freshness of a row: the paper's delay of a day, and no curve by age.
const FRESHNESS: (u32, u32) = (1, 0);

/// The table as JSON, [`dayvec_report::AblationTable`], in the folder of a matrix: of the trials that are done so far.
pub(crate) const TABLE: &str = "table.json";

/// How a matrix ended.
#[derive(Debug)]
pub enum Ablation {
    /// Every row was run with every seed.
    Done {
        /// The table, Markdown.
        table: String,
        /// Where it was written, beside `runs.jsonl`.
        path: PathBuf,
    },
    /// Stopped on request; the same command goes on.
    Stopped {
        /// Trials done.
        done: usize,
        /// Trials of the matrix.
        of: usize,
    },
}

/// Run what is missing of a matrix, and make its table. Seeds are the outer loop, so that rows can be compared early.
///
/// # Errors
/// Faults of the rows' configurations before the first is run; then those of trainings, with their row.
pub fn ablate(matrix: &Matrix, trials: &Trials, shutdown: &CancellationToken) -> anyhow::Result<Ablation> {
    let configs = matrix.configs(&trials.config)?;
    let folder = trials.config.work_dir.join("trials").join(&matrix.name);
    let mut file = RecordFile::open(&folder)?;
    let of = configs.len() * matrix.seeds.len();
    let mut records: Vec<TrialRecord> = Vec::with_capacity(of);
    for &seed in &matrix.seeds {
        for (row, config) in matrix.rows.iter().zip(&configs) {
            let mut config: Config = config.clone();
            config.raw.run.seed = seed;
            let hash = config_hash(&config);
            let answers = |record: &&TrialRecord| {
                record.is_of(seed, &hash, &trials.hashes) && (record.freshness.is_some() || !matrix.freshness)
            };
            if let Some(done) = file.records.iter().find(answers) {
                records.push(TrialRecord { row: row.name.clone(), ..done.clone() });
                continue;
            }
            let number = records.len() + 1;
            tracing::info!(matrix = matrix.name, row = row.name, seed, number, of, "trial");
            let what = || format!("matrix {}, row `{}`, seed {seed}", matrix.name, row.name);
            let Some(report) = trials.run(&config, shutdown).with_context(what)? else {
                return Ok(Ablation::Stopped { done: records.len(), of });
            };
            let fresh =
                matrix.freshness.then(|| freshness(&config, &trials.store, &report.model_id, FRESHNESS));
            let fresh = fresh.transpose().with_context(what)?;
            let record = TrialRecord::new((&row.name, seed), hash, &trials.hashes, &report, fresh)?;
            file.append(record.clone())?;
            records.push(record);
            write_table(&folder, matrix, &records)?;
        }
    }
    let table = write_table(&folder, matrix, &records)?;
    let path = folder.join("table.md");
    fs::write(&path, &table).with_context(|| format!("write {}", path.display()))?;
    Ok(Ablation::Done { table, path })
}

/// Write the table of the trials that are done as JSON; returns it as Markdown.
fn write_table(folder: &Path, matrix: &Matrix, records: &[TrialRecord]) -> anyhow::Result<String> {
    let Some(first) = records.first() else { return Ok(String::new()) };
    let table = table(matrix, records, first);
    let path = folder.join(TABLE);
    fs::write(&path, serde_json::to_vec_pretty(&table)?)
        .with_context(|| format!("write {}", path.display()))?;
    Ok(table.to_string())
}
