//! What the bucket says: announcements, whole runs that were not announced, models and promotions.
//!
//! Records never change, so each is read once and kept as long as it is shown; only listings are asked for again. It
//! must never call a run current that no announcement names.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use dayvec_bucket::{Bucket, BucketError};
use dayvec_registry::{Promotion, checkpoints, key, newest_promotion, promotions};
use dayvec_snapshot::{Announcement, Manifest, SnapshotError, announcements_after, read_manifest};
use tokio::sync::Mutex;

use crate::fresh::Fresh;
use crate::outage::Outage;
use crate::report::Report;

/// The bucket, with what was read of it.
#[derive(Debug)]
pub(crate) struct Reader {
    bucket: Bucket,
    timeout: Duration,
    shown: usize,
    memory: Mutex<Memory>,
    fresh: Fresh<Result<Arc<Published>, Outage>>,
}

/// Records that were read. The announcements are all kept: only they tell that a run was never announced.
#[derive(Debug, Default)]
struct Memory {
    announcements: Vec<Announcement>,
    /// Newest first.
    promotions: Vec<Promotion>,
    manifests: HashMap<String, Arc<Manifest>>,
    reports: HashMap<String, Arc<Report>>,
}

/// What the bucket says, newest first.
#[derive(Debug)]
pub(crate) struct Published {
    /// The newest announcements.
    pub(crate) announced: Vec<Announced>,
    /// Runs with a manifest that no announcement names, from the oldest day of `announced` on.
    pub(crate) unannounced: Vec<Result<Arc<Manifest>, Outage>>,
    /// Models, each with when it became whole (Unix seconds).
    pub(crate) models: Vec<Model>,
    /// Promotions.
    pub(crate) promotions: Vec<Promotion>,
    /// The model that the next daily run uses, unless it is told otherwise: the one promoted last, or, where nothing was
    /// ever promoted, the newest.
    pub(crate) serving_model: Option<String>,
}

/// An announcement with the manifest that it names.
#[derive(Debug)]
pub(crate) struct Announced {
    pub(crate) announcement: Announcement,
    pub(crate) manifest: Result<Arc<Manifest>, Outage>,
}

/// A whole checkpoint.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) model_id: String,
    pub(crate) written_s: i64,
    pub(crate) report: Result<Arc<Report>, Outage>,
}

impl Reader {
    pub(crate) fn new(bucket: &Bucket, timeout: Duration, shown: usize) -> Self {
        let (memory, fresh) = (Mutex::default(), Fresh::default());
        Self { bucket: bucket.clone(), timeout, shown, memory, fresh }
    }

    /// Everything, as of two seconds ago at most.
    pub(crate) async fn published(&self) -> Result<Arc<Published>, Outage> {
        self.fresh.get(async { Ok(Arc::new(self.within(self.read()).await?)) }).await
    }

    /// The manifest of a snapshot by its id, announced or not.
    pub(crate) async fn manifest(&self, snapshot_id: &str) -> Result<Arc<Manifest>, Outage> {
        let key = format!("snapshots/{snapshot_id}/manifest.json");
        self.within(async {
            let mut memory = self.memory.lock().await;
            self.manifest_in(&mut memory, &key).await.map_err(|error| self.outage(&error))
        })
        .await
    }

    /// A text file of a checkpoint; `None` where there is none.
    pub(crate) async fn text(&self, model_id: &str, file: &str) -> Result<Option<String>, Outage> {
        self.within(async {
            match self.bucket.get(&key(model_id, file)).await {
                Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
                Err(error) if error.is_not_found() => Ok(None),
                Err(error) => Err(self.outage(&error)),
            }
        })
        .await
    }

    pub(crate) fn outage(&self, error: &dyn std::error::Error) -> Outage {
        Outage::new(format!("bucket {}", self.bucket.url()), error)
    }

    /// Wait for the bucket, but not for ever: its own retries take minutes.
    pub(crate) async fn within<T>(
        &self,
        reading: impl Future<Output = Result<T, Outage>>,
    ) -> Result<T, Outage> {
        tokio::time::timeout(self.timeout, reading).await.unwrap_or_else(|_| {
            let waited = format!(
                "no answer within {:?}; check the network and the store, or raise bucket_timeout",
                self.timeout
            );
            Err(Outage::said(format!("bucket {}", self.bucket.url()), waited))
        })
    }

    async fn read(&self) -> Result<Published, Outage> {
        self.check_folder()?;
        let mut memory = self.memory.lock().await;
        let last = memory.announcements.last().map_or(0, |newest| newest.sequence);
        let more = announcements_after(&self.bucket, last).await.map_err(|error| self.outage(&error))?;
        memory.announcements.extend(more);
        let announced = self.announced(&mut memory).await?;
        let unannounced = self.unannounced(&mut memory, &announced).await?;
        self.refresh_promotions(&mut memory).await?;
        let models = self.models(&mut memory).await?;
        let promoted = memory.promotions.first().map(|promotion| &promotion.model_id);
        let serving_model = promoted.or(models.first().map(|model| &model.model_id)).cloned();
        memory.forget_all_but(&announced, &unannounced, &models);
        let promotions = memory.promotions.iter().take(self.shown).cloned().collect();
        Ok(Published { announced, unannounced, models, promotions, serving_model })
    }

    /// Promotions are few and read one by one: again only when there is a newer one.
    async fn refresh_promotions(&self, memory: &mut Memory) -> Result<(), Outage> {
        let newest = newest_promotion(&self.bucket).await.map_err(|error| self.outage(&error))?;
        if newest.as_ref() != memory.promotions.first() {
            memory.promotions = promotions(&self.bucket).await.map_err(|error| self.outage(&error))?;
            memory.promotions.reverse();
        }
        Ok(())
    }

