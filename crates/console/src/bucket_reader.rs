//! What is in the bucket: announcements, complete snapshots that were not announced, models and promotions.
//!
//! Records never change, so each is read once and kept while it is shown; only listings are repeated. It must never
//! present a snapshot as current that no announcement names.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use dayvec_bucket::{Bucket, BucketError, DamagedRecord};
use dayvec_registry::{Promotion, checkpoint, checkpoints, evaluation, last_promotions, promotions};
use dayvec_report::Report;
use dayvec_snapshot::{
    Announcement, Layout, Manifest, SNAPSHOTS, SnapshotError, announcements_after, read_manifest,
};
use tokio::sync::Mutex;

use crate::cached::Cached;
use crate::outage::Outage;

/// The bucket, with the records that were read from it.
#[derive(Debug)]
pub(crate) struct BucketReader {
    bucket: Bucket,
    timeout: Duration,
    shown: usize,
    records: Mutex<Records>,
    cached: Cached<Result<Arc<Contents>, Outage>>,
}

/// Records that were read. All announcements are kept: it takes all of them to know that a snapshot was never
/// announced.
#[derive(Debug, Default)]
struct Records {
    announcements: Vec<Announcement>,
    /// Newest first.
    promotions: Vec<Promotion>,
    /// Announcements and promotions that can't be used, by key: why.
    damaged: BTreeMap<String, String>,
    manifests: HashMap<String, Arc<Manifest>>,
    /// By key: that of a checkpoint, and the one with all baselines.
    reports: HashMap<String, Arc<Report>>,
}

/// What is in the bucket, each list newest first.
#[derive(Debug)]
pub(crate) struct Contents {
    /// The newest announcements.
    pub(crate) announced: Vec<AnnouncedSnapshot>,
    /// Snapshots with a manifest that no announcement names, from the oldest day of `announced` on.
    pub(crate) unannounced: Vec<Result<Arc<Manifest>, Outage>>,
    /// The newest complete checkpoints, and the promoted one.
    pub(crate) models: Vec<Model>,
    /// The newest promotions.
    pub(crate) promotions: Vec<Promotion>,
    /// Records that can't be used, and that every program passes over: why, with the key.
    pub(crate) damaged: Vec<String>,
    /// The model that the next daily run uses by default: the one promoted last, or the newest where none was ever
    /// promoted.
    pub(crate) serving_model: Option<String>,
}

/// An announcement with the manifest that it names.
#[derive(Debug)]
pub(crate) struct AnnouncedSnapshot {
    pub(crate) announcement: Announcement,
    pub(crate) manifest: Result<Arc<Manifest>, Outage>,
}

/// A complete checkpoint.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) model_id: String,
    /// When it was completed, in Unix seconds.
    pub(crate) written_s: i64,
    /// With all baselines, once that report has been made.
    pub(crate) report: Result<Arc<Report>, Outage>,
}

impl BucketReader {
    pub(crate) fn new(bucket: &Bucket, timeout: Duration, shown: usize) -> Self {
        let (records, cached) = (Mutex::default(), Cached::default());
        Self { bucket: bucket.clone(), timeout, shown, records, cached }
    }

    /// Everything that the pages show, at most two seconds old.
    pub(crate) async fn contents(&self) -> Result<Arc<Contents>, Outage> {
        self.cached.get(async { Ok(Arc::new(self.within(self.read()).await?)) }).await
    }

    /// The manifest of a snapshot by its id, announced or not.
    pub(crate) async fn manifest(&self, snapshot_id: &str) -> Result<Arc<Manifest>, Outage> {
        let key = Layout::of(snapshot_id).manifest();
        self.within(async {
            let mut records = self.records.lock().await;
            self.manifest_in(&mut records, &key).await.map_err(|error| self.outage(&error))
        })
        .await
    }

    /// A text file of a checkpoint; `None` where there is none.
    pub(crate) async fn text(&self, model_id: &str, file: &str) -> Result<Option<String>, Outage> {
        self.within(async {
            match self.bucket.get(&checkpoint::key(model_id, file)).await {
                Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
                Err(error) if error.is_not_found() => Ok(None),
                Err(error) => Err(self.outage(&error)),
            }
        })
        .await
    }

    pub(crate) fn outage(&self, error: &dyn std::error::Error) -> Outage {
        Outage::from_error(self.name(), error)
    }

    /// What the page calls the bucket.
    fn name(&self) -> String {
        format!("bucket {}", self.bucket.url())
    }

