//! One vector a user without learning: the decayed sum of the vectors of what they bought.

use dayvec_core::{ItemTable, Sequences};
use dayvec_items::{Csr, truncated_svd};
use tch::Tensor;

use super::matrix::{counts, decayed_counts, mapped};
use crate::{EvaluationError, Scorer};

/// Weights of users on items, and the items' vectors.
#[derive(Debug)]
struct Bag {
    weights: Csr,      // users × items
    vectors: Vec<f32>, // [n, d]
    items: Tensor,     // [d, n]
}

impl Bag {
    fn new(weights: Csr, vectors: Vec<f32>) -> Result<Self, EvaluationError> {
        let items =
            Tensor::f_from_slice(&vectors)?.f_reshape([weights.n_cols() as i64, -1])?.f_transpose(0, 1)?;
        Ok(Self { weights, vectors, items })
    }

    fn scores(&self, users: &[usize]) -> Result<Tensor, EvaluationError> {
        let dim = self.items.size()[0] as usize;
        let mut bags = vec![0.0; users.len() * dim];
        for (bag, &user) in bags.chunks_exact_mut(dim.max(1)).zip(users) {
            for (item, weight) in self.weights.row(user) {
                let vector = &self.vectors[item as usize * dim..][..dim];
                bag.iter_mut().zip(vector).for_each(|(sum, value)| *sum += weight * value);
            }
        }
        let bags = Tensor::f_from_slice(&bags)?.f_reshape([users.len() as i64, dim as i64])?; // [b, d]
        Ok(bags.f_matmul(&self.items)?) // [b, n]
    }
}

/// Decayed mean of the features of what the user bought, features at unit length, by inner product.
#[derive(Debug)]
pub struct DecayedFeatures(Bag);

impl DecayedFeatures {
    /// Features of `table`, whose rows are the items of `history`.
    ///
    /// # Errors
    /// When the table is another one than `history` was resolved with.
    pub fn new(history: &Sequences, table: &ItemTable, half_life_days: f64) -> Result<Self, EvaluationError> {
        let (n_table, n_history) = (table.len(), history.items.ids().len());
        if n_table != n_history || table.ids.ids() != history.items.ids() {
            return Err(EvaluationError::ItemRows { table: n_table, history: n_history });
        }
        let mut features = table.features.clone();
        for feature in features.chunks_exact_mut(table.dim.max(1)) {
            let length = feature.iter().map(|value| value * value).sum::<f32>().sqrt();
            if length > 0.0 {
                feature.iter_mut().for_each(|value| *value /= length);
            }
        }
        let weights = decayed_counts(history, half_life_days);
        let total = |row| weights.row(row).map(|(_, weight)| weight).sum::<f32>();
        let mean = |row| weights.row(row).map(move |(item, weight)| (item, weight / total(row)));
        let means = Csr::from_rows(n_table, (0..weights.n_rows()).map(mean));
        Ok(Self(Bag::new(means, features)?))
    }
}

impl Scorer for DecayedFeatures {
    fn name(&self) -> &str {
        "decayed mean of item features"
    }

    fn scores(&self, users: &[usize]) -> Result<Tensor, EvaluationError> {
        self.0.scores(users)
    }
}

/// Decayed sum of the vectors of what the user bought, by inner product; an item's vector is its row of V, not
/// normalised, where U·Σ·Vᵀ is the truncated SVD of log(1 + count), users × items.
#[derive(Debug)]
pub struct SvdBag {
    name: String,
    bag: Bag,
}

impl SvdBag {
    /// Vectors of `dim` floats (fewer where the matrix is smaller).
    ///
    /// # Errors
    /// When the decomposition fails.
    pub fn new(
        history: &Sequences,
        dim: usize,
        half_life_days: f64,
        seed: u64,
    ) -> Result<Self, EvaluationError> {
        let matrix = mapped(&counts(history), |_, count| count.ln_1p());
        let svd = truncated_svd(&matrix, dim, seed).map_err(|error| EvaluationError::Svd(Box::new(error)))?;
        let bag = Bag::new(decayed_counts(history, half_life_days), svd.v)?;
        Ok(Self { name: format!("decayed bag of SVD vectors, {dim}"), bag })
    }
}

impl Scorer for SvdBag {
    fn name(&self) -> &str {
        &self.name
    }

    fn scores(&self, users: &[usize]) -> Result<Tensor, EvaluationError> {
        self.bag.scores(users)
    }
}
