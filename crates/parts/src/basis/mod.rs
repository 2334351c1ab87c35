//! The frozen vectors of items that memory and co-occurrence are made of.

mod cooccurrence;
mod memory;
mod positives;

use dayvec_core::Sequences;
use tch::{Kind, Tensor};

use crate::error::PartsError;
use crate::folds::{fold_of, n_folds};

use positives::Positives;

/// Widths of the bases: 0 for none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BasisWidths {
    /// Of the memory.
    pub memory: usize,
    /// Of the co-occurrence.
    pub cooccurrence: usize,
}

/// Vectors of every item.
#[derive(Debug)]
pub struct Basis {
    /// Of the memory, `[I, d]`: the same on both sides. Columns by falling singular value.
    pub(crate) memory: Tensor,
    /// Of the co-occurrence, `[I, d]`: what a user is made of who acted on the item.
    pub(crate) source: Tensor,
    /// Of the co-occurrence, `[I, d]`: what the item is found by.
    pub(crate) target: Tensor,
}

impl Basis {
    /// The basis of the users for whom `keep` holds (by row), from their positives.
    ///
    /// # Errors
    /// When the decomposition fails.
    pub fn of(
        sequences: &Sequences,
        keep: impl Fn(usize) -> bool + Sync,
        widths: BasisWidths,
        seed: u64,
    ) -> Result<Self, PartsError> {
        let positives = Positives::of(sequences, keep);
        let none = || Tensor::zeros([positives.n_items() as i64, 0], (Kind::Float, tch::Device::Cpu));
        let memory = match widths.memory {
            0 => none(),
            width => memory::vectors(&positives, width, seed)?,
        };
        let (source, target) = match widths.cooccurrence {
            0 => (none(), none()),
            width => cooccurrence::vectors(&positives, width, seed)?,
        };
        Ok(Self { memory, source, target })
    }

    /// Vectors of the memory, of the co-occurrence's sources and of its targets, `[I, d]` each.
    pub fn vectors(&self) -> [Tensor; 3] {
        [&self.memory, &self.source, &self.target].map(Tensor::shallow_clone)
    }

    /// The leading columns of it.
    #[must_use]
    pub fn narrow(&self, widths: BasisWidths) -> Self {
        let leading = |vectors: &Tensor, width: usize| vectors.narrow(1, 0, width as i64).contiguous();
        Self {
            memory: leading(&self.memory, widths.memory),
            source: leading(&self.source, widths.cooccurrence),
            target: leading(&self.target, widths.cooccurrence),
        }
    }
}

/// A basis of all users, and one without the users of each fold.
#[derive(Debug)]
pub struct FoldBases {
    /// Of all users: what is served.
    pub all: Basis,
    /// Without a fold's users: what the weights are learned over for them.
    pub without: Vec<Basis>,
}

impl FoldBases {
    /// Fit them all.
    ///
    /// # Errors
    /// When a decomposition fails, or `stop` said to stop.
    pub fn of(
        sequences: &Sequences,
        widths: BasisWidths,
        seed: u64,
        stop: &dyn Fn() -> bool,
    ) -> Result<Self, PartsError> {
        let n_folds = n_folds(sequences.items.ids().len());
        let folds: Vec<usize> = sequences.users.iter().map(|user| fold_of(user, n_folds)).collect();
        let fit = |without: Option<usize>| {
            if stop() {
                return Err(PartsError::Stopped);
            }
            Basis::of(sequences, |user| Some(folds[user]) != without, widths, seed)
        };
        Ok(Self {
            all: fit(None)?,
            without: (0..n_folds).map(|fold| fit(Some(fold))).collect::<Result<_, _>>()?,
        })
    }

    /// The leading columns of each.
    #[must_use]
    pub fn narrow(&self, widths: BasisWidths) -> Self {
        Self {
            all: self.all.narrow(widths),
            without: self.without.iter().map(|basis| basis.narrow(widths)).collect(),
        }
    }
}

/// Row-major values, `[n, width]`, as a tensor of `wanted` columns; those beyond `width` are zero.
fn padded(values: &[f32], width: usize, wanted: usize) -> Result<Tensor, PartsError> {
    let n_rows = values.len().checked_div(width).unwrap_or(0);
    let vectors = Tensor::f_from_slice(values)?.f_reshape([n_rows as i64, width as i64])?;
    let missing = wanted.saturating_sub(width) as i64;
    Ok(vectors.f_constant_pad_nd([0, missing])?)
}
