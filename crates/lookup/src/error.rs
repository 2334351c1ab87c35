//! What can go wrong in the lookup, by what an operator can do about it.

use std::io;
use std::path::{Path, PathBuf};

use dayvec_core::{Fault, FaultKind};
use dayvec_snapshot::SnapshotError;

/// Why there is nothing to serve, or nothing newer.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are what the message says")]
pub enum LookupError {
    /// The bucket or the snapshot in it failed; see the variant inside.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// The snapshot contradicts itself; it must not be served.
    #[error("the snapshot can't be served: {0}")]
    BadSnapshot(String),
    /// The index file is torn, corrupt, or of another version; it is built again.
    #[error("the index file {} can't be used: {reason}", path.display())]
    CorruptIndex { path: PathBuf, reason: String },
    /// The disk of the cache folder failed: check permissions and free space.
    #[error("can't {verb} {}; check that the cache folder is writable and has free space", path.display())]
    Disk {
        verb: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// The log of announcements is shorter than what was read from it before: the bucket is not there, or was emptied.
    #[error(
        "the announcements of the bucket end at {last}, but announcement {served} is served: announcements are missing; \
         check that the bucket is the right one and is mounted. To serve an older one on purpose, start with an empty \
         cache folder"
    )]
    AnnouncementsGone { last: u64, served: u64 },
    /// Another process has the cache folder.
    #[error("another process uses the cache folder {}; give each process its own `cache_dir`", .0.display())]
    CacheInUse(PathBuf),
}

impl LookupError {
    /// What the disk did not do with `path`.
    pub(crate) fn disk(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Disk { verb, path, source }
    }

    /// Whether the snapshot itself is bad, so that an older one is the better answer.
    pub(crate) const fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::BadSnapshot(_)
                | Self::Snapshot(SnapshotError::Damaged { .. } | SnapshotError::UnsupportedFormat { .. })
        ) || matches!(self, Self::Snapshot(SnapshotError::Bucket(error)) if error.is_of_one_object())
    }

    /// The error with its causes, in one line.
    pub(crate) fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(&format!(": {error}"));
            cause = error.source();
        }
        text
    }
}

impl Fault for LookupError {
    fn kind(&self) -> FaultKind {
        match self {
            Self::Snapshot(error) => error.kind(),
            Self::BadSnapshot(_) | Self::CorruptIndex { .. } => FaultKind::Data,
            Self::Disk { .. } | Self::AnnouncementsGone { .. } => FaultKind::Unavailable,
            Self::CacheInUse(_) => FaultKind::LostRace,
        }
    }
}
