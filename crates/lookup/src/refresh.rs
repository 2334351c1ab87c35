//! Following the announcements: open the newest snapshot beside the served one, then swap.
//!
//! Only announced and verified snapshots are served. Whatever fails, the current snapshot stays in service.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dayvec_bucket::Bucket;
use dayvec_core::Shard;
use dayvec_runtime::OrFault as _;
use dayvec_runtime::service::Health;
use dayvec_snapshot::{
    Announcement, ElementType, Manifest, Part, announcements_after, newest_announcement, read_items_part,
    read_manifest, read_users_part,
};
use futures::{StreamExt as _, TryStreamExt as _};

use crate::LookupError;
use crate::cache::{Cache, Current};
use crate::config::{Config, Refresh};
use crate::index::{Element, Index, IndexBuilder, Shape};
use crate::meter::{self, SwapOutcome};
use crate::serving::{About, Serving, Snapshot};

/// Number of parts fetched ahead of the one that is being written; each is held in memory.
const PARTS_AHEAD: usize = 2;

/// A refused snapshot is tried again after this long: someone may have restored its object.
const RETRY_REFUSED: Duration = Duration::from_secs(600);

/// Keeps what is served up to date.
#[derive(Debug)]
pub(crate) struct Refresher {
    bucket: Bucket,
    cache: Arc<Cache>,
    serving: Arc<Serving>,
    health: Health,
    timing: Refresh,
    shard: Shard,
    /// Manifests that were refused: when, and why.
    refused: HashMap<String, (Instant, String)>,
}

impl Refresher {
    /// Open the bucket and take the cache folder.
    pub(crate) fn new(config: &Config, serving: Arc<Serving>, health: Health) -> anyhow::Result<Self> {
        let bucket = Bucket::open(&config.bucket).or_fault()?;
        let cache = Cache::open(&config.cache_dir, config.bucket.as_str(), config.shard).or_fault()?;
        let (cache, refused) = (Arc::new(cache), HashMap::new());
        let &Config { refresh: timing, shard, .. } = config;
        Ok(Self { bucket, cache, serving, health, timing, shard, refused })
    }

    /// Refresh forever.
    ///
    /// # Errors
    /// When the first read of the bucket fails and nothing is cached: the URL is probably wrong.
    pub(crate) async fn run(&mut self) -> anyhow::Result<()> {
        self.restore().await?;
        let mut is_first = true;
        loop {
            let looked = self.look().await;
            if let Err(error) = &looked {
                meter::swap(SwapOutcome::Failed);
                tracing::warn!(
                    error = error.chain(),
                    "refresh failed; the current snapshot stays in service"
                );
            }
            self.serving.refreshed(looked.as_ref().map_or_else(LookupError::chain, Clone::clone));
            let served = self.serving.get().clone();
            match (looked, &served) {
                (Err(error), None) if is_first => return Err(error).or_fault(),
                (_, Some(served)) => meter::age(served),
                (Ok(_), None) if is_first => tracing::warn!(
                    bucket = %self.bucket.url(),
                    "no snapshot is announced in this bucket yet; calls get UNAVAILABLE until one is"
                ),
                _ => {}
            }
            is_first = false;
            tokio::time::sleep(self.wait()).await;
        }
    }

    /// Serve what was served before the restart.
    async fn restore(&self) -> anyhow::Result<()> {
        let cache = Arc::clone(&self.cache);
        let found = blocking(move || cache.current()).await;
        if let Some((current, index)) = found {
            match Snapshot::new(index) {
                Ok(snapshot) => self.serve(Arc::new(snapshot), current.announcement).await.or_fault()?,
                Err(error) => tracing::warn!(%error, "the cached index can't be used; a new one is built"),
            }
        }
        Ok(())
    }

    /// Read the announcements once. Returns why the newest one is not served, or an empty text.
    async fn look(&mut self) -> Result<String, LookupError> {
        let served = self.serving.get().as_ref().map_or(0, |served| served.announcement);
        let Some(newest) = newest_announcement(&self.bucket).await? else { return Ok(String::new()) };
        if newest.sequence == served || self.take(&newest).await? {
            return Ok(String::new());
        }
        let (_, why) = self.refused.get(&newest.manifest).cloned().unwrap_or((Instant::now(), String::new()));
        // The last good snapshot is the one announced last that can be served.
        for older in announcements_after(&self.bucket, served).await?.iter().rev().skip(1) {
            if self.take(older).await? {
                break;
            }
        }
        Ok(format!("announcement {} is refused: {why}", newest.sequence))
    }

