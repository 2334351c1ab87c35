//! What can go wrong, by what the caller can do about it.
#![expect(missing_docs, reason = "the message of a variant says what its fields are")]

use std::path::PathBuf;

use dayvec_core::{Fault, FaultKind};

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The sizes in the spec do not form a network.
    #[error("cannot build the model: {0}")]
    BadSpec(String),
    /// The objective is unknown, or one of its settings is missing or wrong.
    #[error("objective{}: {reason}", setting_suffix(setting))]
    BadObjective { setting: String, reason: String },
    /// The item table is not the one that the spec was trained with.
    #[error("the item features do not match the model: {0}")]
    ItemsMismatch(String),
    /// The user has nothing to encode.
    #[error("user `{0}` has no actions to encode")]
    NoActions(String),
    /// There is nothing to train on.
    #[error("no training pairs: {0}")]
    NoPairs(String),
    /// Training diverged.
    #[error(
        "the loss of step {step} is {loss}; lower the learning rate or look for outliers in the item features"
    )]
    Diverged { step: u64, loss: f64 },
    /// Reading or writing a file failed.
    #[error("cannot {action} {}", path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// A checkpoint file is damaged or belongs to another model.
    #[error("checkpoint file {} is not usable: {reason}; restore it or train again", path.display())]
    Corrupt { path: PathBuf, reason: String },
    /// The checkpoint was written by another version of the layout.
    #[error(
        "checkpoint {} has format version {found}, this build reads version {supported}; \
         use the build that wrote it, or train again", path.display()
    )]
    FormatVersion { path: PathBuf, found: u32, supported: u32 },
    /// libtorch refused an operation.
    #[error("libtorch refused an operation")]
    Torch(#[from] tch::TchError),
}

impl Fault for ModelError {
    fn kind(&self) -> FaultKind {
        match self {
            Self::BadSpec(_) | Self::BadObjective { .. } | Self::Diverged { .. } => FaultKind::Configuration,
            Self::ItemsMismatch(_)
            | Self::NoActions(_)
            | Self::NoPairs(_)
            | Self::Corrupt { .. }
            | Self::FormatVersion { .. } => FaultKind::Data,
            Self::Io { .. } => FaultKind::Unavailable,
            Self::Torch(_) => FaultKind::Internal,
        }
    }
}

fn setting_suffix(setting: &str) -> String {
    if setting == "." { String::new() } else { format!(".{setting}") }
}
