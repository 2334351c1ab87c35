//! Between a bucket and files on this machine.

use std::path::{Path, PathBuf};

use futures::TryStreamExt as _;
use tokio::fs;
use tokio::io::AsyncWriteExt as _;

use crate::{Bucket, BucketError, unique_name};

impl Bucket {
    /// Copy an object into the file `into`, which appears atomically; its folder is created if needed.
    ///
    /// # Errors
    /// As [`Bucket::get`], and [`BucketError::LocalFile`].
    pub async fn fetch(&self, key: &str, into: &Path) -> Result<(), BucketError> {
        let Some(size_bytes) = self.size_of(key).await? else {
            return Err(BucketError::NotFound { url: self.url().to_string(), key: key.to_owned() });
        };
        if let Some(folder) = into.parent() {
            fs::create_dir_all(folder).await.map_err(|error| BucketError::local("write", folder, error))?;
        }
        let name = into.file_name().unwrap_or_default().to_string_lossy();
        let partial = into.with_file_name(format!(".{name}.{}", unique_name()));
        let written = self.write_pieces(key, size_bytes, &partial).await;
        if written.is_err() {
            // the first error is the one to report
            let _ = fs::remove_file(&partial).await;
        }
        written?;
        fs::rename(&partial, into).await.map_err(|error| BucketError::local("write", into, error))
    }

    async fn write_pieces(&self, key: &str, size_bytes: u64, path: &Path) -> Result<(), BucketError> {
        let failed = |error| BucketError::local("write", path, error);
        let mut file = fs::File::create(path).await.map_err(failed)?;
        let mut pieces = self.pieces(key, size_bytes)?;
        while let Some(piece) = pieces.try_next().await? {
            file.write_all(&piece).await.map_err(failed)?;
        }
        file.flush().await.map_err(failed)
    }

    /// Copy every object under a prefix into the folder `into`, keeping what follows the prefix as the path.
    /// Returns the files in the order of their keys.
    ///
    /// # Errors
    /// [`BucketError::NotFound`] when the prefix is empty, else as [`Self::fetch`].
    pub async fn fetch_dir(&self, prefix: &str, into: &Path) -> Result<Vec<PathBuf>, BucketError> {
        let prefix = prefix.trim_end_matches('/');
        let entries = self.list(prefix).await?;
        if entries.is_empty() {
            return Err(BucketError::NotFound { url: self.url().to_string(), key: format!("{prefix}/") });
        }
        let mut files = Vec::with_capacity(entries.len());
        for entry in entries {
            let below = entry.key.strip_prefix(prefix).unwrap_or(&entry.key).trim_start_matches('/');
            let file = into.join(below);
            self.fetch(&entry.key, &file).await?;
            files.push(file);
        }
        Ok(files)
    }

    /// Create an object from every file under the folder `from`, one after another in the order of their names, so
    /// that a reader can take the last as the sign that all exist. Objects that already exist are left as they are.
    ///
    /// # Errors
    /// [`BucketError::AlreadyThere`] when an object has other bytes, [`BucketError::LocalFile`], else as
    /// [`Bucket::put_part`].
    pub async fn upload_dir(&self, from: &Path, prefix: &str) -> Result<(), BucketError> {
        let mut files = Vec::new();
        let mut folders = vec![from.to_owned()];
        while let Some(folder) = folders.pop() {
            let failed = |error| BucketError::local("read", &folder, error);
            let mut entries = fs::read_dir(&folder).await.map_err(failed)?;
            while let Some(entry) = entries.next_entry().await.map_err(failed)? {
                let is_folder = entry.file_type().await.map_err(failed)?.is_dir();
                if is_folder { &mut folders } else { &mut files }.push(entry.path());
            }
        }
        files.sort_unstable();
        for file in files {
            let bytes = fs::read(&file).await.map_err(|error| BucketError::local("read", &file, error))?;
            let below = file.strip_prefix(from).unwrap_or(&file);
            let below = below.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/");
            let key = format!("{}/{below}", prefix.trim_end_matches('/'));
            self.put_part(&key, bytes.into()).await?;
        }
        Ok(())
    }
}
