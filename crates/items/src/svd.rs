//! Truncated singular value decomposition by randomized subspace iteration (Halko, Martinsson and Tropp 2011,
//! algorithm 4.4), for sparse matrices of which a few tens of directions are wanted.

use rand::RngExt;
use rand_pcg::Pcg64;
use tch::{Kind, Tensor};

use crate::csr::Csr;
use crate::error::ItemsError;

/// Directions beyond those wanted that the iteration carries along; they soak up what the wanted ones would miss.
const OVERSAMPLING: usize = 16;
/// Applications of A·Aᵀ to the subspace. The spectrum of PPMI falls slowly, so one or two would mix directions.
const N_ITERATIONS: usize = 3;
/// Singular values below this share of the largest are rounding of 32-bit floats and count as zero.
const NEGLIGIBLE: f32 = 1e-5;

/// The leading singular triplets of a matrix, largest value first: A ≈ U·diag(s)·Vᵀ.
#[derive(Debug, Clone)]
pub struct Svd {
    /// Left vectors, row-major `[n_rows, rank]`, orthonormal columns.
    pub u: Vec<f32>,
    /// Singular values `[rank]`, descending; zero where the matrix has no more directions.
    pub s: Vec<f32>,
    /// Right vectors, row-major `[n_cols, rank]`, orthonormal columns.
    pub v: Vec<f32>,
}

impl Svd {
    /// Number of triplets.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.s.len()
    }

    /// Rows of U·Σ^power, row-major `[n_rows, width]`; columns beyond the rank are zero.
    #[must_use]
    pub fn scaled_rows(&self, power: f32, width: usize) -> Vec<f32> {
        let scales: Vec<f32> = self.s.iter().map(|&s| if s > 0.0 { s.powf(power) } else { 0.0 }).collect();
        let rank = self.rank();
        if rank == 0 {
            return Vec::new();
        }
        let mut rows = vec![0.0; self.u.len() / rank * width];
        for (row, u) in rows.chunks_exact_mut(width).zip(self.u.chunks_exact(rank)) {
            for ((value, u), scale) in row.iter_mut().zip(u).zip(&scales) {
                *value = u * scale;
            }
        }
        rows
    }
}

/// The `k` leading singular triplets of a sparse matrix (fewer when it has fewer rows or columns).
///
/// The products with the matrix are [`Csr::times`]; the small dense steps are libtorch's. The sign of each pair of
/// vectors is fixed by making the largest entry of the left one positive. The result is a pure function of the
/// matrix, `k` and `seed` as long as libtorch uses one thread.
///
/// # Errors
/// When libtorch fails, which for finite values it does not.
pub fn truncated_svd(matrix: &Csr, k: usize, seed: u64) -> Result<Svd, ItemsError> {
    let rank = k.min(matrix.n_rows()).min(matrix.n_cols());
    if rank == 0 {
        return Ok(Svd { u: Vec::new(), s: Vec::new(), v: Vec::new() });
    }
    let width = (k + OVERSAMPLING).min(matrix.n_rows()).min(matrix.n_cols());
    let transposed = matrix.transpose();
    let times = |matrix: &Csr, dense: &Tensor| -> Result<Tensor, ItemsError> {
        tensor_of(&matrix.times(&floats_of(dense)?, width), width)
    };
    let start = tensor_of(&signs(matrix.n_cols() * width, seed), width)?;
    let mut basis = orthonormal(&times(matrix, &start)?)?.0; // [n_rows, width]
    for _ in 0..N_ITERATIONS {
        let other = orthonormal(&times(&transposed, &basis)?)?.0; // [n_cols, width]
        basis = orthonormal(&times(matrix, &other)?)?.0;
    }
    // A ≈ basis·basisᵀ·A, and (basisᵀ·A)ᵀ = Aᵀ·basis = Q·R, so with R = X·Σ·Yᵀ: A ≈ (basis·Y)·Σ·(Q·X)ᵀ.
    let (q, r) = orthonormal(&times(&transposed, &basis)?)?;
    let dense = || -> Result<(Tensor, Tensor, Tensor), tch::TchError> {
        let (x, s, y) = r.f_to_kind(Kind::Double)?.f_svd(true, true)?;
        let keep = |t: &Tensor| t.f_narrow(1, 0, rank as i64)?.f_to_kind(Kind::Float);
        Ok((basis.f_matmul(&keep(&y)?)?, s.f_to_kind(Kind::Float)?, q.f_matmul(&keep(&x)?)?))
    };
    let (u, s, v) = dense().map_err(ItemsError::tensor("decompose the projected matrix"))?;
    let mut svd = Svd { u: floats_of(&u)?, s: floats_of(&s)?, v: floats_of(&v)? };
    svd.s.truncate(rank);
    let least = svd.s[0] * NEGLIGIBLE;
    svd.s.iter_mut().filter(|s| **s <= least).for_each(|s| *s = 0.0);
    fix_signs(&mut svd);
    Ok(svd)
}

/// Random entries of -1 and 1: as good a start as Gaussian ones, and the same on every machine.
fn signs(n: usize, seed: u64) -> Vec<f32> {
    let mut rng = Pcg64::new(u128::from(seed), 0x5851_f42d_4c95_7f2d);
    (0..n).map(|_| if rng.random() { 1.0 } else { -1.0 }).collect()
}

