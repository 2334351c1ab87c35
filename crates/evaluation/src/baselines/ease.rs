//! EASE: a linear item-to-item model in closed form (Steck 2019, "Embarrassingly shallow autoencoders for sparse data").

use dayvec_core::Sequences;
use dayvec_items::Csr;
use tch::{Device, Kind, Tensor};

use super::matrix::{column_entries, counts};
use crate::{EvaluationError, Scorer};

/// Floats of one dense block of users, about: 64 MiB.
const BLOCK: usize = 1 << 24;

/// Scores X·B, where X holds who bought what and B = I − P·diag(1/diag P), P = (XᵀX + λI)⁻¹. Items beyond the most
/// frequent ones, and items without a purchase, are not retrieved.
#[derive(Debug)]
pub struct Ease {
    bought: Csr,                // users × items
    column: Vec<Option<usize>>, // of each item in `weights`
    items: Tensor,              // the item of each column, [m]
    weights: Tensor,            // B, [m, m]
}

impl Ease {
    /// Fit on the `max_items` items with the most buyers; ties go to the lower item row.
    ///
    /// # Errors
    /// When the items × items matrix does not fit into memory.
    pub fn new(history: &Sequences, lambda: f64, max_items: usize) -> Result<Self, EvaluationError> {
        let bought = counts(history);
        let buyers = column_entries(&bought);
        let mut items: Vec<usize> = (0..buyers.len()).filter(|&item| buyers[item] > 0).collect();
        items.sort_by_key(|&item| ::core::cmp::Reverse(buyers[item]));
        items.truncate(max_items);
        items.sort_unstable();
        let mut column = vec![None; buyers.len()];
        for (at, &item) in items.iter().enumerate() {
            column[item] = Some(at);
        }
        let rows: Vec<i64> = items.iter().map(|&item| item as i64).collect();
        let mut ease = Self {
            bought,
            column,
            items: Tensor::f_from_slice(&rows)?,
            weights: Tensor::f_zeros([items.len() as i64; 2], (Kind::Float, Device::Cpu))?,
        };
        ease.fit(lambda)?;
        Ok(ease)
    }

    /// Fill `weights`, in place as far as it goes: the matrix is large.
    fn fit(&mut self, lambda: f64) -> Result<(), EvaluationError> {
        let users: Vec<usize> = (0..self.bought.n_rows()).collect();
        for users in users.chunks((BLOCK / self.n_columns().max(1)).max(1)) {
            let block = self.rows(users)?; // [c, m]
            let _ = self.weights.f_addmm_(&block.f_transpose(0, 1)?, &block)?;
        }
        let _ = self.weights.f_diagonal(0, 0, 1)?.f_add_scalar_(lambda)?;
        // XᵀX + λI is symmetric and positive definite, and no worse conditioned than (largest count²)/λ.
        // P = L⁻ᵀL⁻¹ by a triangular solve and a product: libtorch's `cholesky_inverse` takes three times as long.
        let one = Tensor::f_eye(self.n_columns() as i64, (Kind::Float, Device::Cpu))?;
        let factor = ::core::mem::replace(&mut self.weights, Tensor::new()).f_linalg_cholesky(false)?;
        let inverse = Tensor::f_linalg_solve_triangular(&factor, &one, false, true, false)?;
        drop((factor, one));
        self.weights = inverse.f_transpose(0, 1)?.f_matmul(&inverse)?;
        let diagonal = self.weights.f_diagonal(0, 0, 1)?.f_neg()?; // [m], of the columns
        let _ = self.weights.f_div_(&diagonal)?;
        let _ = self.weights.f_diagonal(0, 0, 1)?.f_fill_(0.0)?;
        Ok(())
    }

    fn n_columns(&self) -> usize {
        self.items.size()[0] as usize
    }

    /// Rows of X, dense, `[c, m]`.
    fn rows(&self, users: &[usize]) -> Result<Tensor, EvaluationError> {
        let n_columns = self.n_columns();
        let mut rows = vec![0f32; users.len() * n_columns];
        for (row, &user) in rows.chunks_exact_mut(n_columns.max(1)).zip(users) {
            for (item, _) in self.bought.row(user) {
                if let Some(column) = self.column[item as usize] {
                    row[column] = 1.0;
                }
            }
        }
        Ok(Tensor::f_from_slice(&rows)?.f_reshape([users.len() as i64, n_columns as i64])?)
    }
}

impl Scorer for Ease {
    fn name(&self) -> &str {
        "EASE"
    }

    fn scores(&self, users: &[usize]) -> Result<Tensor, EvaluationError> {
        let scores = self.rows(users)?.f_matmul(&self.weights)?; // [b, m]
        let size = [users.len() as i64, self.column.len() as i64];
        let nothing = Tensor::f_full(size, f64::NEG_INFINITY, (Kind::Float, Device::Cpu))?; // [b, n]
        Ok(nothing.f_index_copy(1, &self.items, &scores)?)
    }
}
