//! The daily run's state in the bucket: the newest actions of every user as of a day, whatever model reads them.
//!
//! [`DailyStates`] has the keys. A part is a pure function of what its state's id digests, and a completion mark is created
//! if absent and names an id whose buckets are all there. So a rerun writes the same bytes to the same keys, a rerun with
//! other events writes beside them, and nothing is ever overwritten.

use std::path::Path;

use anyhow::Context as _;
use dayvec_bucket::{Bucket, Created};
use dayvec_core::{Day, EventSchema, ModelSpec, Sequences};
use dayvec_registry::DailyStates;
use dayvec_runtime::fault::OrFault as _;
use dayvec_sequences::state;
use serde::{Deserialize, Serialize};

use crate::meter::passed_over;

/// A state: the day whose events it ends with, and what went in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StateId {
    pub(crate) day: Day,
    pub(crate) id: String,
}

/// A state of which every bucket is there.
#[derive(Debug, Clone)]
pub(crate) struct WholeState {
    pub(crate) state: StateId,
    /// Users with a sequence.
    pub(crate) users: u64,
}

/// States of one key.
#[derive(Clone)]
pub(crate) struct StateStore {
    bucket: Bucket,
    schema: EventSchema,
    keys: DailyStates,
}

/// The record that makes a state whole.
#[derive(Serialize, Deserialize)]
struct WholeMark {
    id: String,
    users: u64,
}

impl StateStore {
    /// The states that a model reads.
    pub(crate) fn new(bucket: &Bucket, spec: &ModelSpec, n_buckets: u32) -> Self {
        let keys = DailyStates::of_model(spec, n_buckets);
        Self { bucket: bucket.clone(), schema: spec.events.clone(), keys }
    }

    fn part_key(&self, state: &StateId, bucket: u32) -> String {
        self.keys.state(state.day, &state.id).part(bucket)
    }

    /// The marks of whole states of `day`, or of every day: oldest day first, and of one day in their order.
    async fn marks(&self, day: Option<Day>) -> anyhow::Result<Vec<(Day, String)>> {
        let entries = self.bucket.list(&self.keys.marks(day)).await.or_fault().context("list states")?;
        let dated =
            entries.into_iter().filter_map(|entry| Some((self.keys.day_of_mark(&entry.key)?, entry.key)));
        let mut marks: Vec<(Day, String)> = dated.collect();
        marks.sort_unstable();
        Ok(marks)
    }

    /// `None` for a mark that can't be used: its state is as good as not there.
    async fn read_mark(&self, day: Day, key: &str) -> anyhow::Result<Option<WholeState>> {
        let mark = match self.bucket.get(key).await {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| error.to_string()),
            Err(error) if error.is_of_one_object() => Err(error.to_string()),
            Err(error) => return Err(error).or_fault(),
        };
        match mark {
            Ok(WholeMark { id, users }) => Ok(Some(WholeState { state: StateId { day, id }, users })),
            Err(reason) => {
                passed_over("state", key, &reason);
                Ok(None)
            }
        }
    }

    /// The newest whole state of a day before `day`; of two of one day, the one that became whole last.
    pub(crate) async fn newest_before(&self, day: Day) -> anyhow::Result<Option<WholeState>> {
        for (of, key) in self.marks(None).await?.into_iter().rev().filter(|(of, _)| *of < day) {
            if let Some(whole) = self.read_mark(of, &key).await? {
                return Ok(Some(whole));
            }
        }
        Ok(None)
    }

    /// The state of this name, if every bucket of it is there.
    pub(crate) async fn find(&self, state: &StateId) -> anyhow::Result<Option<WholeState>> {
        for (day, key) in self.marks(Some(state.day)).await? {
            if let Some(whole) = self.read_mark(day, &key).await?.filter(|whole| whole.state == *state) {
                return Ok(Some(whole));
            }
        }
        Ok(None)
    }

    /// Read one bucket of a whole state.
    pub(crate) async fn read(
        &self,
        from: &StateId,
        bucket: u32,
        scratch: &Path,
    ) -> anyhow::Result<Sequences> {
        let key = self.part_key(from, bucket);
        let fetched = match self.bucket.local_path(&key) {
            Some(path) => path,
            None => {
                let path = scratch.join(format!("state-{bucket:04}.parquet"));
                self.bucket.fetch(&key, &path).await.or_fault()?;
                path
            }
        };
        let schema = self.schema.clone();
        let read = tokio::task::spawn_blocking(move || state::read(&fetched, &schema)).await?;
        read.or_fault().with_context(|| format!("read {key}"))
    }

    /// Write one bucket of a state; a bucket that is there already stays as it is, for it is the same.
    pub(crate) async fn write(
        &self,
        to: &StateId,
        bucket: u32,
        sequences: Sequences,
        scratch: &Path,
    ) -> anyhow::Result<()> {
        let key = self.part_key(to, bucket);
        let path = scratch.join(format!("new-state-{bucket:04}.parquet"));
        let schema = self.schema.clone();
        let written = tokio::task::spawn_blocking(move || -> anyhow::Result<Vec<u8>> {
            state::write(&sequences, &schema, &path)?;
            let bytes = std::fs::read(&path)?;
            std::fs::remove_file(&path)?;
            Ok(bytes)
        });
        let bytes = written.await?.with_context(|| format!("write {key}"))?;
        self.bucket.put_new(&key, bytes.into()).await.or_fault()?;
        Ok(())
    }

    /// Say that every bucket of a state is there.
    pub(crate) async fn mark_whole(&self, state: &StateId, users: u64) -> anyhow::Result<()> {
        if self.find(state).await?.is_some() {
            return Ok(());
        }
        let bytes = serde_json::to_vec(&WholeMark { id: state.id.clone(), users })?;
        for number in self.marks(Some(state.day)).await?.len().. {
            let key = self.keys.mark(state.day, number);
            match self.bucket.put_new(&key, bytes.clone().into()).await.or_fault()? {
                Created::Yes => break,
                Created::AlreadyThere => {}
            }
        }
        Ok(())
    }
}

/// 16 hexadecimal digits of a BLAKE3 digest.
pub(crate) fn digest(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex()[..16].to_owned()
}
