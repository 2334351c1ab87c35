//! Which exit code an error of the bucket means: what the caller of the program can do about it.

use dayvec_bucket::BucketError;
use dayvec_registry::RegistryError;
use dayvec_runtime::{Exit, OrExit as _};
use dayvec_sequences::SequencesError;
use dayvec_snapshot::SnapshotError;

/// Give an error of the bucket, or of a snapshot in it, its exit code.
pub(crate) trait OrStoreExit<T> {
    fn or_store_exit(self) -> anyhow::Result<T>;
}

impl<T> OrStoreExit<T> for Result<T, BucketError> {
    fn or_store_exit(self) -> anyhow::Result<T> {
        let exit = self.as_ref().err().map(of_bucket);
        self.or_exit(exit.unwrap_or(Exit::Unavailable))
    }
}

impl<T> OrStoreExit<T> for Result<T, SnapshotError> {
    fn or_store_exit(self) -> anyhow::Result<T> {
        let exit = self.as_ref().err().map(of_snapshot);
        self.or_exit(exit.unwrap_or(Exit::Unavailable))
    }
}

impl<T> OrStoreExit<T> for Result<T, RegistryError> {
    fn or_store_exit(self) -> anyhow::Result<T> {
        let exit = self.as_ref().err().map(of_registry);
        self.or_exit(exit.unwrap_or(Exit::Unavailable))
    }
}

impl<T> OrStoreExit<T> for Result<T, SequencesError> {
    fn or_store_exit(self) -> anyhow::Result<T> {
        let exit = self.as_ref().err().map(of_sequences);
        self.or_exit(exit.unwrap_or(Exit::Unavailable))
    }
}

fn of_sequences(error: &SequencesError) -> Exit {
    match error {
        SequencesError::Bucket(error) => of_bucket(error),
        SequencesError::BadUrl { .. } => Exit::BadConfig,
        _ => Exit::BadData,
    }
}

fn of_bucket(error: &BucketError) -> Exit {
    match error {
        BucketError::BadUrl { .. } | BucketError::CreateNotHonoured { .. } => Exit::BadConfig,
        BucketError::NotFound { .. }
        | BucketError::BadKey { .. }
        | BucketError::AlreadyThere { .. }
        | BucketError::Damaged { .. } => Exit::BadData,
        _ => Exit::Unavailable,
    }
}

fn of_snapshot(error: &SnapshotError) -> Exit {
    match error {
        SnapshotError::Bucket(error) => of_bucket(error),
        SnapshotError::LostRace { .. } => Exit::LostRace,
        _ => Exit::BadData,
    }
}

fn of_registry(error: &RegistryError) -> Exit {
    match error {
        RegistryError::Bucket(error) => of_bucket(error),
        RegistryError::LostRace { .. } => Exit::LostRace,
        _ => Exit::BadData,
    }
}
