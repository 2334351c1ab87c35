//! What can go wrong, by what the caller can do about it.

use dayvec_core::{Fault, FaultKind};
use dayvec_items::ItemsError;
use dayvec_model::ModelError;

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum PartsError {
    /// There is nothing to train on.
    #[error(
        "no training rows: no user has a positive in the {0} days after a cut-off and an action before it; the log is too \
         short or too thin for parts: give it more days, or train the tower alone (parts.candidates: [])"
    )]
    NoRows(i32),
    /// Training diverged.
    #[error("the loss of step {step} of the parts is {loss}; look for outliers in the times of the log")]
    Diverged {
        /// The step, from 0.
        step: u64,
        /// Its loss.
        loss: f64,
    },
    /// The caller asked to stop.
    #[error("stopped")]
    Stopped,
    /// The factorisation of the log failed.
    #[error("cannot factorise the log")]
    Basis(#[source] Box<ItemsError>),
    /// A checkpoint file, or the tower.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// libtorch refused an operation.
    #[error("libtorch refused an operation")]
    Torch(#[from] tch::TchError),
}

impl From<ItemsError> for PartsError {
    fn from(error: ItemsError) -> Self {
        Self::Basis(Box::new(error))
    }
}

impl Fault for PartsError {
    fn kind(&self) -> FaultKind {
        match self {
            Self::NoRows(_) => FaultKind::Data,
            Self::Diverged { .. } => FaultKind::Data,
            Self::Stopped | Self::Torch(_) => FaultKind::Internal,
            Self::Basis(error) => error.kind(),
            Self::Model(error) => error.kind(),
        }
    }
}
