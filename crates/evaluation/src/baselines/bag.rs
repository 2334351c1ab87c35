//! One vector a user without learning: the decayed sum of the vectors of what they bought.

use std::rc::Rc;

use dayvec_core::{ItemTable, Sequences};
use dayvec_items::{Csr, truncated_svd};
use tch::Tensor;

use super::choice::{Chooser, Setting};
use super::columns::Columns;
use super::input::{BaselineInput, boxed};
use super::matrix::{counts, decayed_counts, mapped, weighted_sums};
use crate::{EvaluationError, Scorer};

/// Half-lives of an action's weight in days, from a fortnight's interest to a year's.
const HALF_LIVES: [f64; 5] = [10.0, 20.0, 40.0, 80.0, 160.0];
const USUAL_HALF_LIFE: f64 = 40.0;
const SETTING: &str = "half-life in days";
const FEATURES: &str = "decayed mean of item features";
/// Dense matrices of 32-bit floats that the truncated SVD holds at once for each of its two sides, when most.
const SVD_COPIES: usize = 6;
/// Directions that the SVD carries along beside those that are wanted.
const SVD_OVERSAMPLING: usize = 16;

/// Decayed mean of the features of what the user bought, features at unit length, by inner product.
#[derive(Debug)]
pub struct DecayedFeatures {
    weights: Csr,    // users × items, rows sum to 1
    vectors: Tensor, // [n, d]
}

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
        let vectors = Tensor::f_from_slice(&table.features)?.f_reshape([n_table as i64, table.dim as i64])?;
        // A vector of zeros stays one.
        let lengths = vectors.f_square()?.f_sum_dim_intlist([1i64].as_slice(), true, tch::Kind::Float)?;
        let vectors = vectors.f_div(&lengths.f_sqrt()?.f_clamp_min(f64::from(f32::MIN_POSITIVE))?)?;
        let weights = decayed_counts(history, half_life_days);
        let total = |row| weights.row(row).map(|(_, weight)| weight).sum::<f32>();
        let mean = |row| {
            let total = total(row);
            weights.row(row).map(move |(item, weight)| (item, weight / total))
        };
        Ok(Self { weights: Csr::from_rows(n_table, (0..weights.n_rows()).map(mean)), vectors })
    }
}

/// The features with the half-life that was best on the earlier days.
pub(super) fn chosen_features(
    input: &BaselineInput<'_>,
    chooser: &mut Chooser<'_>,
) -> Result<DecayedFeatures, EvaluationError> {
    let setting = Setting { scorer: FEATURES, setting: SETTING, values: &HALF_LIVES, usual: USUAL_HALF_LIFE };
    let half_life = chooser.choose(
        &setting,
        |earlier| Ok(*earlier),
        |earlier, half_life| boxed(DecayedFeatures::new(earlier.history, earlier.items, half_life)),
    )?;
    DecayedFeatures::new(input.history, input.items, half_life)
}

impl Scorer for DecayedFeatures {
    fn name(&self) -> &str {
        FEATURES
    }

    fn scores(&self, users: &[usize]) -> Result<Tensor, EvaluationError> {
        let bags = weighted_sums(&self.weights, users, &self.vectors)?; // [b, d]
        Ok(bags.f_matmul(&self.vectors.f_transpose(0, 1)?)?) // [b, n]
    }
}

/// The rows of V, one an item, not normalised, where U·Σ·Vᵀ is the truncated SVD of log(1 + count), users × items.
#[derive(Debug)]
pub struct SvdVectors {
    columns: Columns,
    vectors: Tensor, // [m, d]
}

impl SvdVectors {
    /// Vectors of `dim` floats (fewer where the matrix is smaller), in at most `memory_bytes` while they are made: of the
    /// items with the most buyers and of evenly spread users, where not all of them fit.
    ///
    /// # Errors
    /// When the decomposition fails.
    pub fn new(
        history: &Sequences,
        dim: usize,
        seed: u64,
        memory_bytes: usize,
    ) -> Result<Self, EvaluationError> {
        let row_bytes = SVD_COPIES * size_of::<f32>() * (dim + SVD_OVERSAMPLING);
        let most_rows = (memory_bytes / 2 / row_bytes).max(1);
        let counts = counts(history);
        let columns = Columns::most_bought(&counts, most_rows);
        let matrix = columns.of(&mapped(&counts, |_, count| count.ln_1p()));
        let users: Vec<usize> = (0..matrix.n_rows()).filter(|&row| matrix.row(row).len() > 0).collect();
        let step = users.len().div_ceil(most_rows).max(1);
        if step > 1 || columns.len() == most_rows {
            let (users, items) = (users.len().div_ceil(step), columns.len());
            tracing::info!(
                users,
                items,
                "the SVD is of a part of the log, to stay within evaluation.memory_mib"
            );
        }
        let matrix = Csr::from_rows(columns.len(), users.iter().step_by(step).map(|&row| matrix.row(row)));
        let svd = truncated_svd(&matrix, dim, seed).map_err(|error| EvaluationError::Svd(Box::new(error)))?;
        let size = [columns.len() as i64, svd.rank() as i64];
        Ok(Self { vectors: Tensor::f_from_slice(&svd.v)?.f_reshape(size)?, columns })
    }
}

/// Decayed sum of the [`SvdVectors`] of what the user bought, by inner product.
#[derive(Debug)]
pub struct SvdBag {
    name: String,
    weights: Csr, // users × columns
    svd: Rc<SvdVectors>,
}

impl SvdBag {
    /// Bags under the name of `dim`, with weights that halve with every `half_life_days`.
    #[must_use]
    pub fn new(history: &Sequences, svd: &Rc<SvdVectors>, dim: usize, half_life_days: f64) -> Self {
        let weights = svd.columns.of(&decayed_counts(history, half_life_days));
        Self { name: svd_name(dim), weights, svd: Rc::clone(svd) }
    }
}

fn svd_name(dim: usize) -> String {
    format!("decayed bag of SVD vectors, {dim}")
}

/// The bag of `dim` floats with the half-life that was best on the earlier days.
pub(super) fn chosen_svd<'a>(
    input: &BaselineInput<'a>,
    chooser: &mut Chooser<'a>,
    dim: usize,
) -> Result<SvdBag, EvaluationError> {
    let name = svd_name(dim);
    let setting = Setting { scorer: &name, setting: SETTING, values: &HALF_LIVES, usual: USUAL_HALF_LIFE };
    let vectors = |of: &BaselineInput<'_>| {
        SvdVectors::new(of.history, dim, of.seed, of.limits.memory_bytes).map(Rc::new)
    };
    // The vectors are the same for every half-life.
    let prepare = |earlier: &BaselineInput<'a>| Ok((earlier.history, vectors(earlier)?));
    let half_life = chooser.choose(&setting, prepare, |(history, svd), half_life| {
        boxed(Ok(SvdBag::new(history, svd, dim, half_life)))
    })?;
    Ok(SvdBag::new(input.history, &vectors(input)?, dim, half_life))
}

impl Scorer for SvdBag {
    fn name(&self) -> &str {
        &self.name
    }

    fn scores(&self, users: &[usize]) -> Result<Tensor, EvaluationError> {
        let bags = weighted_sums(&self.weights, users, &self.svd.vectors)?; // [b, d]
        self.svd.columns.spread(&bags.f_matmul(&self.svd.vectors.f_transpose(0, 1)?)?) // [b, n]
    }
}
