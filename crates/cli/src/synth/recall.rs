//! What to measure of a log's truth, and what was measured.

use dayvec_core::Day;
use serde_json::{Value, json};

use super::options::SynthOptions;

/// Length of the lists of recall.
pub(crate) const RECALL_K: usize = 10;

/// Where the log is split, and what is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TruthOptions {
    /// First day of the window; none for the trainer's default, the day of the log's last event less `test_days`.
    pub cut_off: Option<Day>,
    /// Days of the window.
    pub test_days: u32,
    /// Futures of a user's taste that are drawn.
    pub n_futures: u32,
    /// Items of a user in `truth.parquet`; 0 for no such file.
    pub n_top: usize,
}

impl Default for TruthOptions {
    fn default() -> Self {
        Self { cut_off: None, test_days: 14, n_futures: 32, n_top: RECALL_K }
    }
}

impl TruthOptions {
    /// Whether a log of these options is long enough for the default cut-off.
    #[must_use]
    pub fn has_history(&self, options: &SynthOptions) -> bool {
        self.cut_off.is_some() || options.n_days > self.test_days.saturating_add(1)
    }

    /// Everything that is wrong with the options for a log, one sentence a fault.
    #[must_use]
    pub fn faults(&self, options: &SynthOptions) -> Vec<String> {
        let mut faults = Vec::new();
        if !(1..=36_500).contains(&self.test_days) {
            faults.push(format!("test days: {} is not between 1 and 36500", self.test_days));
        }
        if !(1..=100_000).contains(&self.n_futures) {
            faults.push(format!("futures: {} is not between 1 and 100000", self.n_futures));
        }
        let last = options.first_day.plus(options.n_days.saturating_sub(1) as i32);
        if let Some(day) = self.cut_off.filter(|&day| day <= options.first_day || day > last) {
            faults.push(format!(
                "cut-off: {day} leaves no history or no future in a log from {} to {last}",
                options.first_day
            ));
        }
        faults
    }
}

/// Recall@10 of the lists of some scorer.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct RecallOfTruth {
    /// Relevant items in the lists.
    pub n_hits: u64,
    /// Relevant items.
    pub n_pairs: u64,
    /// Users with relevant items.
    pub n_users: u64,
    sum_of_shares: f64,
}

impl RecallOfTruth {
    /// Share of all relevant items that are listed.
    #[must_use]
    pub fn micro(&self) -> f64 {
        self.n_hits as f64 / self.n_pairs as f64
    }

    /// Mean over users of the share of their relevant items that are listed.
    #[must_use]
    pub fn macro_(&self) -> f64 {
        self.sum_of_shares / self.n_users as f64
    }

    /// Count a user's list, best first, whose first ten items matter. `relevant` is ascending.
    pub(crate) fn add(&mut self, list: impl Iterator<Item = u32>, relevant: &[u32]) {
        if relevant.is_empty() {
            return;
        }
        let n_hits = list.take(RECALL_K).filter(|item| relevant.binary_search(item).is_ok()).count();
        self.n_hits += n_hits as u64;
        self.n_pairs += relevant.len() as u64;
        self.n_users += 1;
        self.sum_of_shares += n_hits as f64 / relevant.len() as f64;
    }

    /// Add the counts of other users.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.n_hits += other.n_hits;
        self.n_pairs += other.n_pairs;
        self.n_users += other.n_users;
        self.sum_of_shares += other.sum_of_shares;
    }

    /// As in the trainer's reports.
    pub(crate) fn json(&self) -> Value {
        json!({
            "recall": {"k": RECALL_K, "micro": self.micro(), "macro": self.macro_()},
            "n_users": self.n_users, "n_pairs": self.n_pairs,
        })
    }
}

/// The best achievable recall of a log, and popularity's.
#[derive(Debug, Clone, PartialEq)]
pub struct Truth {
    /// First day of the window.
    pub cut_off: Day,
    /// Users with positives on both sides of the cut-off.
    pub n_users: u64,
    /// Items met before the cut-off.
    pub n_items: usize,
    /// Of the oracle, seen items allowed.
    pub best: RecallOfTruth,
    /// Of the oracle, seen items left out of lists and relevant items.
    pub best_unseen: RecallOfTruth,
    /// Of the number of positives before the cut-off, seen items allowed.
    pub popularity: RecallOfTruth,
    /// Of the number of positives, seen items left out.
    pub popularity_unseen: RecallOfTruth,
}
