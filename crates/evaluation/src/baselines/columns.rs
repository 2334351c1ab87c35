//! The items that a baseline with dense matrices is fitted on.

use dayvec_items::Csr;
use tch::{Kind, Tensor};

use super::matrix::column_entries;
use crate::EvaluationError;

/// Not one of the columns.
const NONE: u32 = u32::MAX;

/// Some of the items as columns `0..m` of a smaller matrix, in the order of their rows.
#[derive(Debug)]
pub(super) struct Columns {
    /// The item of each column.
    items: Vec<u32>,
    /// The column of each item, or `NONE`.
    column: Vec<u32>,
}

impl Columns {
    /// The `at_most` items with the most buyers; ties go to the lower item row, items that no one bought are left out.
    pub(super) fn most_bought(bought: &Csr, at_most: usize) -> Self {
        let buyers = column_entries(bought);
        let mut items: Vec<u32> =
            (0..buyers.len() as u32).filter(|&item| buyers[item as usize] > 0).collect();
        items.sort_by_key(|&item| ::core::cmp::Reverse(buyers[item as usize]));
        items.truncate(at_most);
        items.sort_unstable();
        let mut column = vec![NONE; buyers.len()];
        for (at, &item) in (0..).zip(&items) {
            column[item as usize] = at;
        }
        Self { items, column }
    }

    /// Number of columns, m.
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// A users × items matrix, users × columns.
    pub(super) fn of(&self, matrix: &Csr) -> Csr {
        let row = |row| {
            let entries = matrix.row(row).map(|(item, value)| (self.column[item as usize], value));
            entries.filter(|(column, _)| *column != NONE)
        };
        Csr::from_rows(self.len(), (0..matrix.n_rows()).map(row))
    }

    /// Scores of the columns, `[b, m]`, as scores of all items, `[b, n]`; other items are not retrieved.
    pub(super) fn spread(&self, scores: &Tensor) -> Result<Tensor, EvaluationError> {
        let size = [scores.size()[0], self.column.len() as i64];
        let nothing = Tensor::f_full(size, f64::NEG_INFINITY, (Kind::Float, scores.device()))?; // [b, n]
        let items: Vec<i64> = self.items.iter().map(|&item| i64::from(item)).collect();
        Ok(nothing.f_index_copy(1, &Tensor::f_from_slice(&items)?, scores)?)
    }
}
