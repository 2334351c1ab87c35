//! What can go wrong with a snapshot, by what the caller can do about it.

use dayvec_bucket::BucketError;
use dayvec_core::{Day, Fault, FaultKind};

/// A snapshot could not be written or read.
#[expect(missing_docs, reason = "the fields are what the message says")]
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The bucket failed; see the variant inside.
    #[error(transparent)]
    Bucket(#[from] BucketError),
    /// An object is not what was written: keep serving the last good snapshot, restore the object from a copy, or
    /// delete the run's folder and run the day again.
    #[error(
        "`{key}` is damaged: {reason}; do not serve the snapshot it belongs to: restore the object from a backup, or \
         roll back to another snapshot and run the day again"
    )]
    Damaged { key: String, reason: String },
    /// The snapshot was written by a build with another layout.
    #[error(
        "`{key}` has snapshot format {found}, this build reads format {supported}; use the build that wrote it"
    )]
    UnsupportedFormat { key: String, found: u64, supported: u32 },
    /// The rows handed in cannot be a part: a fault of the program that made them.
    #[error("cannot write {part}: {reason}")]
    BadRows { part: String, reason: String },
    /// Two attempts at the same run wrote different bytes, so the run is not a function of its inputs. `there` and
    /// `ours` are digests.
    #[error(
        "two attempts at the same run disagree on `{key}`: the stored one has digest {there}, this one {ours}; the run \
         is not deterministic, or its inputs changed under the same run id; nothing was overwritten"
    )]
    NonDeterministic { key: String, there: String, ours: String },
    /// Not every part is done, so there is nothing to publish yet: finish the other shards, then run again.
    #[error("snapshot {snapshot_id} is incomplete: {missing}; finish the other shards, then run again")]
    Incomplete { snapshot_id: String, missing: String },
    /// A gate failed; the manifest is written, and readers do not see it.
    #[error("snapshot {snapshot_id} is written but not announced, because gates failed: {failures}")]
    GatesFailed { snapshot_id: String, failures: String },
    /// Another publisher announced at the same moment: look at what it announced, then decide.
    #[error(
        "another publisher was first: announcement {sequence} names `{manifest}`; look at it, then run again if needed"
    )]
    LostRace { sequence: u64, manifest: String },
    /// Readers see a later day, and would go back: announce it by force, or as a rollback, if that is meant.
    #[error(
        "snapshot {snapshot_id} is written but not announced: {later} is announced, and readers would go back to {day}; \
         run the day again with --force to do that"
    )]
    OlderDay { snapshot_id: String, day: Day, later: Day },
    /// Rows could not be laid out as Parquet.
    #[error("cannot encode {part} as Parquet")]
    Encode {
        part: String,
        #[source]
        source: parquet::errors::ParquetError,
    },
}

impl Fault for SnapshotError {
    fn kind(&self) -> FaultKind {
        match self {
            Self::Bucket(error) => error.kind(),
            Self::Damaged { .. }
            | Self::UnsupportedFormat { .. }
            | Self::NonDeterministic { .. }
            | Self::GatesFailed { .. } => FaultKind::Data,
            Self::LostRace { .. } | Self::OlderDay { .. } => FaultKind::LostRace,
            Self::Incomplete { .. } => FaultKind::Unavailable,
            Self::BadRows { .. } | Self::Encode { .. } => FaultKind::Internal,
        }
    }
}

impl SnapshotError {
    pub(crate) fn damaged(key: &str, reason: impl std::fmt::Display) -> Self {
        Self::Damaged { key: key.to_owned(), reason: reason.to_string() }
    }
}
