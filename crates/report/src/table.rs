//! The table that is printed and saved.

use ::core::fmt;

use serde::{Deserialize, Serialize};

use crate::{Interval, ScorerMetrics};

/// Scorers side by side, over the same users.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// Which users and which days.
    pub title: String,
    /// One row per scorer.
    pub rows: Vec<ScorerMetrics>,
}

const N_COLUMNS: usize = 9;

/// Column heads, with the list lengths of `row`.
fn heads(row: &ScorerMetrics) -> [String; N_COLUMNS] {
    let allowed = &row.seen_allowed;
    let (k, coverage_k) = (allowed.recall.k, allowed.coverage.k);
    let entropy = allowed.interest_entropy.map_or_else(String::new, |entropy| format!("@{}", entropy.k));
    [
        "scorer".to_owned(),
        format!("recall@{k} [95 %]"),
        "listed".to_owned(),
        "macro [95 %]".to_owned(),
        format!("ndcg@{k}"),
        format!("unseen recall@{k} [95 %]"),
        "unseen macro".to_owned(),
        format!("entropy{entropy}"),
        format!("p90 coverage@{coverage_k}"),
    ]
}

fn interval(interval: &Interval) -> String {
    format!("{:.4} [{:.4}, {:.4}]", interval.value, interval.low, interval.high)
}

fn cells(row: &ScorerMetrics) -> [String; N_COLUMNS] {
    let (allowed, filtered) = (&row.seen_allowed, &row.seen_filtered);
    [
        row.scorer.clone(),
        interval(&allowed.recall.micro),
        format!("{:.4}", allowed.recall.micro_listed),
        interval(&allowed.recall.macro_),
        format!("{:.4}", allowed.ndcg.value),
        interval(&filtered.recall.micro),
        format!("{:.4}", filtered.recall.macro_.value),
        allowed.interest_entropy.map_or_else(|| "-".to_owned(), |entropy| format!("{:.3}", entropy.nats)),
        format!("{:.4}", allowed.coverage.p90),
    ]
}

impl fmt::Display for Table {
    /// The first column to the left, figures to the right, no line end after the last line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.title)?;
        let Some(first) = self.rows.first() else { return write!(f, "(no scorers)") };
        let lines: Vec<[String; N_COLUMNS]> =
            ::core::iter::once(heads(first)).chain(self.rows.iter().map(cells)).collect();
        let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
        let widths: [usize; N_COLUMNS] = ::core::array::from_fn(width);
        for line in &lines {
            write!(f, "{:<width$}", line[0], width = widths[0])?;
            for (cell, width) in line.iter().zip(widths).skip(1) {
                write!(f, "  {cell:>width$}")?;
            }
            writeln!(f)?;
        }
        write!(
            f,
            "{} users, {} items; {} pairs, {} of them unseen; {} pairs outside the catalogue are left out",
            first.n_users,
            first.n_items,
            first.seen_allowed.n_pairs,
            first.seen_filtered.n_pairs,
            first.n_pairs_outside
        )
    }
}
