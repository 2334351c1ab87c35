//! The two losses of the parts: a full softmax, and recall itself, made smooth.

use tch::{Kind, Tensor};

use crate::error::PartsError;

/// Length of the list whose recall is learned.
pub(crate) const LIST: f64 = 10.0;
/// Halvings of the interval that holds the threshold: below the resolution of 32-bit floats.
const HALVINGS: usize = 40;
/// A threshold lies this far beyond the best and worst score at most: σ is then 1 or 0 to nine digits.
const MARGIN: f64 = 20.0;

/// Labels of a batch: the row and the column of each, i64 `[L]`.
#[derive(Debug)]
pub struct Labels {
    /// Row of the scores.
    pub rows: Tensor,
    /// Column of the scores.
    pub columns: Tensor,
}

impl Labels {
    /// How many.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.numel()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Their scores, `[L]`.
    fn of(&self, scores: &Tensor) -> Result<Tensor, PartsError> {
        let width = scores.size()[1];
        let flat = (&self.rows * width) + &self.columns;
        Ok(scores.f_reshape([-1])?.f_index_select(0, &flat)?)
    }
}

/// Cross-entropy of the labels under a softmax over all columns of `scores` (`[B, K]`), every row weighing the same: a
/// scalar.
///
/// # Errors
/// When libtorch does.
pub fn softmax_loss(scores: &Tensor, labels: &Labels) -> Result<Tensor, PartsError> {
    let log_sums = scores.f_logsumexp([1i64].as_slice(), false)?; // [B]
    let each = log_sums.f_index_select(0, &labels.rows)? - labels.of(scores)?; // [L]
    let n_rows = scores.size()[0];
    let ones = labels.rows.f_ones_like()?.f_to_kind(Kind::Float)?;
    let counts =
        Tensor::f_zeros([n_rows], (Kind::Float, scores.device()))?.f_index_add(0, &labels.rows, &ones)?;
    let n_with_labels = counts.f_clamp_max(1.0)?.f_sum(Kind::Float)?.f_clamp_min(1.0)?;
    let weights = counts.f_index_select(0, &labels.rows)?.f_reciprocal()?;
    Ok((each * weights).f_sum(Kind::Float)? / n_with_labels)
}

/// A smooth form of recall@10: the mean over the labels of σ(z − θ), where θ is the row's threshold with
/// Σ σ(z_i − θ) = 10 over the columns `top` (i64 `[B, T]`, the best ones). A scalar between 0 and 1.
///
/// The threshold is found by halving, without a gradient; one Newton step from there has the right one:
/// dθ/dz_i = σ'(z_i − θ) / Σ σ'(z − θ), so raising a competitor lowers the labels of its row.
///
/// # Errors
/// When libtorch does.
pub fn smooth_recall(scores: &Tensor, top: &Tensor, labels: &Labels) -> Result<Tensor, PartsError> {
    let best = scores.f_gather(1, top, false)?; // [B, T]
    let wanted = LIST.min(top.size()[1] as f64 / 2.0);
    let found = tch::no_grad(|| threshold(&best.detach(), wanted))?; // [B, 1]
    let shares = (&best - &found).f_sigmoid()?; // [B, T]
    let slopes = tch::no_grad(|| {
        (&shares * (shares.ones_like() - &shares)).sum_dim_intlist([1i64].as_slice(), true, Kind::Float)
    });
    let excess = shares.f_sum_dim_intlist([1i64].as_slice(), true, Kind::Float)? - wanted;
    let threshold = found + excess / slopes.detach().f_clamp_min(1e-6)?; // [B, 1]
    let of_label = threshold.f_squeeze_dim(1)?.f_index_select(0, &labels.rows)?;
    Ok((labels.of(scores)? - of_label).f_sigmoid()?.f_mean(Kind::Float)?)
}

/// θ of each row with Σ σ(z − θ) = `wanted`, `[B, 1]`.
fn threshold(best: &Tensor, wanted: f64) -> Result<Tensor, PartsError> {
    let mut low = best.f_amin([1i64].as_slice(), true)? - MARGIN;
    let mut high = best.f_amax([1i64].as_slice(), true)? + MARGIN;
    for _ in 0..HALVINGS {
        let middle = (&low + &high) * 0.5;
        let sum = (best - &middle).f_sigmoid()?.f_sum_dim_intlist([1i64].as_slice(), true, Kind::Float)?;
        let too_many = sum.f_gt(wanted)?;
        low = middle.f_where_self(&too_many, &low)?;
        high = high.f_where_self(&too_many, &middle)?;
    }
    Ok((low + high) * 0.5)
}
