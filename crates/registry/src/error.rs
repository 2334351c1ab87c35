//! What can go wrong with the registry, by what the caller can do about it.

use dayvec_bucket::BucketError;

/// The registry could not be read, or a model not be promoted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// The bucket failed; see the variant inside.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// A record is not what was written: restore it from a copy.
    #[error("`{key}` is damaged: {reason}; restore it from a copy")]
    Damaged {
        /// The record.
        key: String,
        /// How it shows.
        reason: String,
    },
    /// There is no whole checkpoint of this name: take one of those that are there.
    #[error("there is no whole checkpoint checkpoints/{model_id}/ in {bucket}; there are: [{}]", known.join(", "))]
    NoSuchModel {
        /// The name.
        model_id: String,
        /// The bucket.
        bucket: String,
        /// The models that are there, oldest first.
        known: Vec<String>,
    },
    /// Another promotion took the number in the meantime: look at it, then decide again.
    #[error("another promotion was first: number {sequence} promotes `{model_id}`")]
    LostRace {
        /// Its number.
        sequence: u64,
        /// The model that it promotes.
        model_id: String,
    },
}
