//! The same list for all users.

use dayvec_core::{Day, Sequences};
use tch::Tensor;

use crate::{EvaluationError, Scorer};

/// Number of positives of each item, `[n]`, from `from_s` (Unix seconds) on.
fn counts_since(history: &Sequences, from_s: i64) -> Vec<f32> {
    let actions = &history.actions;
    let mut counts = vec![0u32; history.items.ids().len()];
    for (at, &item) in actions.item.iter().enumerate() {
        counts[item as usize] += u32::from(actions.positive[at] && actions.timestamp[at] >= from_s);
    }
    counts.into_iter().map(|count| count as f32).collect()
}

/// `[n]` for each of `n_users`: `[b, n]`.
fn repeated(counts: &[f32], n_users: usize) -> Result<Tensor, EvaluationError> {
    Ok(Tensor::f_from_slice(counts)?.f_unsqueeze(0)?.f_expand([n_users as i64, -1], false)?)
}

/// Items by number of positives.
#[derive(Debug)]
pub struct Popularity {
    counts: Vec<f32>,
}

impl Popularity {
    /// Counts of the whole history.
    #[must_use]
    pub fn new(history: &Sequences) -> Self {
        Self { counts: counts_since(history, i64::MIN) }
    }
}

impl Scorer for Popularity {
    fn name(&self) -> &str {
        "popularity"
    }

    fn scores(&self, users: &[usize]) -> Result<Tensor, EvaluationError> {
        repeated(&self.counts, users.len())
    }
}

/// Items by number of positives of the last days before the cut-off.
#[derive(Debug)]
pub struct RecentPopularity {
    name: String,
    counts: Vec<f32>,
}

impl RecentPopularity {
    /// Counts of the `n_days` before `cut_off`.
    #[must_use]
    pub fn new(history: &Sequences, cut_off: Day, n_days: u32) -> Self {
        let from_s = cut_off.plus(-(n_days as i32)).start_s();
        Self { name: format!("popularity of {n_days} days"), counts: counts_since(history, from_s) }
    }
}

impl Scorer for RecentPopularity {
    fn name(&self) -> &str {
        &self.name
    }

    fn scores(&self, users: &[usize]) -> Result<Tensor, EvaluationError> {
        repeated(&self.counts, users.len())
    }
}
