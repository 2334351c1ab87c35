//! The table that is printed and saved.

use ::core::fmt;

use serde::{Deserialize, Serialize};

use crate::{Interval, Metrics};

/// Scorers side by side, over the same users.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// Which users and which window.
    pub title: String,
    /// One row a scorer.
    pub rows: Vec<Metrics>,
}

const HEADS: [&str; 8] = [
    "scorer",
    "recall@10 [95 %]",
    "listed",
    "macro [95 %]",
    "unseen recall@10 [95 %]",
    "unseen macro",
    "entropy@50",
    "p90 coverage@10",
];

fn interval(interval: &Interval) -> String {
    format!("{:.4} [{:.4}, {:.4}]", interval.value, interval.low, interval.high)
}

fn cells(row: &Metrics) -> [String; 8] {
    let (allowed, filtered) = (&row.seen_allowed, &row.seen_filtered);
    [
        row.scorer.clone(),
        interval(&allowed.recall_at_10.micro),
        format!("{:.4}", allowed.recall_at_10.micro_listed),
        interval(&allowed.recall_at_10.macro_),
        interval(&filtered.recall_at_10.micro),
        format!("{:.4}", filtered.recall_at_10.macro_.value),
        allowed.interest_entropy_at_50.map_or_else(|| "-".to_owned(), |nats| format!("{nats:.3}")),
        format!("{:.4}", allowed.p90_coverage_at_10),
    ]
}

impl fmt::Display for Table {
    /// The first column to the left, figures to the right, no line end after the last line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.title)?;
        let lines: Vec<[String; 8]> =
            ::core::iter::once(HEADS.map(str::to_owned)).chain(self.rows.iter().map(cells)).collect();
        let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
        let widths: [usize; 8] = ::core::array::from_fn(width);
        for line in &lines {
            write!(f, "{:<width$}", line[0], width = widths[0])?;
            for (cell, width) in line.iter().zip(widths).skip(1) {
                write!(f, "  {cell:>width$}")?;
            }
            writeln!(f)?;
        }
        let Some(row) = self.rows.first() else { return write!(f, "(no scorers)") };
        write!(
            f,
            "{} users, {} items; {} pairs, {} of them unseen; {} pairs outside the catalogue are left out",
            row.n_users,
            row.n_items,
            row.seen_allowed.n_pairs,
            row.seen_filtered.n_pairs,
            row.n_pairs_outside
        )
    }
}
