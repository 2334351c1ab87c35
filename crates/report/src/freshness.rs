//! Recall under the paper's protocols of freshness, and by the age of the embedding.

use ::core::fmt;

use dayvec_core::Day;
use serde::{Deserialize, Serialize};

use crate::Interval;

/// What a model's embeddings, and the baselines, lose with their age.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FreshnessReport {
    /// Name of the model.
    pub model_id: String,
    /// First test day.
    pub cut_off: Day,
    /// Number of test days.
    pub test_days: i32,
    /// Days until a daily embedding is used.
    pub delay_days: i32,
    /// Users with a label.
    pub n_users: usize,
    /// Labels: distinct (user, positive item) of the test days.
    pub n_labels: usize,
    /// Labels left out because their item was first met after the cut-off.
    pub n_outside: usize,
    /// Labels left out because their user had no action yet under one of the protocols.
    pub n_too_young: usize,
    /// One row a scorer, the model first.
    pub rows: Vec<AgedRecall>,
}

/// Recall@k of one scorer, micro-averaged over the same labels, with 95 % intervals over users.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgedRecall {
    /// Name of the scorer.
    pub scorer: String,
    /// List length.
    pub k: usize,
    /// One embedding at the cut-off; seen items allowed.
    pub once: Interval,
    /// A new embedding every day, used after the delay.
    pub daily: Interval,
    /// The state just before each label.
    pub realtime: Interval,
    /// As `once`; items that the user acted upon before the cut-off are neither candidates nor labels.
    pub once_unseen: Interval,
    /// As `daily`, without seen items.
    pub daily_unseen: Interval,
    /// As `realtime`, without seen items.
    pub realtime_unseen: Interval,
    /// Change of recall against realtime, seen items allowed.
    pub change_from_realtime: RelativeLoss,
    /// Recall with users' embeddings of 0, 1, … days before the label's day, items' of its start.
    pub by_user_age_days: Vec<Interval>,
    /// The same with the ages swapped; absent where the items' side never changes.
    pub by_item_age_days: Option<Vec<Interval>>,
}

/// Changes of recall as shares: −0.08 is a loss of eight per cent.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RelativeLoss {
    /// From realtime to daily.
    pub daily: Interval,
    /// From realtime to once.
    pub once: Interval,
}

impl fmt::Display for FreshnessReport {
    /// Two tables for a terminal: protocols and ages; no line end after the last line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let k = self.rows.first().map_or(0, |row| row.k);
        let width = self.rows.iter().map(|row| row.scorer.chars().count()).max().unwrap_or(0);
        writeln!(f, "Recall@{k} by freshness, {} days from {}", self.test_days, self.cut_off)?;
        let heads = ["once", "daily", "realtime", "realtime → daily [95 %]", "realtime → once [95 %]"];
        let [once, daily, realtime, to_daily, to_once] = heads;
        writeln!(
            f,
            "{:width$}  {once:>8}  {daily:>8}  {realtime:>8}  {to_daily:>26}  {to_once:>26}",
            "scorer"
        )?;
        for row in &self.rows {
            let RelativeLoss { daily, once } = row.change_from_realtime;
            writeln!(
                f,
                "{:width$}  {:>8.4}  {:>8.4}  {:>8.4}  {:>26}  {:>26}",
                row.scorer,
                row.once.value,
                row.daily.value,
                row.realtime.value,
                percent(&daily),
                percent(&once)
            )?;
        }
        writeln!(f, "\nRecall@{k} by the age of the embedding in days")?;
        for row in &self.rows {
            writeln!(f, "{:width$}  users  {}", row.scorer, curve(&row.by_user_age_days))?;
            if let Some(items) = &row.by_item_age_days {
                writeln!(f, "{:width$}  items  {}", "", curve(items))?;
            }
        }
        write!(
            f,
            "{} users, {} labels; left out: {} on items first met after the cut-off, {} of users without actions yet",
            self.n_users, self.n_labels, self.n_outside, self.n_too_young
        )
    }
}

fn percent(change: &Interval) -> String {
    let percent = |share: f64| 100.0 * share;
    format!("{:+.1} % [{:+.1}, {:+.1}]", percent(change.value), percent(change.low), percent(change.high))
}

fn curve(ages: &[Interval]) -> String {
    ages.iter().map(|recall| format!("{:.4}", recall.value)).collect::<Vec<_>>().join(" ")
}
