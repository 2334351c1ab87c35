//! What can go wrong with the registry, by what the caller can do about it.

use dayvec_bucket::BucketError;
use dayvec_core::{Fault, FaultKind};

/// The registry could not be read, or a model could not be promoted.
#[expect(missing_docs, reason = "the fields are what the message says")]
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The bucket failed; see the variant inside.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// The requested model has no complete checkpoint: choose one of `known`.
    #[error(
        "checkpoints/{model_id}/ in {bucket} does not exist or is incomplete; the complete checkpoints are: [{}]",
        known.join(", ")
    )]
    NoSuchModel { model_id: String, bucket: String, known: Vec<String> },
    /// The checkpoint of the promoted model is gone: restore it, or promote one of `known`.
    #[error(
        "model `{model_id}` is promoted, but checkpoints/{model_id}/ in {bucket} is missing or incomplete; restore it, \
         or promote one of the complete ones: [{}]",
        known.join(", ")
    )]
    PromotedModelGone { model_id: String, bucket: String, known: Vec<String> },
    /// Another promotion took the number in the meantime: look at it, then decide again.
    #[error("another promotion was first: number {sequence} promotes `{model_id}`")]
    LostRace { sequence: u64, model_id: String },
}

impl Fault for RegistryError {
    fn kind(&self) -> FaultKind {
        match self {
            Self::Bucket(error) => error.kind(),
            Self::NoSuchModel { .. } => FaultKind::Configuration,
            Self::PromotedModelGone { .. } => FaultKind::Data,
            Self::LostRace { .. } => FaultKind::LostRace,
        }
    }
}
