//! What can go wrong with a snapshot, by what the caller can do about it.

use dayvec_bucket::BucketError;

/// A snapshot could not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The bucket failed; see the variant inside.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// An object is not what was written: keep serving the last good snapshot, restore the object from a copy, or
    /// delete the run's folder and run the day again.
    #[error(
        "`{key}` is damaged: {reason}; the snapshot it belongs to must not be served: restore the object, or roll \
         back to another snapshot and run the day again"
    )]
    Damaged {
        /// The object.
        key: String,
        /// How it shows.
        reason: String,
    },
    /// The snapshot was written by a build with another layout.
    #[error(
        "`{key}` has snapshot format {found}, this build reads format {supported}; use the build that wrote it"
    )]
    UnsupportedFormat {
        /// The manifest.
        key: String,
        /// Its format version.
        found: u64,
        /// [`crate::SNAPSHOT_FORMAT_VERSION`].
        supported: u32,
    },
    /// The rows handed in cannot be a part: a fault of the program that made them.
    #[error("these rows cannot be {part}: {reason}")]
    BadRows {
        /// Which part.
        part: String,
        /// What is wrong with them.
        reason: String,
    },
    /// Two attempts at the same run wrote different bytes, so the run is not a function of its inputs.
    #[error(
        "two attempts disagree on `{key}`: {there} is there, this one made {ours}; the run is not deterministic, \
         or its inputs changed under the same run id; nothing was overwritten"
    )]
    NonDeterministic {
        /// The record that both wanted to create.
        key: String,
        /// Digest of what is there.
        there: String,
        /// Digest of what this attempt made.
        ours: String,
    },
    /// Not every part is done, so there is nothing to publish yet: finish the other shards, then run again.
    #[error("snapshot {snapshot_id} is incomplete: {missing}")]
    Incomplete {
        /// The snapshot.
        snapshot_id: String,
        /// What is missing.
        missing: String,
    },
    /// A gate failed; the manifest is written, and readers do not see it.
    #[error("snapshot {snapshot_id} is written but not announced; gates failed: {failures}")]
    GatesFailed {
        /// The snapshot.
        snapshot_id: String,
        /// Each failed gate with its number and limit.
        failures: String,
    },
    /// Another publisher announced at the same moment: look at what it announced, then decide.
    #[error(
        "lost the race for announcement {sequence}: `{manifest}` was announced instead; look at it, then run again"
    )]
    LostRace {
        /// The sequence number that both wanted.
        sequence: u64,
        /// What the winner announced.
        manifest: String,
    },
    /// Rows could not be laid out as Parquet.
    #[error("cannot lay out {part} as Parquet")]
    Encode {
        /// Which part.
        part: String,
        /// Why.
        #[source]
        source: parquet::errors::ParquetError,
    },
}

impl SnapshotError {
    pub(crate) fn damaged(key: &str, reason: impl std::fmt::Display) -> Self {
        Self::Damaged { key: key.to_owned(), reason: reason.to_string() }
    }
}
