//! Writes a snapshot: parts under attempt-unique keys, a done marker each, a manifest, and an announcement.
//!
//! Parts that exist were completed by an earlier attempt, or by another worker on the same run, and are taken over.
//! It must never overwrite an object, and never announce an incomplete snapshot.

use std::collections::BTreeMap;

use bytes::Bytes;
use dayvec_bucket::{Bucket, Created, unique_name};
use dayvec_core::{EmbeddingBlock, Gate};
use futures::{StreamExt as _, TryStreamExt as _};
use parquet::errors::ParquetError;
use serde::Serialize;

use crate::layout::DonePart;
use crate::part::{check_items, check_users};
use crate::{
    Announcement, ItemEmbeddings, Layout, Manifest, Part, Reason, RunDescription, SNAPSHOT_FORMAT_VERSION,
    SnapshotError, Totals, announce, announcements, reader, table,
};

/// Done markers read at once.
const MARKERS_AT_ONCE: usize = 16;

/// Publishes one run. Cheap to clone; workers may share a run.
#[derive(Debug, Clone)]
pub struct Publisher {
    bucket: Bucket,
    run: RunDescription,
    layout: Layout,
}

/// The parts that are done.
#[derive(Debug, Clone, Default, PartialEq)]
struct DoneParts {
    users: BTreeMap<u32, Part>,
    items: BTreeMap<u32, Part>,
}

impl Publisher {
    /// Begin or resume a run.
    ///
    /// # Errors
    /// [`SnapshotError::Bucket`], also when the store does not honour create-if-absent
    /// ([`dayvec_bucket::BucketError::CreateNotHonoured`]).
    pub async fn begin(bucket: &Bucket, run: RunDescription) -> Result<Self, SnapshotError> {
        bucket.probe_create().await?;
        let layout = run.layout();
        Ok(Self { bucket: bucket.clone(), run, layout })
    }

    /// The run.
    #[must_use]
    pub const fn run(&self) -> &RunDescription {
        &self.run
    }

    /// Where its objects are.
    #[must_use]
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The buckets of users that are done, by whatever attempt.
    ///
    /// # Errors
    /// [`SnapshotError::Damaged`] for a marker that does not parse, [`SnapshotError::Bucket`].
    pub async fn done_buckets(&self) -> Result<BTreeMap<u32, Part>, SnapshotError> {
        Ok(self.done().await?.users)
    }

    /// The parts of the items that are done, by whatever attempt.
    ///
    /// # Errors
    /// As [`Self::done_buckets`].
    pub async fn done_items(&self) -> Result<BTreeMap<u32, Part>, SnapshotError> {
        Ok(self.done().await?.items)
    }

    async fn done(&self) -> Result<DoneParts, SnapshotError> {
        let folder = self.layout.done_folder();
        let entries = self.bucket.list(&folder).await?;
        let markers: Vec<(String, Part)> = futures::stream::iter(entries)
            .map(|entry| async move {
                let part = reader::read_json(&self.bucket, &entry.key).await?;
                Ok::<_, SnapshotError>((entry.key, part))
            })
            .buffered(MARKERS_AT_ONCE)
            .try_collect()
            .await?;
        let mut done = DoneParts::default();
        for (key, part) in markers {
            match self.layout.done(&key) {
                Some(DonePart::Users(bucket)) => done.users.insert(bucket, part),
                Some(DonePart::Items(number)) => done.items.insert(number, part),
                None => return Err(SnapshotError::damaged(&key, "its name is not that of a done marker")),
            };
        }
        Ok(done)
    }

    /// Write the users of a bucket, sorted by (id hash, id), and mark it done. An empty bucket is written too.
    ///
    /// # Errors
    /// [`SnapshotError::BadRows`]; [`SnapshotError::NonDeterministic`] when another attempt wrote other rows;
    /// [`SnapshotError::Bucket`].
    pub async fn write_users_part(
        &self,
        bucket: u32,
        rows: EmbeddingBlock,
        statistics: &(impl Serialize + Sync),
    ) -> Result<Part, SnapshotError> {
        check_users(&rows, self.run.dim, bucket, self.run.n_buckets)?;
        let n_rows = rows.len();
        let bytes = self.encode(format!("bucket {bucket} of the users"), rows, table::write_users).await?;
        let part = describe(self.layout.users_part(bucket, &unique_name()), n_rows, &bytes, statistics);
        self.commit(self.layout.users_done(bucket), part, bytes).await
    }

