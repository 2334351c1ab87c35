//! The cache folder: index files, and a record of which one was served last.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use dayvec_core::Shard;
use serde::{Deserialize, Serialize};

use crate::LookupError;
use crate::index::Index;

/// Name of the record of what was served last.
const CURRENT: &str = "current.json";

/// End of the name of an index that is being built.
const UNFINISHED: &str = ".unfinished";

/// Folder of a bucket's indexes; the process that has it holds a lock.
#[derive(Debug)]
pub(crate) struct Cache {
    dir: PathBuf,
    shard: Shard,
    /// Released when the process ends, however it ends.
    _lock: File,
}

/// What was served last.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Current {
    pub(crate) announcement: u64,
    /// Key of the manifest.
    pub(crate) manifest: String,
}

impl Cache {
    /// Take the folder of the bucket `url` under `dir`, for indexes of `shard`; those of another shard are not used, and
    /// are removed by the next [`Cache::note`].
    pub(crate) fn open(dir: &Path, url: &str, shard: Shard) -> Result<Self, LookupError> {
        let name = &blake3::hash(url.as_bytes()).to_hex()[..16];
        let dir = dir.join(name);
        fs::create_dir_all(&dir).map_err(LookupError::disk("create", &dir))?;
        let lock_path = dir.join("lock");
        let lock = File::create(&lock_path).map_err(LookupError::disk("create", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(LookupError::CacheInUse(dir)),
            Err(fs::TryLockError::Error(source)) => {
                return Err(LookupError::disk("lock", &lock_path)(source));
            }
        }
        let cache = Self { dir, shard, _lock: lock };
        // What a process was building when it was killed is of no use, and takes space.
        cache.remove(|name| name.ends_with(UNFINISHED));
        Ok(cache)
    }

    /// Path of the finished index of a manifest.
    pub(crate) fn index_path(&self, manifest: &str) -> PathBuf {
        self.dir.join(self.index_name(manifest))
    }

    /// Path of an index that is being built.
    pub(crate) fn unfinished_path(&self, manifest: &str) -> PathBuf {
        self.dir.join(format!("{}{UNFINISHED}", self.index_name(manifest)))
    }

    /// The index that was served last, if it is there and whole.
    pub(crate) fn current(&self) -> Option<(Current, Index)> {
        let text = fs::read(self.dir.join(CURRENT)).ok()?;
        let current: Current = serde_json::from_slice(&text).ok()?;
        match Index::open(&self.index_path(&current.manifest)) {
            Ok(index) => Some((current, index)),
            Err(error) => {
                tracing::warn!(%error, "the cached index can't be used; a new one is built");
                None
            }
        }
    }

    /// Remove all indexes except those of the manifests `keep`, and record what is served now, unless the record says so
    /// already.
    pub(crate) fn note(&self, current: &Current, keep: &[&str]) -> Result<(), LookupError> {
        // First, for it makes space for the record.
        let keep: Vec<String> = keep.iter().map(|manifest| self.index_name(manifest)).collect();
        self.remove(|name| name.contains(".index") && !keep.iter().any(|kept| kept == name));
        let (path, new) = (self.dir.join(CURRENT), self.dir.join("current.new"));
        let text = serde_json::to_vec(current).unwrap_or_default();
        if fs::read(&path).is_ok_and(|noted| noted == text) {
            return Ok(());
        }
        let written = fs::write(&new, text).and_then(|()| fs::rename(&new, &path));
        written.map_err(LookupError::disk("write", &path))
    }

    /// Remove files by name.
    fn remove(&self, is_old: impl Fn(&str) -> bool) {
        for entry in fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            if entry.file_name().to_str().is_some_and(&is_old) {
                // A file that can't be removed now is removed next time.
                let _gone = fs::remove_file(entry.path());
            }
        }
    }

    /// Manifests are named by keys with slashes; files by the digest of that and of what they hold of it.
    fn index_name(&self, manifest: &str) -> String {
        let digest = blake3::hash(format!("{manifest} {}", self.shard).as_bytes());
        format!("{}.index", &digest.to_hex()[..32])
    }
}
