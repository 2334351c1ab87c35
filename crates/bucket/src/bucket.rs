//! Objects by key: read, list, create.

use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt as _, PutMode, WriteMultipart};
use url::Url;

use crate::{BucketError, local_create, open};

/// Objects up to this size travel in one request; larger ones in pieces, so that no request outlasts its timeout.
const PIECE_BYTES: u64 = 16 << 20;
/// Number of pieces in flight at once.
const PIECES_AT_ONCE: usize = 4;

/// A prefix in an object store. Cheap to clone; clones share connections.
#[derive(Clone)]
pub struct Bucket {
    pub(crate) store: Arc<dyn ObjectStore>,
    url: Url,
    root: Path,
    single_publisher: bool,
}

/// Whether a create-if-absent created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// The object is this caller's.
    Yes,
    /// The key is taken by another object, perhaps with the same bytes; it was left as it is.
    AlreadyThere,
}

/// An object in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its key, from the bucket's root.
    pub key: String,
    /// Its size.
    pub size_bytes: u64,
    /// When it was written, by the store's clock.
    pub modified: SystemTime,
}

impl Bucket {
    /// Open a bucket with the options of the environment. No request is made yet; a local folder is created by the
    /// first write.
    ///
    /// `file:///folder`, `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix`, or `memory:///`
    /// (a new empty one each time; clone it to share it).
    ///
    /// # Errors
    /// [`BucketError::BadUrl`] for any other URL, or when the environment lacks what the store needs.
    pub fn open(url: &Url) -> Result<Self, BucketError> {
        let environment = std::env::vars_os();
        Self::open_with(
            url,
            environment.filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))),
        )
    }

    /// Open a bucket with the options given, named as in the environment, and no others.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with(
        url: &Url,
        options: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, BucketError> {
        let (store, root) = open::open(url, options.into_iter().collect())?;
        Ok(Self { store, url: url.clone(), root, single_publisher: false })
    }

    /// A bucket over an existing store: for tests that make a store fail.
    #[must_use]
    pub fn over(store: Arc<dyn ObjectStore>, url: &Url) -> Self {
        Self { store, url: url.clone(), root: Path::default(), single_publisher: false }
    }

    /// Rely on there being only one writer: a key is looked up before it is created, and
    /// [`Self::probe_create`] accepts a store that does not honour create-if-absent.
    #[must_use]
    pub fn with_single_publisher(self, single_publisher: bool) -> Self {
        Self { single_publisher, ..self }
    }

    /// The URL it was opened by.
    #[must_use]
    pub const fn url(&self) -> &Url {
        &self.url
    }

    /// Path of an object on this machine's disk; `None` in a remote store.
    #[must_use]
    pub fn local_path(&self, key: &str) -> Option<PathBuf> {
        let root = (self.url.scheme() == "file").then(|| self.url.to_file_path().ok())??;
        Some(root.join(key))
    }

    pub(crate) fn path(&self, key: &str) -> Result<Path, BucketError> {
        let path = Path::parse(key).map_err(|_| BucketError::BadKey { key: key.to_owned() })?;
        Ok(self.root.parts().chain(path.parts()).collect())
    }

    pub(crate) fn error(&self, action: &'static str, key: &str, source: object_store::Error) -> BucketError {
        BucketError::of_store(&self.url, action, key, source)
    }

    /// Read an object.
    ///
    /// # Errors
    /// [`BucketError::NotFound`], [`BucketError::Unreachable`], [`BucketError::Denied`].
    pub async fn get(&self, key: &str) -> Result<Bytes, BucketError> {
        let path = self.path(key)?;
        let failed = |error| self.error("read", key, error);
        let result = self.store.get(&path).await.map_err(failed)?;
        let size_bytes = result.meta.size;
        if size_bytes <= PIECE_BYTES || self.url.scheme() == "file" {
            return result.bytes().await.map_err(failed);
        }
        drop(result);
        let mut whole = Vec::with_capacity(usize::try_from(size_bytes).unwrap_or_default());
        let mut pieces = self.pieces(key, size_bytes)?;
        while let Some(piece) = pieces.try_next().await? {
            whole.extend_from_slice(&piece);
        }
        Ok(whole.into())
    }

    /// An object's bytes in order, piece by piece.
    pub(crate) fn pieces<'a>(
        &'a self,
        key: &'a str,
        size_bytes: u64,
    ) -> Result<futures::stream::BoxStream<'a, Result<Bytes, BucketError>>, BucketError> {
        let path = self.path(key)?;
        let starts = (0..size_bytes).step_by(PIECE_BYTES as usize);
        let ranges = starts.map(move |start| start..(start + PIECE_BYTES).min(size_bytes));
        let read = move |range: Range<u64>| {
            let path = path.clone();
            async move { self.store.get_range(&path, range).await.map_err(|error| self.error("read", key, error)) }
        };
        Ok(futures::stream::iter(ranges).map(read).buffered(PIECES_AT_ONCE).boxed())
    }

    /// Size of an object; `None` if it does not exist.
    ///
    /// # Errors
    /// [`BucketError::Unreachable`], [`BucketError::Denied`].
    pub async fn size_of(&self, key: &str) -> Result<Option<u64>, BucketError> {
        match self.store.head(&self.path(key)?).await {
            Ok(meta) => Ok(Some(meta.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.error("read", key, error)),
        }
    }

    /// Whether an object exists.
    ///
    /// # Errors
    /// [`BucketError::Unreachable`], [`BucketError::Denied`].
    pub async fn exists(&self, key: &str) -> Result<bool, BucketError> {
        Ok(self.size_of(key).await?.is_some())
    }

    /// Objects under a folder-like prefix, however deep, in the order of their keys. An empty prefix lists all.
    ///
    /// # Errors
    /// [`BucketError::Unreachable`], [`BucketError::Denied`]; a prefix without objects is an empty list.
    pub async fn list(&self, prefix: &str) -> Result<Vec<Entry>, BucketError> {
        self.list_after(prefix, None).await
    }

    /// Objects under a prefix whose keys come after `after`.
    ///
    /// # Errors
    /// As [`Self::list`].
    pub async fn list_after(&self, prefix: &str, after: Option<&str>) -> Result<Vec<Entry>, BucketError> {
        let path = self.path(prefix)?;
        let listed = match after {
            Some(after) => self.store.list_with_offset(Some(&path), &self.path(after)?),
            None => self.store.list(Some(&path)),
        };
        let found: Vec<_> = listed.try_collect().await.map_err(|error| self.error("list", prefix, error))?;
        let mut entries: Vec<Entry> = found
            .into_iter()
            .filter_map(|meta| {
                let key: Path = meta.location.prefix_match(&self.root)?.collect();
                let modified = SystemTime::from(meta.last_modified);
                Some(Entry { key: key.to_string(), size_bytes: meta.size, modified })
            })
            .collect();
        entries.sort_unstable_by(|a, b| a.key.cmp(&b.key));
        Ok(entries)
    }

    /// Create an object if its key is free, atomically.
    ///
    /// When the store's answer is lost on the way, the object is read back: equal bytes count as created.
    ///
    /// # Errors
    /// [`BucketError::Unreachable`], [`BucketError::Denied`].
    pub async fn put_new(&self, key: &str, bytes: Bytes) -> Result<Created, BucketError> {
        let path = self.path(key)?;
        if self.single_publisher && self.exists(key).await? {
            return Ok(Created::AlreadyThere);
        }
        match self.store.put_opts(&path, bytes.clone().into(), PutMode::Create.into()).await {
            Ok(_) => Ok(Created::Yes),
            // S3 also says so while another request is writing the key, which may yet come to nothing.
            Err(error @ object_store::Error::AlreadyExists { .. }) => match self.exists(key).await? {
                true => Ok(Created::AlreadyThere),
                false => Err(self.error("write", key, error)),
            },
            Err(object_store::Error::NotImplemented { .. }) => {
                Err(BucketError::CreateNotHonoured { url: self.url.to_string() })
            }
            Err(error) if local_create::lacks_hard_links(&self.url, &error) => {
                self.rename_new(key, bytes).await
            }
            Err(error @ object_store::Error::Generic { .. }) => match self.get(key).await {
                Ok(there) if there == bytes => Ok(Created::Yes),
                Ok(_) => Ok(Created::AlreadyThere),
                Err(_) => Err(self.error("write", key, error)),
            },
            Err(error) => Err(self.error("write", key, error)),
        }
    }

    /// Create a file on a file system without hard links, which the store needs for it.
    async fn rename_new(&self, key: &str, bytes: Bytes) -> Result<Created, BucketError> {
        let local = |error| BucketError::local("write", &PathBuf::from(key), error);
        let path = self.local_path(key).ok_or_else(|| BucketError::BadKey { key: key.to_owned() })?;
        let (attempt, alone) = (unique_number(), self.single_publisher);
        let create = move || local_create::create(&path, &bytes, attempt, alone);
        let created = tokio::task::spawn_blocking(create).await;
        match created.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic())) {
            Ok(true) => Ok(Created::Yes),
            Ok(false) => Ok(Created::AlreadyThere),
            Err(error) if error.kind() == std::io::ErrorKind::Unsupported => {
                Err(BucketError::NoHardLinks { url: self.url.to_string() })
            }
            Err(error) => Err(local(error)),
        }
    }

    /// Write an object of any size under a key that no other writer uses (see [`unique_name`]).
    ///
    /// A large object goes in pieces, for which no store offers create-if-absent; its key is looked up first.
    ///
    /// # Errors
    /// [`BucketError::AlreadyThere`] when the key is taken by other bytes, else as [`Self::put_new`].
    pub async fn put_part(&self, key: &str, bytes: Bytes) -> Result<(), BucketError> {
        let is_large = bytes.len() as u64 > PIECE_BYTES && !matches!(self.url.scheme(), "file" | "memory");
        let created = if !is_large {
            self.put_new(key, bytes.clone()).await?
        } else if self.exists(key).await? {
            Created::AlreadyThere
        } else {
            self.put_pieces(key, bytes.clone()).await?;
            Created::Yes
        };
        match created {
            Created::AlreadyThere if self.get(key).await? != bytes => {
                Err(BucketError::AlreadyThere { url: self.url.to_string(), key: key.to_owned() })
            }
            _ => Ok(()),
        }
    }

    async fn put_pieces(&self, key: &str, bytes: Bytes) -> Result<(), BucketError> {
        let failed = |error| self.error("write", key, error);
        let upload = self.store.put_multipart(&self.path(key)?).await.map_err(failed)?;
        let mut upload = WriteMultipart::new_with_chunk_size(upload, PIECE_BYTES as usize);
        for start in (0..bytes.len()).step_by(PIECE_BYTES as usize) {
            upload.wait_for_capacity(PIECES_AT_ONCE).await.map_err(failed)?;
            upload.put(bytes.slice(start..(start + PIECE_BYTES as usize).min(bytes.len())));
        }
        upload.finish().await.map_err(failed)?;
        Ok(())
    }

    /// Remove an object that no reader can refer to: an attempt that lost, or what garbage collection found.
    ///
    /// # Errors
    /// [`BucketError::Unreachable`], [`BucketError::Denied`]; a missing object is not an error.
    pub async fn discard(&self, key: &str) -> Result<(), BucketError> {
        match self.store.delete(&self.path(key)?).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.error("delete", key, error)),
        }
    }

    /// Write one scratch key twice, and refuse a store that accepts both, unless there is a single publisher.
    ///
    /// # Errors
    /// [`BucketError::CreateNotHonoured`], or what [`Self::put_new`] returns.
    pub async fn probe_create(&self) -> Result<(), BucketError> {
        let key = format!("probes/{}", unique_name());
        let as_any_publisher = Self { single_publisher: false, ..self.clone() };
        let first = as_any_publisher.put_new(&key, "first".into()).await?;
        let second = as_any_publisher.put_new(&key, "second".into()).await?;
        self.discard(&key).await?;
        match (first, second) {
            (Created::Yes, Created::AlreadyThere) => Ok(()),
            _ if self.single_publisher => Ok(()),
            _ => Err(BucketError::CreateNotHonoured { url: self.url.to_string() }),
        }
    }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Bucket").field(&self.url.as_str()).finish()
    }
}

/// 16 hexadecimal digits that no other attempt has: random, from time and process as well.
#[must_use]
pub fn unique_name() -> String {
    format!("{:016x}", unique_number())
}

fn unique_number() -> u64 {
    RandomState::new().hash_one((SystemTime::now(), std::process::id()))
}
