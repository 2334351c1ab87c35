//! Chance.

use dayvec_core::Sequences;
use rand::RngExt;
use rand_pcg::Pcg64;
use tch::Tensor;

use crate::{EvaluationError, Scorer};

/// Uniform scores, the same for the same user row, item row and seed.
#[derive(Debug)]
pub struct Random {
    n_items: usize,
    seed: u64,
}

impl Random {
    /// Scores for the items of `history`.
    #[must_use]
    pub fn new(history: &Sequences, seed: u64) -> Self {
        Self { n_items: history.items.ids().len(), seed }
    }
}

impl Scorer for Random {
    fn name(&self) -> &str {
        "random"
    }

    fn scores(&self, users: &[usize]) -> Result<Tensor, EvaluationError> {
        let mut scores = Vec::with_capacity(users.len() * self.n_items);
        for &user in users {
            let mut rng = Pcg64::new(u128::from(self.seed), user as u128);
            scores.extend((0..self.n_items).map(|_| rng.random::<f32>()));
        }
        Ok(Tensor::f_from_slice(&scores)?.f_reshape([users.len() as i64, self.n_items as i64])?)
    }
}