    /// Serve the snapshot that `announcement` names; false when it is refused.
    async fn take(&mut self, announcement: &Announcement) -> Result<bool, LookupError> {
        let manifest = &announcement.manifest;
        if self.refused.get(manifest).is_some_and(|(at, _)| at.elapsed() < RETRY_REFUSED) {
            return Ok(false);
        }
        let served = self.serving.get().clone();
        if served.as_ref().is_some_and(|served| &served.current.about.manifest == manifest) {
            self.serving.announced_again(announcement.sequence);
            return Ok(true);
        }
        let warm = served.as_ref().and_then(|served| served.previous.clone());
        let opened = match warm.filter(|previous| &previous.about.manifest == manifest) {
            Some(previous) => Ok(previous),
            None => self.open(manifest).await.map(Arc::new),
        };
        match opened {
            Ok(snapshot) => {
                self.refused.remove(manifest);
                self.serve(snapshot, announcement.sequence).await?;
                Ok(true)
            }
            Err(error) if error.is_refusal() => {
                meter::swap(SwapOutcome::Refused);
                tracing::error!(
                    manifest,
                    error = error.chain(),
                    "snapshot refused; the current snapshot stays in service"
                );
                self.refused.insert(manifest.clone(), (Instant::now(), error.chain()));
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    async fn serve(&self, snapshot: Arc<Snapshot>, announcement: u64) -> Result<(), LookupError> {
        let before = self.serving.get().as_ref().map(|served| Arc::clone(&served.current));
        let manifest = snapshot.about.manifest.clone();
        tracing::info!(snapshot = snapshot.about.snapshot_id, announcement, "serving");
        meter::snapshot(before.as_deref(), &snapshot);
        meter::swap(SwapOutcome::Swapped);
        self.serving.swap(snapshot, announcement);
        self.health.set(true).await;
        let keep: Vec<String> = before.iter().map(|before| before.about.manifest.clone()).collect();
        let cache = Arc::clone(&self.cache);
        blocking(move || {
            let mut keep: Vec<&str> = keep.iter().map(String::as_str).collect();
            keep.push(&manifest);
            cache.note(&Current { announcement, manifest: manifest.clone() }, &keep)
        })
        .await
    }

    /// Open the index of a manifest, from the cache if it is there, else from the bucket.
    async fn open(&self, manifest: &str) -> Result<Snapshot, LookupError> {
        let start = Instant::now();
        let path = self.cache.index_path(manifest);
        let cached = {
            let path = path.clone();
            blocking(move || path.exists().then(|| Index::open(&path))).await
        };
        let index = match cached {
            Some(Ok(index)) => index,
            Some(Err(_)) | None => {
                let unfinished = self.cache.unfinished_path(manifest);
                let index = lay_out(&self.bucket, manifest, self.shard, &unfinished).await?;
                std::fs::rename(&unfinished, &path).map_err(LookupError::disk("rename", &path))?;
                index
            }
        };
        let snapshot = Snapshot::new(index)?;
        meter::opened(start.elapsed());
        Ok(snapshot)
    }

    /// Time until the next refresh.
    fn wait(&self) -> Duration {
        let uniform = RandomState::new().hash_one(0) as f64 / u64::MAX as f64;
        self.timing.interval.mul_f64(1.0 + self.timing.jitter * (2.0 * uniform - 1.0))
    }
}

/// Fetch the shard's parts of a snapshot, verify each, and build the index at `path`. Only a few parts are in memory at
/// a time.
async fn lay_out(bucket: &Bucket, key: &str, shard: Shard, path: &Path) -> Result<Index, LookupError> {
    let manifest = read_manifest(bucket, key).await?;
    let about = About {
        snapshot_id: manifest.snapshot_id.clone(),
        model_id: manifest.model_id.clone(),
        tower_pair_id: manifest.tower_pair_id.clone(),
        day: manifest.day,
        manifest: key.to_owned(),
        n_buckets: manifest.n_buckets,
        shard,
    };
    let buckets = about.buckets();
    if buckets.is_empty() {
        let reason = format!("none of its {} buckets of users is in shard {shard}", manifest.n_buckets);
        return Err(LookupError::BadSnapshot(reason));
    }
    let (counted, listed) = (n_users(&manifest.user_parts), manifest.totals.users);
    if counted != listed {
        let reason = format!("its parts contain {counted} users, but its manifest says {listed}");
        return Err(LookupError::BadSnapshot(reason));
    }
    let user_parts = manifest.user_parts[buckets.start as usize..buckets.end as usize].to_vec();
    let path = path.to_owned();
    let shape = shape(&manifest, &user_parts);
    let mut builder = blocking(move || IndexBuilder::create(&path, shape)).await?;

    // Each future owns its part: borrowed ones would not be general enough for a spawned task.
    let parts = futures::stream::iter(user_parts);
    let read = |part| async move { read_users_part(bucket, &part).await };
    let mut users = parts.map(read).buffered(PARTS_AHEAD);
    while let Some(block) = users.try_next().await? {
        builder = blocking(move || builder.add_users(&block).map(|()| builder)).await?;
    }
    let parts = futures::stream::iter(manifest.item_parts.clone());
    let read = |part| async move { read_items_part(bucket, &part).await };
    let mut items = parts.map(read).buffered(PARTS_AHEAD);
    while let Some(block) = items.try_next().await? {
        builder = blocking(move || builder.add_items(&block.ids, &block.values).map(|()| builder)).await?;
    }
    let about = serde_json::to_vec(&about).expect("plain text fields");
    blocking(move || builder.finish(&about)).await
}

fn n_users(parts: &[Part]) -> u64 {
    parts.iter().map(|part| part.rows).sum()
}

fn shape(manifest: &Manifest, user_parts: &[Part]) -> Shape {
    Shape {
        dim: manifest.dim,
        element: match manifest.element_type {
            ElementType::F32 => Element::F32,
            ElementType::F16 => Element::F16,
        },
        n_users: n_users(user_parts) as usize,
        n_items: manifest.totals.items as usize,
    }
}

/// Run work that waits for the disk away from the threads that serve the network.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}
