//! What can go wrong, by what the caller can do about it.

use std::path::PathBuf;

use dayvec_core::{Fault, FaultKind};

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The spec asks for a network that cannot be built.
    #[error("the model spec cannot be built: {0}")]
    BadSpec(String),
    /// The objective is unknown, or one of its settings is missing or wrong.
    #[error("objective{}: {reason}", setting_suffix(setting))]
    BadObjective {
        /// The setting; `.` for the settings as a whole.
        setting: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The item table is not the one that the spec was trained with.
    #[error("item features do not fit the model: {0}")]
    ItemsMismatch(String),
    /// There is nothing to train on.
    #[error("no training pairs: {0}")]
    NoPairs(String),
    /// Training went astray.
    #[error(
        "the loss of step {step} is {loss}; lower the learning rate or look for outliers in the item features"
    )]
    Diverged {
        /// The step, from 0.
        step: u64,
        /// Its loss.
        loss: f64,
    },
    /// Reading or writing a file failed.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// A checkpoint file is damaged or belongs to another model.
    #[error("checkpoint file {} is not usable: {reason}; restore it or train again", path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The checkpoint was written by another version of the layout.
    #[error(
        "checkpoint {} has format version {found}, this build reads version {supported}; \
         use the build that wrote it, or train again", path.display()
    )]
    FormatVersion {
        /// The spec file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The version this build reads.
        supported: u32,
    },
    /// libtorch refused an operation.
    #[error("libtorch: {0}")]
    Torch(#[from] tch::TchError),
}

impl Fault for ModelError {
    fn kind(&self) -> FaultKind {
        match self {
            Self::BadSpec(_) | Self::BadObjective { .. } | Self::Diverged { .. } => FaultKind::Configuration,
            Self::ItemsMismatch(_) | Self::NoPairs(_) | Self::Corrupt { .. } | Self::FormatVersion { .. } => {
                FaultKind::Data
            }
            Self::Io { .. } => FaultKind::Unavailable,
            Self::Torch(_) => FaultKind::Internal,
        }
    }
}

fn setting_suffix(setting: &str) -> String {
    if setting == "." { String::new() } else { format!(".{setting}") }
}
