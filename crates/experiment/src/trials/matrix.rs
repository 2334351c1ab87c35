//! A matrix of ablations, as it is written in YAML; `config/ablations/` has those of the paper.

use std::path::Path;

use anyhow::anyhow;
use dayvec_core::FaultKind;
use dayvec_runtime::fault::WithFault as _;
use serde::Deserialize;
use serde_yaml::Mapping;

use super::trial::read_yaml;
use crate::config::Config;

/// Configurations × seeds.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Matrix {
    /// Name of its folder of results.
    pub name: String,
    /// Title of the table.
    pub title: String,
    /// Where the question comes from, and what the paper's figures are.
    pub source: String,
    /// Seeds that every row is run with.
    pub seeds: Vec<u64>,
    /// Settings of all rows, over the configuration.
    #[serde(default)]
    pub settings: Mapping,
    /// Whether to measure the protocols of freshness as well.
    #[serde(default)]
    pub freshness: bool,
    /// The rows of the table.
    pub rows: Vec<MatrixRow>,
}

/// One row: a name and what it changes.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MatrixRow {
    /// Name in the table.
    pub name: String,
    /// Settings of this row, over those of all rows.
    #[serde(default)]
    pub settings: Mapping,
    /// What the paper reports.
    #[serde(default)]
    pub paper: PaperFigures,
}

/// The paper's figures of a row, as shares.
#[derive(Debug, Clone, Copy, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaperFigures {
    /// Recall@10, embeddings computed once.
    pub recall: Option<f64>,
    /// P90 Coverage@10.
    pub coverage: Option<f64>,
    /// Recall@10, embeddings computed daily.
    pub daily: Option<f64>,
    /// Recall@10, embeddings computed in real time.
    pub realtime: Option<f64>,
}

impl Matrix {
    /// Read a file.
    ///
    /// # Errors
    /// When it can't be read or is no matrix: configuration.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let matrix: Self = read_yaml(path)?;
        let mut faults = Vec::new();
        let is_folder_name = |name: &str| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c))
        };
        if !is_folder_name(&matrix.name) {
            faults.push(format!("name: `{}` must be letters, digits, - and _", matrix.name));
        }
        if matrix.seeds.is_empty() {
            faults.push("seeds: must not be empty".to_owned());
        }
        if matrix.rows.is_empty() {
            faults.push("rows: must not be empty".to_owned());
        }
        for (at, row) in matrix.rows.iter().enumerate() {
            if matrix.rows[..at].iter().any(|other| other.name == row.name) {
                faults.push(format!("rows[{at}].name: there is another row `{}`", row.name));
            }
        }
        if faults.is_empty() {
            return Ok(matrix);
        }
        Err(anyhow!("{}:\n  - {}", path.display(), faults.join("\n  - "))).fault(FaultKind::Configuration)
    }

    /// Check every row's configuration over `base`.
    ///
    /// # Errors
    /// The faults of all rows at once.
    pub fn check(&self, base: &Config) -> anyhow::Result<()> {
        self.configs(base).map(drop)
    }

    /// The configuration of every row, in order.
    ///
    /// # Errors
    /// The faults of all rows at once.
    pub(crate) fn configs(&self, base: &Config) -> anyhow::Result<Vec<Config>> {
        let common = base.overlaid(&format!("matrix {}, settings", self.name), &self.settings);
        let common = common.fault(FaultKind::Configuration)?;
        let (mut configs, mut faults) = (Vec::new(), Vec::new());
        for row in &self.rows {
            match common.overlaid(&format!("matrix {}, row `{}`", self.name, row.name), &row.settings) {
                Ok(config) => configs.push(config),
                Err(error) => faults.push(error.to_string()),
            }
        }
        if faults.is_empty() {
            Ok(configs)
        } else {
            Err(anyhow!(faults.join("\n"))).fault(FaultKind::Configuration)
        }
    }
}
