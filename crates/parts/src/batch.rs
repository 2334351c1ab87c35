//! Statistics on their way into the nets.

use tch::{Device, Tensor};

use crate::error::PartsError;
use crate::history::{Histories, PAIR_STATISTICS, USER_STATISTICS};
use crate::item_counts::ITEM_STATISTICS;

/// Most standard deviations that a statistic may be from its mean.
const MOST_DEVIATIONS: f64 = 5.0;

/// Mean and deviation of statistics over the training rows; statistics of pairs are read as they are.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Standard {
    /// Means, then deviations, of [`USER_STATISTICS`].
    pub(crate) users: Vec<f32>,
    /// Means, then deviations, of [`ITEM_STATISTICS`].
    pub(crate) items: Vec<f32>,
}

impl Standard {
    /// Of row-major statistics: `[n, USER_STATISTICS]` and `[n, ITEM_STATISTICS]`.
    pub(crate) fn of(users: &[f32], items: &[f32]) -> Self {
        Self { users: moments(users, USER_STATISTICS), items: moments(items, ITEM_STATISTICS) }
    }

    fn apply(moments: &[f32], width: usize, values: &[f32], device: Device) -> Result<Tensor, PartsError> {
        let of = |part: &[f32]| Ok::<_, PartsError>(Tensor::f_from_slice(part)?);
        let (mean, deviation) = moments.split_at(width);
        let values = Tensor::f_from_slice(values)?.f_view([-1, width as i64])?;
        let standard = (values - of(mean)?) / of(deviation)?;
        Ok(standard.f_clamp(-MOST_DEVIATIONS, MOST_DEVIATIONS)?.f_to_device(device)?)
    }

    /// `[I, ITEM_STATISTICS]`, as the nets read them.
    pub(crate) fn items(&self, statistics: &[f32], device: Device) -> Result<Tensor, PartsError> {
        Self::apply(&self.items, ITEM_STATISTICS, statistics, device)
    }
}

/// Means, then deviations, of each column; a column that is constant has deviation 1.
fn moments(values: &[f32], width: usize) -> Vec<f32> {
    let n = (values.len() / width).max(1) as f64;
    let mut sums = vec![(0.0_f64, 0.0_f64); width];
    for row in values.chunks_exact(width) {
        for ((sum, square), &x) in sums.iter_mut().zip(row) {
            *sum += f64::from(x);
            *square += f64::from(x) * f64::from(x);
        }
    }
    let mean = sums.iter().map(|(sum, _)| sum / n);
    let deviation = sums.iter().map(|(sum, square)| {
        let deviation = (square / n - (sum / n).powi(2)).max(0.0).sqrt();
        if deviation > 1e-4 { deviation } else { 1.0 }
    });
    mean.chain(deviation).map(|x| x as f32).collect()
}

/// Histories as tensors.
#[derive(Debug)]
pub(crate) struct UserInput {
    /// First pair of each row, `[B]`.
    pub(crate) starts: Tensor,
    /// Item of each pair, `[P]`.
    pub(crate) items: Tensor,
    /// Statistics of each pair, `[P, PAIR_STATISTICS]`.
    pub(crate) pairs: Tensor,
    /// Statistics of each user as the nets read them, `[B, USER_STATISTICS]`.
    pub(crate) users: Tensor,
}

impl UserInput {
    pub(crate) fn new(
        histories: &Histories,
        standard: &Standard,
        device: Device,
    ) -> Result<Self, PartsError> {
        let n_pairs = histories.items.len() as i64;
        let pairs = Tensor::f_from_slice(&histories.pairs)?.f_view([n_pairs, PAIR_STATISTICS as i64])?;
        Ok(Self {
            starts: Tensor::f_from_slice(&histories.starts)?.f_to_device(device)?,
            items: Tensor::f_from_slice(&histories.items)?.f_to_device(device)?,
            pairs: pairs.f_to_device(device)?,
            users: Standard::apply(&standard.users, USER_STATISTICS, &histories.users, device)?,
        })
    }
}
