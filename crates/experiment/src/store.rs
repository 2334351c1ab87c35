//! The bucket from synchronous code. A program opens one [`Store`] and passes it down.

use std::path::Path;

use anyhow::Context;
use bytes::Bytes;
use dayvec_bucket::{Bucket, BucketError, Created};
use dayvec_registry::checkpoint;
use dayvec_runtime::fault::OrFault as _;
use tokio::runtime::Handle;

use crate::config::Config;

/// A bucket whose calls block until they are answered. Never use it on a thread of the async runtime.
#[derive(Debug, Clone)]
pub struct Store {
    runtime: Handle,
    bucket: Bucket,
}

impl Store {
    /// Open the bucket of a configuration; no request is sent yet. Calls run on `runtime`.
    ///
    /// # Errors
    /// When its URL is wrong.
    pub fn open(config: &Config, runtime: &Handle) -> anyhow::Result<Self> {
        let bucket = Bucket::open(&config.bucket).or_fault();
        let bucket = bucket.with_context(|| format!("open bucket {}", config.bucket))?;
        let bucket = bucket.with_single_publisher(config.raw.single_publisher);
        Ok(Self { runtime: runtime.clone(), bucket })
    }

    /// The bucket itself, for async code.
    #[must_use]
    pub const fn bucket(&self) -> &Bucket {
        &self.bucket
    }

    /// Wait for a future.
    pub fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// URL of a key, for messages.
    #[must_use]
    pub fn url(&self, key: &str) -> String {
        format!("{}/{key}", self.bucket.url().as_str().trim_end_matches('/'))
    }

    /// URL of a checkpoint.
    pub(crate) fn checkpoint_url(&self, model_id: &str) -> String {
        self.url(&checkpoint::folder(model_id))
    }

    /// Refuse a bucket that is out of reach, or that would overwrite, before hours of training.
    pub(crate) fn probe(&self) -> anyhow::Result<()> {
        let probed = self.block_on(self.bucket.probe_create());
        probed.or_fault().with_context(|| format!("probe bucket {}", self.bucket.url()))
    }

    /// Read an object; `None` where there is none.
    pub(crate) fn read(&self, key: &str) -> anyhow::Result<Option<Bytes>> {
        match self.block_on(self.bucket.get(key)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(BucketError::NotFound { .. }) => Ok(None),
            Err(error) => Err(error).or_fault().with_context(|| format!("read {}", self.url(key))),
        }
    }

    /// Write an object unless there is one.
    pub(crate) fn write_new(&self, key: &str, bytes: Vec<u8>) -> anyhow::Result<Created> {
        let written = self.block_on(self.bucket.put_new(key, bytes.into()));
        written.or_fault().with_context(|| format!("write {}", self.url(key)))
    }

    /// Copy the files under a prefix into a folder.
    pub(crate) fn fetch_dir(&self, prefix: &str, into: &Path) -> anyhow::Result<()> {
        let fetched = self.block_on(self.bucket.fetch_dir(prefix, into));
        fetched.or_fault().with_context(|| format!("fetch {}", self.url(prefix))).map(drop)
    }
}
