//! The bucket from synchronous code, and input from wherever it is.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use bytes::Bytes;
use dayvec_bucket::{Bucket, BucketError, Created};
use dayvec_runtime::{Exit, OrExit};
use tokio::runtime::Runtime;
use url::Url;

/// A bucket whose calls wait for their answer.
#[derive(Debug)]
pub(crate) struct Store {
    runtime: Runtime,
    bucket: Bucket,
}

impl Store {
    /// Open the bucket at `url`; nothing is asked of it yet.
    pub(crate) fn open(url: &Url, single_publisher: bool) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let bucket = told(Bucket::open(url), || format!("open bucket {url}"))?;
        Ok(Self { runtime, bucket: bucket.with_single_publisher(single_publisher) })
    }

    /// Wait for a call of the bucket.
    pub(crate) fn block_on<T>(&self, call: impl Future<Output = T>) -> T {
        self.runtime.block_on(call)
    }

    /// The bucket itself.
    pub(crate) const fn bucket(&self) -> &Bucket {
        &self.bucket
    }

    /// Where a key is, for messages.
    pub(crate) fn place(&self, key: &str) -> String {
        format!("{}/{key}", self.bucket.url().as_str().trim_end_matches('/'))
    }

    /// Read an object; `None` where there is none.
    pub(crate) fn read(&self, key: &str) -> anyhow::Result<Option<Bytes>> {
        match self.runtime.block_on(self.bucket.get(key)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(BucketError::NotFound { .. }) => Ok(None),
            Err(error) => told(Err(error), || format!("read {}", self.place(key))),
        }
    }

    /// Write an object unless it is there.
    pub(crate) fn write_new(&self, key: &str, bytes: Vec<u8>) -> anyhow::Result<Created> {
        let written = self.runtime.block_on(self.bucket.put_new(key, bytes.into()));
        told(written, || format!("write {}", self.place(key)))
    }

    /// Refuse a bucket that can't be reached, or that would overwrite, before hours of training.
    pub(crate) fn probe(&self) -> anyhow::Result<()> {
        told(self.runtime.block_on(self.bucket.probe_create()), || {
            format!("probe bucket {}", self.bucket.url())
        })
    }

    /// Bring the files under a prefix into a folder.
    pub(crate) fn fetch_dir(&self, prefix: &str, into: &Path) -> anyhow::Result<Vec<PathBuf>> {
        let fetched = self.runtime.block_on(self.bucket.fetch_dir(prefix, into));
        told(fetched, || format!("fetch {}", self.place(prefix)))
    }

    fn fetch(&self, key: &str, into: &Path) -> anyhow::Result<()> {
        told(self.runtime.block_on(self.bucket.fetch(key, into)), || format!("fetch {}", self.place(key)))
    }
}

/// An error of the bucket with what was being done, and the exit code that says what the caller can do.
pub(crate) fn told<T>(result: Result<T, BucketError>, doing: impl FnOnce() -> String) -> anyhow::Result<T> {
    let exit = match &result {
        Err(BucketError::NotFound { .. } | BucketError::Damaged { .. }) => Exit::BadData,
        Err(BucketError::AlreadyThere { .. }) => Exit::LostRace,
        Err(
            BucketError::BadUrl { .. }
            | BucketError::BadKey { .. }
            | BucketError::Denied { .. }
            | BucketError::CreateNotHonoured { .. },
        ) => Exit::BadConfig,
        _ => Exit::Unavailable,
    };
    result.with_context(doing).or_exit(exit)
}

/// A local path of what is at `url`: itself where it is local, else a copy under `staging`.
pub(crate) fn stage(url: &Url, staging: &Path) -> anyhow::Result<PathBuf> {
    if url.scheme() == "file" {
        let path =
            url.to_file_path().map_err(|()| anyhow!("{url} is not a local path")).or_exit(Exit::BadConfig)?;
        if !path.exists() {
            return Err(anyhow!("there is no {}", path.display())).or_exit(Exit::BadData);
        }
        return Ok(path);
    }
    tracing::info!(%url, staging = %staging.display(), "fetching input");
    let name = url.path().rsplit('/').next().unwrap_or_default().to_owned();
    if !name.contains('.') {
        Store::open(url, true)?.fetch_dir("", staging)?;
        return Ok(staging.to_owned());
    }
    let mut parent = url.clone();
    parent.path_segments_mut().map_err(|()| anyhow!("{url} has no path")).or_exit(Exit::BadConfig)?.pop();
    let path = staging.join(&name);
    Store::open(&parent, true)?.fetch(&name, &path)?;
    Ok(path)
}
