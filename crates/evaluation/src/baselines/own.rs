//! What the user bought, again.

use dayvec_core::Sequences;
use dayvec_items::Csr;
use tch::Tensor;

use super::matrix::decayed_counts;
use crate::{EvaluationError, Scorer};

/// The user's own items by decayed count; nothing else is retrieved.
#[derive(Debug)]
pub struct OwnItems {
    weights: Csr, // users × items
}

impl OwnItems {
    /// Counts that halve with every `half_life_days`.
    #[must_use]
    pub fn new(history: &Sequences, half_life_days: f64) -> Self {
        Self { weights: decayed_counts(history, half_life_days) }
    }
}

impl Scorer for OwnItems {
    fn name(&self) -> &str {
        "own items by decayed count"
    }

    fn scores(&self, users: &[usize]) -> Result<Tensor, EvaluationError> {
        let n_items = self.weights.n_cols();
        let mut scores = vec![f32::NEG_INFINITY; users.len() * n_items];
        for (scores, &user) in scores.chunks_exact_mut(n_items.max(1)).zip(users) {
            for (item, weight) in self.weights.row(user) {
                scores[item as usize] = weight;
            }
        }
        Ok(Tensor::f_from_slice(&scores)?.f_reshape([users.len() as i64, n_items as i64])?)
    }
}
