//! Following the announcements: open the newest snapshot beside the served one, then swap.
//!
//! Only announced and verified snapshots are served. Whatever fails, the current snapshot stays in service.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dayvec_bucket::{Bucket, DamagedRecord, Tail};
use dayvec_core::Shard;
use dayvec_runtime::OrFault as _;
use dayvec_runtime::service::Health;
use dayvec_snapshot::{
    Announcement, ElementType, Manifest, Part, announcements_after, last_announcements, read_items_part,
    read_manifest, read_users_part,
};
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use tokio_util::sync::CancellationToken;

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
    /// Manifests and announcements that were refused, by key: when, and why.
    refused: HashMap<String, (Instant, String)>,
    /// Whether the cache folder has a record of what is served.
    is_noted: bool,
}

impl Refresher {
    /// Open the bucket and take the cache folder.
    pub(crate) fn new(config: &Config, serving: Arc<Serving>, health: Health) -> anyhow::Result<Self> {
        let bucket = Bucket::open(&config.bucket).or_fault()?;
        let cache = Cache::open(&config.cache_dir, config.bucket.as_str(), config.shard).or_fault()?;
        let (cache, refused, is_noted) = (Arc::new(cache), HashMap::new(), true);
        let &Config { refresh: timing, shard, .. } = config;
        Ok(Self { bucket, cache, serving, health, timing, shard, refused, is_noted })
    }

