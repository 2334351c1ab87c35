//! The buckets of a run, wave by wave: the next wave is fetched and the last one written while one is encoded.
//!
//! A wave is as many neighbouring buckets as make a good batch. Which they are depends on the run's input alone, so
//! that an attempt that resumes puts the same users through the model together, and gets the same bits.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use dayvec_bucket::Bucket;
use dayvec_core::{Day, Sequences};
use dayvec_runtime::fault::OrFault as _;
use dayvec_snapshot::{Manifest, Publisher, read_users_part};
use tokio::runtime::Runtime;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::checkpoint::Checkpoint;
use crate::encode::{BucketAfter, BucketBefore, encode_buckets};
use crate::item_table::DayItems;
use crate::progress::Progress;
use crate::state_store::{StateId, StateStore};
use dayvec_report::SnapshotStatistics;

/// Buckets that are fetched or written at once.
const AT_ONCE: usize = 8;

/// Neighbouring buckets of about `wave_users` users each, for a number of users that is a bound of what the run will
/// find.
pub(crate) fn waves(n_buckets: u32, n_users: u64, wave_users: u64) -> Vec<Range<u32>> {
    let n_each = (wave_users * u64::from(n_buckets) / n_users.max(1)).clamp(1, u64::from(n_buckets)) as u32;
    (0..n_buckets).step_by(n_each as usize).map(|first| first..n_buckets.min(first + n_each)).collect()
}

/// What reading and writing a bucket needs.
#[derive(Clone)]
pub(crate) struct BucketIo {
    pub(crate) bucket: Bucket,
    pub(crate) states: StateStore,
    pub(crate) publisher: Publisher,
    /// The state that the run starts from.
    pub(crate) from: Option<StateId>,
    /// The snapshot made of it.
    pub(crate) carry: Option<Arc<Manifest>>,
    /// The state that the run makes.
    pub(crate) to: StateId,
    pub(crate) scratch: Arc<Path>,
}

impl BucketIo {
    async fn fetch_wave(self, wave: Range<u32>) -> anyhow::Result<Vec<BucketBefore>> {
        let mut fetched = Vec::with_capacity(wave.len());
        for chunk in wave.collect::<Vec<_>>().chunks(AT_ONCE) {
            let tasks: Vec<_> =
                chunk.iter().map(|&bucket| tokio::spawn(self.clone().fetch(bucket))).collect();
            for (task, bucket) in tasks.into_iter().zip(chunk) {
                fetched.push(task.await?.with_context(|| format!("fetch bucket {bucket}"))?);
            }
        }
        Ok(fetched)
    }

    async fn fetch(self, bucket: u32) -> anyhow::Result<BucketBefore> {
        let state = match &self.from {
            Some(from) => Some(self.states.read(from, bucket, &self.scratch).await?),
            None => None,
        };
        let rows = match self.carry.as_ref().map(|manifest| &manifest.user_parts[bucket as usize]) {
            Some(part) => Some(read_users_part(&self.bucket, part).await.or_fault()?),
            None => None,
        };
        Ok(BucketBefore { state, rows })
    }

    /// Write some buckets; gives their statistics as they come.
    async fn write_wave(
        self,
        wave: Vec<(u32, BucketAfter)>,
    ) -> anyhow::Result<Vec<(u32, SnapshotStatistics)>> {
        let mut written = Vec::with_capacity(wave.len());
        let mut waiting = wave.into_iter();
        let mut tasks = JoinSet::new();
        loop {
            for (bucket, today) in waiting.by_ref().take(AT_ONCE - tasks.len()) {
                let io = self.clone();
                tasks.spawn(async move {
                    let statistics = today.statistics.clone();
                    io.write(bucket, today).await.with_context(|| format!("write bucket {bucket}"))?;
                    anyhow::Ok((bucket, statistics))
                });
            }
            match tasks.join_next().await {
                Some(task) => written.push(task??),
                None => return Ok(written),
            }
        }
    }