    /// A folder that is not there lists as empty, which would look like a new bucket.
    fn check_folder(&self) -> Result<(), Outage> {
        match self.bucket.local_path("") {
            Some(folder) if !folder.is_dir() => {
                let reason = format!("there is no folder {}; set bucket to the one in use", folder.display());
                Err(Outage::said(format!("bucket {}", self.bucket.url()), reason))
            }
            _ => Ok(()),
        }
    }

    async fn announced(&self, memory: &mut Memory) -> Result<Vec<Announced>, Outage> {
        let newest: Vec<Announcement> = memory.announcements.iter().rev().take(self.shown).cloned().collect();
        let mut announced = Vec::with_capacity(newest.len());
        for announcement in newest {
            let manifest = self.manifest_or_damage(memory, &announcement.manifest).await?;
            announced.push(Announced { announcement, manifest });
        }
        Ok(announced)
    }

    async fn unannounced(
        &self,
        memory: &mut Memory,
        announced: &[Announced],
    ) -> Result<Vec<Result<Arc<Manifest>, Outage>>, Outage> {
        // With fewer than are shown, the log begins here, and so do the days that count.
        let oldest = announced.iter().filter_map(|one| one.announcement.manifest.rsplit_once('/')).min();
        let after =
            oldest.filter(|_| announced.len() == self.shown).and_then(|(folder, _)| folder.rsplit_once('/'));
        let listed = self.bucket.list_after("snapshots", after.map(|(day, _)| day)).await;
        let known: BTreeSet<&str> = memory.announcements.iter().map(|one| one.manifest.as_str()).collect();
        let mut keys: Vec<String> = listed
            .map_err(|error| self.outage(&error))?
            .into_iter()
            .map(|entry| entry.key)
            .filter(|key| key.ends_with("/manifest.json") && !known.contains(key.as_str()))
            .collect();
        keys.reverse();
        keys.truncate(self.shown);
        let mut unannounced = Vec::with_capacity(keys.len());
        for key in keys {
            unannounced.push(self.manifest_or_damage(memory, &key).await?);
        }
        Ok(unannounced)
    }

    async fn models(&self, memory: &mut Memory) -> Result<Vec<Model>, Outage> {
        let mut whole = checkpoints(&self.bucket).await.map_err(|error| self.outage(&error))?;
        whole.reverse();
        // The promoted model is shown however old it is.
        let promoted = memory.promotions.first().map(|promotion| promotion.model_id.clone());
        let mut rank = 0..;
        whole.retain(|one| rank.next() < Some(self.shown) || Some(&one.model_id) == promoted.as_ref());
        let mut models = Vec::with_capacity(whole.len());
        for checkpoint in whole {
            let written = checkpoint.written.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            let written_s = i64::try_from(written.as_secs()).unwrap_or(i64::MAX);
            let report = self.report_in(memory, &checkpoint.model_id).await?;
            models.push(Model { model_id: checkpoint.model_id, written_s, report });
        }
        Ok(models)
    }

    /// `metrics.json` of a model; one that cannot be read is told in its place, for the others can.
    async fn report_in(
        &self,
        memory: &mut Memory,
        model_id: &str,
    ) -> Result<Result<Arc<Report>, Outage>, Outage> {
        if let Some(report) = memory.reports.get(model_id) {
            return Ok(Ok(Arc::clone(report)));
        }
        let key = key(model_id, "metrics.json");
        match self.bucket.get(&key).await {
            Ok(bytes) => Ok(match serde_json::from_slice::<Report>(&bytes) {
                Ok(report) => {
                    let report = Arc::new(report);
                    memory.reports.insert(model_id.to_owned(), Arc::clone(&report));
                    Ok(report)
                }
                Err(error) => Err(Outage::new(key, &error)),
            }),
            Err(error @ BucketError::NotFound { .. }) => Ok(Err(Outage::new(key, &error))),
            Err(error) => Err(self.outage(&error)),
        }
    }

    /// The manifest, or how it is damaged; an error only where the bucket itself fails.
    async fn manifest_or_damage(
        &self,
        memory: &mut Memory,
        key: &str,
    ) -> Result<Result<Arc<Manifest>, Outage>, Outage> {
        match self.manifest_in(memory, key).await {
            Ok(manifest) => Ok(Ok(manifest)),
            Err(SnapshotError::Bucket(BucketError::NotFound { .. })) => {
                Ok(Err(Outage::said(key, "it is gone; restore it from a copy")))
            }
            Err(SnapshotError::Bucket(error)) => Err(self.outage(&error)),
            Err(error) => Ok(Err(Outage::new("this run cannot be read", &error))),
        }
    }

    async fn manifest_in(&self, memory: &mut Memory, key: &str) -> Result<Arc<Manifest>, SnapshotError> {
        if let Some(manifest) = memory.manifests.get(key) {
            return Ok(Arc::clone(manifest));
        }
        let manifest = Arc::new(read_manifest(&self.bucket, key).await?);
        memory.manifests.insert(key.to_owned(), Arc::clone(&manifest));
        Ok(manifest)
    }
}

impl Memory {
    /// Keep the records that are shown, so that memory does not grow with the age of the bucket.
    fn forget_all_but(
        &mut self,
        announced: &[Announced],
        unannounced: &[Result<Arc<Manifest>, Outage>],
        models: &[Model],
    ) {
        let mut keys: BTreeSet<String> =
            announced.iter().map(|one| one.announcement.manifest.clone()).collect();
        keys.extend(unannounced.iter().flatten().map(|manifest| manifest.key()));
        self.manifests.retain(|key, _| keys.contains(key));
        self.reports.retain(|model_id, _| models.iter().any(|model| model.model_id == *model_id));
    }
}