    /// Write a part of the items, numbered from 0, and mark it done.
    ///
    /// # Errors
    /// As [`Self::write_users_part`].
    pub async fn write_items_part(
        &self,
        number: u32,
        rows: ItemEmbeddings,
        statistics: &(impl Serialize + Sync),
    ) -> Result<Part, SnapshotError> {
        check_items(&rows, self.run.dim)?;
        let n_rows = rows.ids.len();
        let bytes = self.encode(format!("part {number} of the items"), rows, table::write_items).await?;
        let part = describe(self.layout.items_part(number, &unique_name()), n_rows, &bytes, statistics);
        self.commit(self.layout.items_done(number), part, bytes).await
    }

    /// Lay out rows on a thread that may take its time.
    async fn encode<R: Send + 'static>(
        &self,
        part: String,
        rows: R,
        write: impl FnOnce(R, crate::ElementType, &[(&str, &str)]) -> Result<Bytes, ParquetError> + Send + 'static,
    ) -> Result<Bytes, SnapshotError> {
        let (run, snapshot_id) = (self.run.clone(), self.layout.snapshot_id().to_owned());
        let written = tokio::task::spawn_blocking(move || {
            let about = [
                ("format_version", SNAPSHOT_FORMAT_VERSION.to_string()),
                ("snapshot_id", snapshot_id),
                ("model_id", run.model_id),
                ("tower_pair_id", run.tower_pair_id),
            ];
            let about: Vec<(&str, &str)> = about.iter().map(|(key, value)| (*key, value.as_str())).collect();
            write(rows, run.element_type, &about)
        });
        let written = written.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
        written.map_err(|source| SnapshotError::Encode { part, source })
    }

    /// Put a part where readers find it: the file, then the marker, which one attempt wins.
    async fn commit(&self, marker: String, part: Part, bytes: Bytes) -> Result<Part, SnapshotError> {
        if self.bucket.exists(&marker).await? {
            return self.take_over(&marker, part).await;
        }
        self.bucket.put_part(&part.part, bytes).await?;
        let stored = self.bucket.size_of(&part.part).await?;
        if stored != Some(part.bytes) {
            let reason = format!("{} bytes were written, but the store reports {stored:?}", part.bytes);
            return Err(SnapshotError::damaged(&part.part, reason));
        }
        match self.bucket.put_new(&marker, reader::to_json(&part)).await? {
            Created::Yes => Ok(part),
            Created::AlreadyThere => {
                let key = part.part.clone();
                let winner = self.take_over(&marker, part).await?;
                if winner.part != key {
                    self.bucket.discard(&key).await?;
                }
                Ok(winner)
            }
        }
    }

    /// Another attempt marked the part done: it must have made the same file.
    async fn take_over(&self, marker: &str, ours: Part) -> Result<Part, SnapshotError> {
        let winner: Part = reader::read_json(&self.bucket, marker).await?;
        if winner.same_file(&ours) {
            return Ok(winner);
        }
        let key = marker.to_owned();
        Err(SnapshotError::NonDeterministic { key, there: winner.blake3, ours: ours.blake3 })
    }

    /// List the parts in the manifest. Readers still do not see the snapshot.
    ///
    /// A manifest that exists is kept, gates included, if it lists the same parts.
    ///
    /// # Errors
    /// [`SnapshotError::Incomplete`] when a bucket is not done or there are no items;
    /// [`SnapshotError::NonDeterministic`]; [`SnapshotError::Bucket`].
    pub async fn publish(
        &self,
        gates: Vec<Gate>,
        statistics: &(impl Serialize + Sync),
    ) -> Result<Manifest, SnapshotError> {
        let done = self.done().await?;
        let manifest = self.manifest(done, gates, to_value(statistics))?;
        let key = self.layout.manifest();
        let bytes = reader::to_json(&manifest);
        if self.bucket.put_new(&key, bytes.clone()).await? == Created::Yes {
            return Ok(manifest);
        }
        let there = reader::read_manifest(&self.bucket, &key).await?;
        if !same_parts(&there.user_parts, &manifest.user_parts)
            || !same_parts(&there.item_parts, &manifest.item_parts)
        {
            let digest = |bytes: &[u8]| blake3::hash(bytes).to_hex().to_string();
            let (there, ours) = (digest(&reader::to_json(&there)), digest(&bytes));
            return Err(SnapshotError::NonDeterministic { key, there, ours });
        }
        if there.gates != manifest.gates {
            tracing::warn!(key, "the manifest of an earlier attempt has different gates and is kept");
        }
        Ok(there)
    }

    fn manifest(
        &self,
        done: DoneParts,
        gates: Vec<Gate>,
        statistics: serde_json::Value,
    ) -> Result<Manifest, SnapshotError> {
        let snapshot_id = self.layout.snapshot_id().to_owned();
        let n_buckets = self.run.n_buckets;
        let missing: Vec<String> = (0..n_buckets)
            .filter(|bucket| !done.users.contains_key(bucket))
            .map(|bucket| bucket.to_string())
            .collect();
        if !missing.is_empty() {
            let missing = format!("buckets {} of {n_buckets} are missing", missing.join(", "));
            return Err(SnapshotError::Incomplete { snapshot_id, missing });
        }
        if done.items.is_empty() {
            return Err(SnapshotError::Incomplete { snapshot_id, missing: "the items are missing".into() });
        }
        let user_parts: Vec<Part> = done.users.into_values().take(n_buckets as usize).collect();
        let item_parts: Vec<Part> = done.items.into_values().collect();
        let totals = Totals {
            users: user_parts.iter().map(|part| part.rows).sum(),
            items: item_parts.iter().map(|part| part.rows).sum(),
            users_bytes: user_parts.iter().map(|part| part.bytes).sum(),
            items_bytes: item_parts.iter().map(|part| part.bytes).sum(),
        };
        let format_version = SNAPSHOT_FORMAT_VERSION;
        let run = self.run.clone();
        Ok(Manifest { format_version, snapshot_id, run, user_parts, item_parts, gates, totals, statistics })
    }

    /// Make the snapshot current. A run that was announced before is not announced again.
    ///
    /// # Errors
    /// [`SnapshotError::GatesFailed`] and [`SnapshotError::OlderDay`] unless `forced`; [`SnapshotError::LostRace`];
    /// [`SnapshotError::Bucket`], also when the manifest does not exist yet.
    pub async fn announce(
        &self,
        reason: Reason,
        by: &str,
        forced: bool,
    ) -> Result<Announcement, SnapshotError> {
        let key = self.layout.manifest();
        let manifest = reader::read_manifest(&self.bucket, &key).await?;
        let failures = manifest.failed_gates();
        if !failures.is_empty() && !forced {
            let snapshot_id = manifest.snapshot_id;
            return Err(SnapshotError::GatesFailed { snapshot_id, failures: failures.join("; ") });
        }
        let before = announcements(&self.bucket).await?.whole;
        let ours = before.into_iter().rfind(|before| before.manifest == key && before.reason == reason);
        match ours {
            Some(announced) => Ok(announced),
            None => announce(&self.bucket, &key, reason, by, forced).await,
        }
    }
}

/// Statistics are left out: their decimals may move by a digit each time they go through JSON.
fn same_parts(some: &[Part], others: &[Part]) -> bool {
    let same = |(a, b): (&Part, &Part)| a.part == b.part && a.same_file(b);
    some.len() == others.len() && some.iter().zip(others).all(same)
}

fn describe(key: String, n_rows: usize, bytes: &Bytes, statistics: &impl Serialize) -> Part {
    Part {
        part: key,
        rows: n_rows as u64,
        bytes: bytes.len() as u64,
        blake3: blake3::hash(bytes).to_hex().to_string(),
        statistics: to_value(statistics),
    }
}

fn to_value(statistics: &impl Serialize) -> serde_json::Value {
    serde_json::to_value(statistics).expect("statistics are plain data with text keys")
}
