//! A store that stops working after some writes, and one that never forgives an overwrite.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use dayvec_bucket::Bucket;
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// Passes everything on to `inner`; after `writes_left` writes, and deletions, nothing works any more, as for a
/// process that was killed there. A write that could overwrite panics.
#[derive(Debug)]
pub(crate) struct Watched {
    inner: Arc<InMemory>,
    writes_left: AtomicUsize,
    writes: AtomicUsize,
}

impl Watched {
    pub(crate) fn bucket(inner: &Arc<InMemory>, writes_left: usize) -> (Bucket, Arc<Self>) {
        let (writes_left, writes) = (AtomicUsize::new(writes_left), AtomicUsize::new(0));
        let watched = Arc::new(Self { inner: inner.clone(), writes_left, writes });
        (Bucket::over(watched.clone(), &"memory:///watched".parse().unwrap()), watched)
    }

    pub(crate) fn n_writes(&self) -> usize {
        self.writes.load(Ordering::SeqCst)
    }

    fn alive(&self) -> Result<()> {
        if self.writes_left.load(Ordering::SeqCst) == 0 {
            return Err(object_store::Error::Generic { store: "watched", source: "killed".into() });
        }
        Ok(())
    }

    fn write(&self) -> Result<()> {
        self.alive()?;
        self.writes_left.fetch_sub(1, Ordering::SeqCst);
        self.writes.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

impl fmt::Display for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("watched")
    }
}

#[async_trait::async_trait]
impl ObjectStore for Watched {
    async fn put_opts(&self, at: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        assert!(matches!(options.mode, PutMode::Create), "{at} could be overwritten");
        self.write()?;
        self.inner.put_opts(at, payload, options).await
    }
    async fn put_multipart_opts(
        &self,
        at: &Path,
        _: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        panic!("{at} could be overwritten");
    }
    async fn get_opts(&self, at: &Path, options: GetOptions) -> Result<GetResult> {
        self.alive()?;
        self.inner.get_opts(at, options).await
    }
    async fn get_ranges(&self, at: &Path, ranges: &[Range<u64>]) -> Result<Vec<bytes::Bytes>> {
        self.alive()?;
        self.inner.get_ranges(at, ranges).await
    }
    fn delete_stream(&self, at: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        match self.write() {
            Ok(()) => self.inner.delete_stream(at),
            Err(error) => Box::pin(futures::stream::once(async { Err(error) })),
        }
    }
    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.alive() {
            Ok(()) => self.inner.list(prefix),
            Err(error) => Box::pin(futures::stream::once(async { Err(error) })),
        }
    }
    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.alive()?;
        self.inner.list_with_delimiter(prefix).await
    }
    async fn copy_opts(&self, _: &Path, to: &Path, _: CopyOptions) -> Result<()> {
        panic!("{to} could be overwritten");
    }
}