fn fix_signs(svd: &mut Svd) {
    let rank = svd.rank();
    for k in 0..rank {
        let column = svd.u.iter().skip(k).step_by(rank);
        let largest = column.fold(0.0_f32, |largest, &x| if x.abs() > largest.abs() { x } else { largest });
        if largest < 0.0 {
            svd.u.iter_mut().skip(k).step_by(rank).for_each(|x| *x = -*x);
            svd.v.iter_mut().skip(k).step_by(rank).for_each(|x| *x = -*x);
        }
    }
}

fn orthonormal(dense: &Tensor) -> Result<(Tensor, Tensor), ItemsError> {
    Tensor::f_linalg_qr(dense, "reduced").map_err(ItemsError::tensor("orthogonalise a subspace"))
}

/// A row-major matrix as a tensor `[len / width, width]`.
pub(crate) fn tensor_of(values: &[f32], width: usize) -> Result<Tensor, ItemsError> {
    let tensor = Tensor::f_from_slice(values)
        .and_then(|flat| flat.f_view([(values.len() / width.max(1)) as i64, width as i64]));
    tensor.map_err(ItemsError::tensor("copy a matrix"))
}

/// A tensor of 32-bit floats as row-major values.
pub(crate) fn floats_of(tensor: &Tensor) -> Result<Vec<f32>, ItemsError> {
    let copy = || {
        let flat = tensor.f_contiguous()?.f_view([-1])?;
        let mut values = vec![0.0_f32; flat.numel()];
        flat.f_copy_data(&mut values, flat.numel())?;
        Ok(values)
    };
    copy().map_err(ItemsError::tensor("copy a matrix"))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    /// A random sparse matrix of rank at most 6: a product of two thin ones.
    fn low_rank(n_rows: usize, n_cols: usize) -> Csr {
        let mut rng = Pcg64::seed_from_u64(7);
        let mut uniform = |n| -> Vec<f32> { (0..n).map(|_| rng.random_range(-0.5..0.5)).collect() };
        let (left, right) = (uniform(n_rows * 6), uniform(n_cols * 6));
        let entry = |r: usize, c: usize| (0..6).map(|k| left[r * 6 + k] * right[c * 6 + k]).sum::<f32>();
        Csr::from_rows(
            n_cols,
            (0..n_rows).map(|r| (0..n_cols).map(move |c| (c as u32, entry(r, c)))).collect::<Vec<_>>(),
        )
    }

    fn reconstruction_error(matrix: &Csr, svd: &Svd) -> f32 {
        let rank = svd.rank();
        let mut worst = 0.0_f32;
        for row in 0..matrix.n_rows() {
            for (col, value) in matrix.row(row) {
                let at = |k| svd.u[row * rank + k] * svd.s[k] * svd.v[col as usize * rank + k];
                worst = worst.max((value - (0..rank).map(at).sum::<f32>()).abs());
            }
        }
        worst
    }

    #[test]
    fn a_matrix_of_low_rank_is_rebuilt() {
        for (n_rows, n_cols) in [(60, 40), (40, 60), (6, 50)] {
            let matrix = low_rank(n_rows, n_cols);
            let svd = truncated_svd(&matrix, 8, 3).unwrap();
            assert!(reconstruction_error(&matrix, &svd) < 1e-4, "{n_rows} x {n_cols}");
            assert!(svd.s.is_sorted_by(|a, b| a >= b));
            assert!(svd.s.iter().skip(6).all(|&s| s == 0.0), "{:?}", svd.s);
        }
    }

    #[test]
    fn left_vectors_are_orthonormal_and_singular_values_are_those_of_a_known_matrix() {
        let diagonal = Csr::from_rows(5, (0..5).map(|i| [(i, [3.0, -7.0, 0.5, 1.0, 2.0][i as usize])]));
        let svd = truncated_svd(&diagonal, 3, 0).unwrap();
        for (got, expected) in svd.s.iter().zip([7.0, 3.0, 2.0]) {
            assert!((got - expected).abs() < 1e-4, "{:?}", svd.s);
        }
        assert!(
            (svd.u[3] - 1.0).abs() < 1e-4 && (svd.v[3] + 1.0).abs() < 1e-4,
            "row 1 is the first direction"
        );
    }

    #[test]
    fn the_seed_and_nothing_else_decides() {
        let matrix = low_rank(50, 50);
        let svd = |seed| truncated_svd(&matrix, 4, seed).unwrap().u;
        assert_eq!(svd(1), svd(1));
        assert_ne!(svd(1), svd(2));
    }

    #[test]
    fn an_empty_or_zero_matrix_is_not_an_error() {
        assert_eq!(truncated_svd(&Csr::from_rows(0, Vec::<Vec<(u32, f32)>>::new()), 4, 0).unwrap().rank(), 0);
        let zero = Csr::from_rows(9, vec![Vec::new(); 9]);
        let svd = truncated_svd(&zero, 4, 0).unwrap();
        assert!(svd.scaled_rows(0.5, 6).iter().all(|&x| x == 0.0));
        assert_eq!(svd.scaled_rows(0.5, 6).len(), 54);
    }
}