    /// Refresh until `shutdown`.
    ///
    /// # Errors
    /// When the first read of the bucket fails and nothing is cached: the URL is probably wrong.
    pub(crate) async fn run(&mut self, shutdown: &CancellationToken) -> anyhow::Result<()> {
        self.restore().await;
        let mut is_first = true;
        loop {
            let looked = shutdown.run_until_cancelled(self.look()).await;
            // Never interrupted: the next process may take the folder as soon as this one is done with it.
            let noted = self.note().await;
            let Some(looked) = looked else { return Ok(()) };
            let looked = noted.and(looked);
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
                (Ok(why), None) if is_first && why.is_empty() => tracing::warn!(
                    bucket = %self.bucket.url(),
                    "no snapshot is announced in this bucket yet; calls get UNAVAILABLE until one is"
                ),
                _ => {}
            }
            is_first = false;
            let wait = tokio::time::sleep(self.wait());
            if shutdown.run_until_cancelled(wait).await.is_none() {
                return Ok(());
            }
        }
    }

    /// Serve what was served before the restart.
    async fn restore(&mut self) {
        let cache = Arc::clone(&self.cache);
        let found = blocking(move || cache.current()).await;
        if let Some((current, index)) = found {
            match Snapshot::new(index) {
                Ok(snapshot) => self.serve(Arc::new(snapshot), current.announcement).await,
                Err(error) => tracing::warn!(%error, "the cached index can't be used; a new one is built"),
            }
        }
    }

    /// Record in the cache folder what is served, for the next start. It is tried again at each refresh until it works:
    /// a full disk must not keep a whole index from being served.
    async fn note(&mut self) -> Result<(), LookupError> {
        let Some(served) = self.serving.get().clone().filter(|_| !self.is_noted) else { return Ok(()) };
        let cache = Arc::clone(&self.cache);
        let noted = blocking(move || {
            let manifest = served.current.about.manifest.clone();
            let previous = served.previous.as_ref().map(|previous| previous.about.manifest.as_str());
            let keep: Vec<&str> = previous.into_iter().chain([manifest.as_str()]).collect();
            cache.note(&Current { announcement: served.announcement, manifest: manifest.clone() }, &keep)
        });
        noted.await?;
        self.is_noted = true;
        Ok(())
    }

    /// Read the announcements once. Returns why the newest one is not served, or an empty text.
    async fn look(&mut self) -> Result<String, LookupError> {
        let served = self.serving.get().as_ref().map_or(0, |served| served.announcement);
        let Tail { newest, damaged, last } = last_announcements(&self.bucket).await?;
        if last < served {
            return Err(LookupError::AnnouncementsGone { last, served });
        }
        for record in &damaged {
            self.note_damage(record);
        }
        let mut why =
            damaged.first().map_or_else(String::new, |record| refusal(record.number, &record.reason));
        // An announcement that was served and is damaged since leaves an older one as the newest.
        let Some(newest) = newest.filter(|newest| newest.sequence >= served) else { return Ok(why) };
        if newest.sequence == served || self.take(&newest).await? {
            return Ok(why);
        }
        if why.is_empty() {
            let refused = self.refused.get(&newest.manifest).map_or("", |(_, why)| why);
            why = refusal(newest.sequence, refused);
        }
        // The last good snapshot is the one announced last that can be served.
        for older in announcements_after(&self.bucket, served).await?.whole.iter().rev().skip(1) {
            if self.take(older).await? {
                break;
            }
        }
        Ok(why)
    }

    /// Count and log a damaged announcement, once in a while: it is read again at each refresh.
    fn note_damage(&mut self, record: &DamagedRecord) {
        if self.is_refused(&record.key) {
            return;
        }
        meter::swap(SwapOutcome::Refused);
        tracing::error!(
            announcement = record.number,
            error = record.reason,
            "announcement refused; the newest whole one is served"
        );
        self.refused.insert(record.key.clone(), (Instant::now(), record.reason.clone()));
    }

    /// Whether a manifest or an announcement was refused lately.
    fn is_refused(&self, key: &str) -> bool {
        self.refused.get(key).is_some_and(|(at, _)| at.elapsed() < RETRY_REFUSED)
    }

    /// Serve the snapshot that `announcement` names; false when it is refused.
    async fn take(&mut self, announcement: &Announcement) -> Result<bool, LookupError> {
        let manifest = &announcement.manifest;
        if self.is_refused(manifest) {
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
            // A snapshot that makes a reader panic is one bad snapshot, and not the end of the service.
            None => match AssertUnwindSafe(self.open(manifest)).catch_unwind().await {
                Ok(opened) => opened.map(Arc::new),
                Err(_) => Err(LookupError::BadSnapshot("reading it panicked; see the log".to_owned())),
            },
        };
        match opened {
            Ok(snapshot) => {
                self.refused.remove(manifest);
                self.tell_of_an_older_day(&snapshot, announcement);
                self.serve(snapshot, announcement.sequence).await;
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

    async fn serve(&mut self, snapshot: Arc<Snapshot>, announcement: u64) {
        let before = self.serving.get().as_ref().map(|served| Arc::clone(&served.current));
        tracing::info!(snapshot = snapshot.about.snapshot_id, announcement, "serving");
        meter::snapshot(before.as_deref(), &snapshot);
        meter::swap(SwapOutcome::Swapped);
        self.serving.swap(snapshot, announcement);
        self.is_noted = false;
        self.health.set(true).await;
    }

    /// Say that readers go back to an earlier day, and why.
    fn tell_of_an_older_day(&self, next: &Snapshot, announcement: &Announcement) {
        let served = self.serving.get();
        let Some(served) = served.as_ref().filter(|served| served.current.about.day > next.about.day) else {
            return;
        };
        let Announcement { sequence, reason, by, forced, .. } = announcement;
        meter::went_back(*reason);
        tracing::warn!(
            from = %served.current.about.day,
            to = %next.about.day,
            announcement = sequence,
            ?reason,
            by,
            forced,
            "readers go back to an earlier day"
        );
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
                let laid_out = lay_out(&self.bucket, manifest, self.shard, &unfinished).await;
                let index = laid_out.and_then(|index| {
                    std::fs::rename(&unfinished, &path).map_err(LookupError::disk("rename", &path))?;
                    Ok(index)
                });
                if index.is_err() {
                    // It may be what filled the disk. The error that is reported is the one before.
                    let _gone = std::fs::remove_file(&unfinished);
                }
                index?
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

fn refusal(announcement: u64, why: &str) -> String {
    format!("announcement {announcement} is refused: {why}")
}

/// Run work that waits for the disk away from the threads that serve the network.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}
