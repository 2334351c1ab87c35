//! Sparse matrices in compressed rows, with the one product that the decomposition needs.

use rayon::iter::{IndexedParallelIterator, ParallelIterator};
use rayon::slice::ParallelSliceMut;

/// A sparse matrix in compressed rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Csr {
    n_cols: usize,
    starts: Vec<usize>,
    cols: Vec<u32>,
    values: Vec<f32>,
}

impl Csr {
    /// Build from rows of (column, value) pairs.
    ///
    /// # Panics
    /// When a column is not below `n_cols`.
    #[must_use]
    pub fn from_rows<R: IntoIterator<Item = (u32, f32)>>(
        n_cols: usize,
        rows: impl IntoIterator<Item = R>,
    ) -> Self {
        let mut matrix = Self { n_cols, starts: vec![0], cols: Vec::new(), values: Vec::new() };
        for row in rows {
            for (col, value) in row {
                assert!((col as usize) < n_cols, "column {col} of a matrix with {n_cols} columns");
                matrix.cols.push(col);
                matrix.values.push(value);
            }
            matrix.starts.push(matrix.cols.len());
        }
        matrix
    }

    /// Number of rows.
    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.starts.len() - 1
    }

    /// Number of columns.
    #[must_use]
    pub fn n_cols(&self) -> usize {
        self.n_cols
    }

    /// Number of stored values.
    #[must_use]
    pub fn n_entries(&self) -> usize {
        self.cols.len()
    }

    /// The (column, value) pairs of a row.
    pub fn row(&self, row_idx: usize) -> impl ExactSizeIterator<Item = (u32, f32)> + '_ {
        let range = self.starts[row_idx]..self.starts[row_idx + 1];
        self.cols[range.clone()].iter().copied().zip(self.values[range].iter().copied())
    }

    /// The transposed matrix; within a row its columns ascend.
    #[must_use]
    pub fn transpose(&self) -> Self {
        let mut starts = vec![0; self.n_cols + 1];
        for &col in &self.cols {
            starts[col as usize + 1] += 1;
        }
        for at in 0..self.n_cols {
            starts[at + 1] += starts[at];
        }
        let mut next = starts.clone();
        let mut cols = vec![0; self.cols.len()];
        let mut values = vec![0.0; self.cols.len()];
        for row_idx in 0..self.n_rows() {
            for (col, value) in self.row(row_idx) {
                let at = &mut next[col as usize];
                cols[*at] = row_idx as u32;
                values[*at] = value;
                *at += 1;
            }
        }
        Self { n_cols: self.n_rows(), starts, cols, values }
    }

    /// The product with a dense matrix `[n_cols, width]`, row-major: `[n_rows, width]`.
    ///
    /// Rows are shared out over rayon's threads; each row is summed by one of them in the order of its entries, so the
    /// bits do not depend on how many there are.
    ///
    /// # Panics
    /// When `dense` is not `n_cols * width` long.
    #[must_use]
    pub fn times(&self, dense: &[f32], width: usize) -> Vec<f32> {
        assert_eq!(dense.len(), self.n_cols * width, "the dense factor is [n_cols, width]");
        let mut product = vec![0.0; self.n_rows() * width];
        let rows = product.par_chunks_exact_mut(width.max(1)).enumerate();
        rows.for_each(|(row_idx, sums)| {
            for (col, value) in self.row(row_idx) {
                let factors = &dense[col as usize * width..][..width];
                for (sum, factor) in sums.iter_mut().zip(factors) {
                    *sum += value * factor;
                }
            }
        });
        product
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix() -> Csr {
        Csr::from_rows(3, [vec![(0, 1.0), (2, 2.0)], vec![], vec![(1, 3.0)], vec![(2, -1.0), (0, 4.0)]])
    }

    #[test]
    fn product_with_dense() {
        let product = matrix().times(&[1.0, 10.0, 2.0, 20.0, 3.0, 30.0], 2);
        assert_eq!(product, [7.0, 70.0, 0.0, 0.0, 6.0, 60.0, 1.0, 10.0]);
        assert!(
            Csr::from_rows(0, [const { [] as [(u32, f32); 0] }; 2]).times(&[], 3).iter().all(|&x| x == 0.0)
        );
    }

    #[test]
    fn the_bits_do_not_depend_on_the_number_of_threads() {
        let rows =
            (0..500_u32).map(|row| (0..row % 40).map(move |at| ((row * 7 + at * 13) % 300, 0.1 + at as f32)));
        let matrix = Csr::from_rows(300, rows);
        let dense: Vec<f32> = (0..300 * 5).map(|at| (at as f32).sin()).collect();
        let product = |n_threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(n_threads).build().unwrap();
            pool.install(|| matrix.times(&dense, 5))
        };
        let alone = product(1);
        assert!(alone.iter().any(|&x| x != 0.0));
        for n_threads in 2..5 {
            assert_eq!(alone, product(n_threads), "{n_threads} threads");
        }
    }

    #[test]
    fn transposing_twice_sorts_columns() {
        let back = matrix().transpose().transpose();
        assert_eq!(back.n_rows(), 4);
        assert_eq!(back.row(3).collect::<Vec<_>>(), [(0, 4.0), (2, -1.0)]);
        assert_eq!(matrix().transpose().row(2).collect::<Vec<_>>(), [(0, 2.0), (3, -1.0)]);
    }
}
