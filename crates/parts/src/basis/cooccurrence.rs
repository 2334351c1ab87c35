//! The basis of the co-occurrence: the neighbour matrix of items without its diagonal, factorised.
//!
//! X is binary, users × items; r_u the items of a user; X̃ = diag(r^−¼) X; n_i = Σ_u X̃_ui²;
//! C = D (X̃ᵀX̃ − diag n) D with D = diag((n + 5)^−½). C is symmetric, so with its leading eigenpairs (λ, E) the factors
//! P = E |λ|^½ and V = E sign(λ) |λ|^½ give C ≈ P Vᵀ. Products go through X̃, so no matrix of items × items is stored
//! (Halko, Martinsson and Tropp 2011, algorithms 4.4 and 5.3).

use dayvec_items::Csr;
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use tch::{Kind, Tensor};

use super::positives::{Positives, mapped};
use crate::error::PartsError;

/// Columns that the iteration carries beyond those wanted.
const OVERSAMPLING: usize = 16;
/// Products with C after the first.
const N_ITERATIONS: usize = 2;
/// Keeps rare items from having the largest neighbours.
const PRIOR: f32 = 5.0;

/// C, applied without being stored.
struct Neighbours {
    /// X̃, users × items, and its transpose.
    normalised: Csr,
    transposed: Csr,
    /// n, `[I, 1]`.
    diagonal: Tensor,
    /// D, `[I, 1]`.
    scale: Tensor,
}

impl Neighbours {
    fn of(positives: &Positives) -> Result<Self, PartsError> {
        let counts = &positives.decayed;
        let normalised = mapped(counts, |row, _| (counts.row(row).len() as f32).powf(-0.25));
        let mut diagonal = vec![0.0_f32; counts.n_cols()];
        for row in 0..normalised.n_rows() {
            for (col, value) in normalised.row(row) {
                diagonal[col as usize] += value * value;
            }
        }
        let scale: Vec<f32> = diagonal.iter().map(|n| (n + PRIOR).sqrt().recip()).collect();
        let column = |values: &[f32]| Tensor::f_from_slice(values)?.f_unsqueeze(1);
        let transposed = normalised.transpose();
        Ok(Self { diagonal: column(&diagonal)?, scale: column(&scale)?, normalised, transposed })
    }

    /// C × `dense`, `[I, w]`.
    fn times(&self, dense: &Tensor) -> Result<Tensor, PartsError> {
        let width = dense.size()[1] as usize;
        let scaled = dense.f_mul(&self.scale)?;
        let by_user = self.normalised.times(&floats(&scaled)?, width);
        let by_item = Tensor::f_from_slice(&self.transposed.times(&by_user, width))?.f_view_as(dense)?;
        Ok((by_item - scaled * &self.diagonal) * &self.scale)
    }
}

fn floats(tensor: &Tensor) -> Result<Vec<f32>, PartsError> {
    Ok(dayvec_model::to_vec(tensor)?)
}

/// What a user is made of, and what an item is found by: `[I, width]` each; zeros where C has no more directions.
pub(super) fn vectors(
    positives: &Positives,
    width: usize,
    seed: u64,
) -> Result<(Tensor, Tensor), PartsError> {
    let n_items = positives.n_items();
    let neighbours = Neighbours::of(positives)?;
    let carried = (width + OVERSAMPLING).min(n_items);
    let mut rng = Pcg64Mcg::seed_from_u64(seed);
    let start: Vec<f32> =
        (0..n_items * carried).map(|_| if rng.random::<bool>() { 1.0 } else { -1.0 }).collect();
    let start = Tensor::f_from_slice(&start)?.f_view([n_items as i64, carried as i64])?;
    let orthonormal = |dense: &Tensor| Tensor::f_linalg_qr(dense, "reduced").map(|(q, _)| q);
    let mut range = orthonormal(&neighbours.times(&start)?)?;
    for _ in 0..N_ITERATIONS {
        range = orthonormal(&neighbours.times(&range)?)?;
    }
    let projected = range.f_transpose(0, 1)?.f_matmul(&neighbours.times(&range)?)?.f_to_kind(Kind::Double)?;
    let (values, vectors) = ((&projected + projected.f_transpose(0, 1)?) * 0.5).f_linalg_eigh("L")?;
    let order = values.f_abs()?.f_argsort(0, true)?.f_narrow(0, 0, width.min(carried) as i64)?;
    let values = values.f_index_select(0, &order)?.f_to_kind(Kind::Float)?;
    let vectors = range.f_matmul(&vectors.f_index_select(1, &order)?.f_to_kind(Kind::Float)?)?;
    let source = vectors * values.f_abs()?.f_sqrt()?; // [I, d]
    let target = &source * values.f_sign()?;
    let missing = width.saturating_sub(carried) as i64;
    Ok((source.f_constant_pad_nd([0, missing])?, target.f_constant_pad_nd([0, missing])?))
}