    /// The state first: a done marker says that both are there.
    async fn write(self, bucket: u32, today: BucketAfter) -> anyhow::Result<()> {
        let BucketAfter { state, rows, statistics, .. } = today;
        self.states.write(&self.to, bucket, state, &self.scratch).await?;
        self.publisher.write_users_part(bucket, rows, &statistics).await.or_fault()?;
        Ok(())
    }
}

/// Encodes the waves that are not done, one after another.
pub(crate) struct WaveEncoder<'a> {
    pub(crate) runtime: &'a Runtime,
    pub(crate) checkpoint: &'a Checkpoint,
    pub(crate) day: Day,
    pub(crate) io: BucketIo,
    pub(crate) events: &'a Sequences,
    /// Rows of `events` by bucket.
    pub(crate) users: &'a [Vec<usize>],
    /// Buckets that are done; a wave with some of them is encoded again as a whole, and written where it is not done.
    pub(crate) done: &'a BTreeSet<u32>,
    pub(crate) shutdown: &'a CancellationToken,
}

type Writing = JoinHandle<anyhow::Result<Vec<(u32, SnapshotStatistics)>>>;

impl WaveEncoder<'_> {
    /// Do the waves, in order, reporting to `progress` and counting `items`.
    pub(crate) fn run(
        &self,
        waves: Vec<Range<u32>>,
        progress: &mut Progress,
        items: &mut DayItems,
    ) -> anyhow::Result<()> {
        let is_done = |wave: &Range<u32>| wave.clone().all(|bucket| self.done.contains(&bucket));
        let mut todo = waves.into_iter().filter(|wave| !is_done(wave));
        let fetch = |wave: Range<u32>| (wave.clone(), self.runtime.spawn(self.io.clone().fetch_wave(wave)));
        let mut fetching = todo.next().map(fetch);
        let mut writing: Option<Writing> = None;
        while let Some((wave, fetched)) = fetching.take() {
            if self.shutdown.is_cancelled() {
                fetched.abort();
                break;
            }
            let yesterday = self.runtime.block_on(fetched)??;
            fetching = todo.next().map(fetch);
            let today = self.encode(&wave, yesterday)?;
            for (bucket, today) in wave.clone().zip(&today) {
                items.add(bucket, &today.item_counts);
            }
            self.finish(writing.take(), progress)?;
            let undone: Vec<(u32, BucketAfter)> =
                wave.zip(today).filter(|(bucket, _)| !self.done.contains(bucket)).collect();
            writing = Some(self.runtime.spawn(self.io.clone().write_wave(undone)));
        }
        self.finish(writing, progress)?;
        if self.shutdown.is_cancelled() {
            bail!("stopped by a signal; run again to resume");
        }
        Ok(())
    }

    fn encode(&self, wave: &Range<u32>, yesterday: Vec<BucketBefore>) -> anyhow::Result<Vec<BucketAfter>> {
        let events = wave.clone().map(|bucket| self.events.select(&self.users[bucket as usize]));
        encode_buckets(self.checkpoint, self.day, yesterday.into_iter().zip(events).collect())
            .with_context(|| format!("encode buckets {wave:?}"))
    }

    fn finish(&self, writing: Option<Writing>, progress: &mut Progress) -> anyhow::Result<()> {
        let Some(writing) = writing else { return Ok(()) };
        for (bucket, statistics) in self.runtime.block_on(writing)?? {
            progress.done(bucket, &statistics, false);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAVE_USERS: u64 = 1_000;

    fn check(n_buckets: u32, n_users: u64, expected_ends: &[u32]) {
        let waves = waves(n_buckets, n_users, WAVE_USERS);
        let starts: Vec<u32> = waves.iter().map(|wave| wave.start).collect();
        let ends: Vec<u32> = waves.iter().map(|wave| wave.end).collect();
        assert_eq!(ends, expected_ends);
        assert_eq!((starts[0], &starts[1..]), (0, &ends[..ends.len() - 1]));
    }

    #[test]
    fn waves_cover_every_bucket_once() {
        check(4, 0, &[4]);
        check(4, 100, &[4]);
        check(4, 2 * WAVE_USERS, &[2, 4]);
        check(5, 2 * WAVE_USERS, &[2, 4, 5]);
        check(3, 1_000 * WAVE_USERS, &[1, 2, 3]);
    }
}