    /// Wait for the bucket, but no longer than the timeout: its own retries take minutes.
    pub(crate) async fn within<T>(
        &self,
        reading: impl Future<Output = Result<T, Outage>>,
    ) -> Result<T, Outage> {
        tokio::time::timeout(self.timeout, reading).await.unwrap_or_else(|_| {
            let waited = format!(
                "no answer within {:?}; check the network and the object store, or raise bucket_timeout",
                self.timeout
            );
            Err(Outage::new(self.name(), waited))
        })
    }

    async fn read(&self) -> Result<Contents, Outage> {
        self.check_folder()?;
        let mut records = self.records.lock().await;
        let last = records.announcements.last().map_or(0, |newest| newest.sequence);
        let more = announcements_after(&self.bucket, last).await.map_err(|error| self.outage(&error))?;
        records.announcements.extend(more.whole);
        records.note_damage(more.damaged);
        let announced = self.announced(&mut records).await?;
        let unannounced = self.unannounced(&mut records, &announced).await?;
        self.refresh_promotions(&mut records).await?;
        let models = self.models(&mut records).await?;
        let promoted = records.promotions.first().map(|promotion| &promotion.model_id);
        let serving_model = promoted.or(models.first().map(|model| &model.model_id)).cloned();
        records.keep_shown(&announced, &unannounced, &models);
        let promotions = records.promotions.iter().take(self.shown).cloned().collect();
        let damaged = records.damaged.values().cloned().collect();
        Ok(Contents { announced, unannounced, models, promotions, damaged, serving_model })
    }

    /// Promotions are few and each is one read: read all of them, but only when there is a newer one.
    async fn refresh_promotions(&self, records: &mut Records) -> Result<(), Outage> {
        let last = last_promotions(&self.bucket).await.map_err(|error| self.outage(&error))?;
        if last.newest.as_ref() != records.promotions.first() {
            let all = promotions(&self.bucket).await.map_err(|error| self.outage(&error))?;
            records.promotions = all.whole;
            records.promotions.reverse();
        }
        records.note_damage(last.damaged);
        Ok(())
    }

    /// A missing folder lists as empty, which would look like a new bucket.
    fn check_folder(&self) -> Result<(), Outage> {
        match self.bucket.local_path("") {
            Some(folder) if !folder.is_dir() => {
                let reason =
                    format!("the folder {} does not exist; check the setting bucket", folder.display());
                Err(Outage::new(self.name(), reason))
            }
            _ => Ok(()),
        }
    }

    async fn announced(&self, records: &mut Records) -> Result<Vec<AnnouncedSnapshot>, Outage> {
        let newest: Vec<Announcement> =
            records.announcements.iter().rev().take(self.shown).cloned().collect();
        let mut announced = Vec::with_capacity(newest.len());
        for announcement in newest {
            let manifest = self.manifest_or_damage(records, &announcement.manifest).await?;
            announced.push(AnnouncedSnapshot { announcement, manifest });
        }
        Ok(announced)
    }

    async fn unannounced(
        &self,
        records: &mut Records,
        announced: &[AnnouncedSnapshot],
    ) -> Result<Vec<Result<Arc<Manifest>, Outage>>, Outage> {
        // With fewer announcements than are shown, all of them are here, and so no day is too old.
        let layouts = announced.iter().filter_map(|one| Layout::of_manifest(&one.announcement.manifest));
        let oldest = layouts.map(|layout| layout.folder()).min().filter(|_| announced.len() == self.shown);
        let oldest_day = oldest.as_ref().and_then(|folder| folder.rsplit_once('/')).map(|(day, _)| day);
        let listed = self.bucket.list_after(SNAPSHOTS, oldest_day).await;
        let known: BTreeSet<&str> = records.announcements.iter().map(|one| one.manifest.as_str()).collect();
        let mut keys: Vec<String> = listed
            .map_err(|error| self.outage(&error))?
            .into_iter()
            .map(|entry| entry.key)
            .filter(|key| Layout::of_manifest(key).is_some() && !known.contains(key.as_str()))
            .collect();
        keys.reverse();
        keys.truncate(self.shown);
        let mut unannounced = Vec::with_capacity(keys.len());
        for key in keys {
            unannounced.push(self.manifest_or_damage(records, &key).await?);
        }
        Ok(unannounced)
    }

