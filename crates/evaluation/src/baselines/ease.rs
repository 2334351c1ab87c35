//! EASE: a linear item-to-item model in closed form (Steck 2019, "Embarrassingly shallow autoencoders for sparse data").

use std::rc::Rc;

use dayvec_core::Sequences;
use dayvec_items::Csr;
use rayon::prelude::*;
use tch::{Device, Kind, Tensor};

use super::choice::{Chooser, Setting};
use super::columns::Columns;
use super::input::{BaselineInput, Limits, boxed};
use super::matrix::{counts, mapped, weighted_sums};
use crate::{EvaluationError, Scorer};

/// λ: from the paper's values for its sparser logs to above those for its densest, by factors of about three.
const LAMBDAS: [f64; 4] = [50.0, 150.0, 500.0, 1500.0];
const USUAL_LAMBDA: f64 = 500.0;
const NAME: &str = "EASE";
/// Floats of one block of rows of XᵀX, about: 16 MiB.
const BLOCK: usize = 1 << 22;
/// m × m matrices of 32-bit floats that are held at once while B is made, when most: XᵀX, the factor (with its column-major
/// copy), the identity that is solved for, and the inverse.
const COPIES: usize = 5;

/// Who bought what, X, of the items with the most buyers, and the number of users who bought both of two items, XᵀX.
#[derive(Debug)]
pub struct ItemPairs {
    columns: Columns,
    bought: Csr,  // users × columns, ones
    both: Tensor, // XᵀX, [m, m]
}

impl ItemPairs {
    /// Count pairs of as many of the items with the most buyers as `limits` admit; ties go to the lower item row.
    ///
    /// # Errors
    /// When the items × items matrix does not fit into memory.
    pub fn new(history: &Sequences, limits: Limits) -> Result<Self, EvaluationError> {
        let counts = counts(history);
        let that_fit = (limits.memory_bytes / (COPIES * size_of::<f32>())).isqrt();
        let columns = Columns::most_bought(&counts, limits.ease_items.min(that_fit).max(1));
        if that_fit < limits.ease_items && columns.len() == that_fit {
            tracing::info!(items = that_fit, "EASE has fewer items, to stay within evaluation.memory_mib");
        }
        let bought = columns.of(&mapped(&counts, |_, _| 1.0));
        let buyers = bought.transpose();
        let m = columns.len();
        let both = Tensor::f_zeros([m as i64; 2], (Kind::Float, Device::Cpu))?;
        let items: Vec<usize> = (0..m).collect();
        for block in items.chunks((BLOCK / m.max(1)).max(1)) {
            let mut rows = vec![0f32; block.len() * m];
            rows.par_chunks_exact_mut(m).zip(block).for_each(|(row, &item)| {
                for (user, _) in buyers.row(item) {
                    bought.row(user as usize).for_each(|(other, _)| row[other as usize] += 1.0);
                }
            });
            let rows = Tensor::f_from_slice(&rows)?.f_reshape([block.len() as i64, m as i64])?;
            both.f_narrow(0, block[0] as i64, block.len() as i64)?.f_copy_(&rows)?;
        }
        Ok(Self { columns, bought, both })
    }
}

/// Scores X·B, where X holds who bought what and B = I − P·diag(1/diag P), P = (XᵀX + λI)⁻¹. Items beyond the most
/// frequent ones, and items without a purchase, are not retrieved.
#[derive(Debug)]
pub struct Ease {
    pairs: Rc<ItemPairs>,
    weights: Tensor, // B, [m, m]
}

impl Ease {
    /// Solve for B.
    ///
    /// # Errors
    /// When the matrices do not fit into memory.
    pub fn new(pairs: &Rc<ItemPairs>, lambda: f64) -> Result<Self, EvaluationError> {
        let m = pairs.columns.len() as i64;
        let one = Tensor::f_eye(m, (Kind::Float, Device::Cpu))?;
        // XᵀX + λI is symmetric and positive definite, and no worse conditioned than (largest count²)/λ.
        // P = L⁻ᵀL⁻¹ by a triangular solve and a product: libtorch's `cholesky_inverse` takes three times as long.
        let factor = pairs.both.f_add(&one.f_mul_scalar(lambda)?)?.f_linalg_cholesky(false)?;
        let inverse = Tensor::f_linalg_solve_triangular(&factor, &one, false, true, false)?;
        drop((factor, one));
        let mut weights = inverse.f_transpose(0, 1)?.f_matmul(&inverse)?;
        drop(inverse);
        let diagonal = weights.f_diagonal(0, 0, 1)?.f_neg()?; // [m], of the columns
        let _ = weights.f_div_(&diagonal)?;
        let _ = weights.f_diagonal(0, 0, 1)?.f_fill_(0.0)?;
        Ok(Self { pairs: Rc::clone(pairs), weights })
    }
}

/// EASE with the λ that was best on the earlier days.
pub(super) fn chosen(input: &BaselineInput<'_>, chooser: &mut Chooser<'_>) -> Result<Ease, EvaluationError> {
    let setting = Setting { scorer: NAME, setting: "λ", values: &LAMBDAS, usual: USUAL_LAMBDA };
    let pairs = |of: &BaselineInput<'_>| ItemPairs::new(of.history, of.limits).map(Rc::new);
    let lambda = chooser.choose(&setting, pairs, |pairs, lambda| boxed(Ease::new(pairs, lambda)))?;
    Ease::new(&pairs(input)?, lambda)
}

impl Scorer for Ease {
    fn name(&self) -> &str {
        NAME
    }

    fn scores(&self, users: &[usize]) -> Result<Tensor, EvaluationError> {
        let scores = weighted_sums(&self.pairs.bought, users, &self.weights)?; // [b, m]
        self.pairs.columns.spread(&scores) // [b, n]
    }
}
