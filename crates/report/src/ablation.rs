//! The table of a matrix of ablations: rows × metrics over seeds, the paper's figures beside ours.

use ::core::fmt;

use dayvec_core::Day;
use serde::{Deserialize, Serialize};

/// What a matrix gave so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AblationTable {
    /// Name of the matrix: its folder of results.
    pub name: String,
    /// What was compared.
    pub title: String,
    /// Where the question comes from, and what the paper's figures are.
    pub source: String,
    /// Heads of the columns after the first.
    pub columns: Vec<String>,
    /// The configurations that were compared.
    pub rows: Vec<AblationRow>,
    /// Seeds of every row.
    pub seeds: Vec<u64>,
    /// Trials done, and trials of the whole matrix.
    pub n_trials: (usize, usize),
    /// First test day.
    pub cut_off: Day,
    /// Number of test days.
    pub test_days: i32,
    /// Test users.
    pub n_users: usize,
    /// Distinct (user, relevant item) pairs.
    pub n_pairs: usize,
    /// Version of dayvec.
    pub version: String,
    /// Digest of the log up to the end of the test days.
    pub data_hash: String,
    /// Digest of the ids of the items that may be retrieved.
    pub candidates_hash: String,
}

/// A configuration's row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AblationRow {
    /// Its name.
    pub name: String,
    /// One cell a column.
    pub cells: Vec<AblationCell>,
}

/// A metric over the seeds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct AblationCell {
    /// Mean; absent where no seed has the metric.
    pub mean: Option<f64>,
    /// The sample's standard deviation; absent for fewer than two seeds.
    pub deviation: Option<f64>,
    /// The paper's figure, where it has one.
    pub paper: Option<f64>,
}

impl AblationCell {
    /// Of the values of the seeds.
    #[must_use]
    pub fn of(values: &[f64], paper: Option<f64>) -> Self {
        let n = values.len() as f64;
        let mean = (!values.is_empty()).then(|| values.iter().sum::<f64>() / n);
        let deviation = mean.filter(|_| values.len() > 1).map(|mean| {
            let squares: f64 = values.iter().map(|value| (value - mean) * (value - mean)).sum();
            (squares / (n - 1.0)).sqrt()
        });
        Self { mean, deviation, paper }
    }

    /// `0.0548 ± 0.0012`, without the paper's figure.
    #[must_use]
    pub fn ours(&self) -> String {
        match (self.mean, self.deviation) {
            (None, _) => "–".to_owned(),
            (Some(mean), None) => format!("{mean:.4}"),
            (Some(mean), Some(deviation)) => format!("{mean:.4} ± {deviation:.4}"),
        }
    }
}

impl fmt::Display for AblationCell {
    /// `0.0548 ± 0.0012 (0.229)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.paper {
            Some(paper) => write!(f, "{} ({paper:.3})", self.ours()),
            None => f.write_str(&self.ours()),
        }
    }
}

impl AblationTable {
    /// A sentence on what the figures are, and of which log.
    #[must_use]
    pub fn note(&self) -> String {
        let seeds: Vec<String> = self.seeds.iter().map(u64::to_string).collect();
        format!(
            "Mean ± standard deviation over the seeds {}; in parentheses the paper's figure. {} days from {}, {} users, {} \
             pairs. dayvec {}, log {}, candidates {}.",
            seeds.join(", "),
            self.test_days,
            self.cut_off,
            self.n_users,
            self.n_pairs,
            self.version,
            self.data_hash,
            self.candidates_hash
        )
    }
}

impl fmt::Display for AblationTable {
    /// Markdown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "# {}\n\n{}\n\n", self.title, self.source)?;
        writeln!(f, "| | {} |\n|---|{}", self.columns.join(" | "), "---|".repeat(self.columns.len()))?;
        for row in &self.rows {
            let cells: Vec<String> = row.cells.iter().map(AblationCell::to_string).collect();
            writeln!(f, "| {} | {} |", row.name, cells.join(" | "))?;
        }
        writeln!(f, "\n{}", self.note())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deviations_are_those_of_a_sample() {
        let text = |values: &[f64]| AblationCell::of(values, None).to_string();
        assert_eq!(text(&[]), "–");
        assert_eq!(text(&[0.25]), "0.2500");
        assert_eq!(text(&[1.0, 2.0, 3.0]), "2.0000 ± 1.0000");
        assert_eq!(AblationCell::of(&[0.25], Some(0.229)).to_string(), "0.2500 (0.229)");
    }
}