    async fn models(&self, records: &mut Records) -> Result<Vec<Model>, Outage> {
        let mut whole = checkpoints(&self.bucket).await.map_err(|error| self.outage(&error))?;
        whole.reverse();
        // The promoted model is shown however old it is.
        let promoted = records.promotions.first().map(|promotion| promotion.model_id.clone());
        let mut rank = 0..;
        whole.retain(|one| rank.next() < Some(self.shown) || Some(&one.model_id) == promoted.as_ref());
        let evaluations = evaluation::keys(&self.bucket).await.map_err(|error| self.outage(&error))?;
        let mut models = Vec::with_capacity(whole.len());
        for checkpoint in whole {
            let written = checkpoint.written.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            let written_s = i64::try_from(written.as_secs()).unwrap_or(i64::MAX);
            let report = self.report_of(records, &checkpoint.model_id, &evaluations).await?;
            models.push(Model { model_id: checkpoint.model_id, written_s, report });
        }
        Ok(models)
    }

    /// The report of a model: of the checkpoint, and in its place the one with all baselines, if it is among
    /// `evaluations`. One that cannot be read is reported in its own row.
    async fn report_of(
        &self,
        records: &mut Records,
        model_id: &str,
        evaluations: &BTreeSet<String>,
    ) -> Result<Result<Arc<Report>, Outage>, Outage> {
        let published = self.report_in(records, checkpoint::key(model_id, checkpoint::METRICS)).await?;
        let Ok(report) = &published else { return Ok(published) };
        let full = evaluation::key(model_id, report.cut_off, report.test_days, checkpoint::METRICS);
        if evaluations.contains(&full) { self.report_in(records, full).await } else { Ok(published) }
    }

    async fn report_in(
        &self,
        records: &mut Records,
        key: String,
    ) -> Result<Result<Arc<Report>, Outage>, Outage> {
        if let Some(report) = records.reports.get(&key) {
            return Ok(Ok(Arc::clone(report)));
        }
        match self.bucket.get(&key).await {
            Ok(bytes) => Ok(match serde_json::from_slice::<Report>(&bytes) {
                Ok(report) => {
                    let report = Arc::new(report);
                    records.reports.insert(key, Arc::clone(&report));
                    Ok(report)
                }
                Err(error) => Err(Outage::from_error(key, &error)),
            }),
            Err(error @ BucketError::NotFound { .. }) => Ok(Err(Outage::from_error(key, &error))),
            Err(error) => Err(self.outage(&error)),
        }
    }

    /// The manifest, or why it cannot be read; an error only where the bucket itself fails.
    async fn manifest_or_damage(
        &self,
        records: &mut Records,
        key: &str,
    ) -> Result<Result<Arc<Manifest>, Outage>, Outage> {
        match self.manifest_in(records, key).await {
            Ok(manifest) => Ok(Ok(manifest)),
            Err(SnapshotError::Bucket(BucketError::NotFound { .. })) => {
                Ok(Err(Outage::new(key, "it is missing; restore it from a backup")))
            }
            Err(SnapshotError::Bucket(error)) => Err(self.outage(&error)),
            Err(error) => Ok(Err(Outage::from_error("manifest", &error))),
        }
    }

    async fn manifest_in(&self, records: &mut Records, key: &str) -> Result<Arc<Manifest>, SnapshotError> {
        if let Some(manifest) = records.manifests.get(key) {
            return Ok(Arc::clone(manifest));
        }
        let manifest = Arc::new(read_manifest(&self.bucket, key).await?);
        records.manifests.insert(key.to_owned(), Arc::clone(&manifest));
        Ok(manifest)
    }
}

impl Records {
    fn note_damage(&mut self, damaged: Vec<DamagedRecord>) {
        self.damaged.extend(damaged.into_iter().map(|record| (record.key, record.reason)));
    }

    /// Drop the records that are not shown, so that memory does not grow with the age of the bucket.
    fn keep_shown(
        &mut self,
        announced: &[AnnouncedSnapshot],
        unannounced: &[Result<Arc<Manifest>, Outage>],
        models: &[Model],
    ) {
        let mut keys: BTreeSet<String> =
            announced.iter().map(|one| one.announcement.manifest.clone()).collect();
        keys.extend(unannounced.iter().flatten().map(|manifest| manifest.key()));
        self.manifests.retain(|key, _| keys.contains(key));
        self.reports.retain(|_, report| models.iter().any(|model| model.model_id == report.model_id));
    }
}
