//! The basis of the memory: right singular vectors of decayed counts.
//!
//! X_ui = (Σ over the user's positives on i of 2^(−age / 180 days))^0.75, each user's row divided by the square root of its
//! norm: a user with many items weighs more than one with few, but not in proportion.

use dayvec_items::truncated_svd;
use tch::Tensor;

use super::padded;
use super::positives::{Positives, mapped};
use crate::error::PartsError;

const POWER: f32 = 0.75;

/// `[I, width]`, orthonormal columns by falling singular value; zeros where the matrix has no more directions.
pub(super) fn vectors(positives: &Positives, width: usize, seed: u64) -> Result<Tensor, PartsError> {
    let powers = mapped(&positives.decayed, |_, count| count.powf(POWER));
    let norm = |row: usize| powers.row(row).map(|(_, value)| value * value).sum::<f32>().sqrt();
    let scales: Vec<f32> =
        (0..powers.n_rows()).map(|row| norm(row).max(f32::MIN_POSITIVE).sqrt().recip()).collect();
    let svd = truncated_svd(&mapped(&powers, |row, value| value * scales[row]), width, seed)?;
    if svd.rank() == 0 {
        return padded(&vec![0.0; positives.n_items() * width], width, width);
    }
    padded(&svd.v, svd.rank(), width)
}
