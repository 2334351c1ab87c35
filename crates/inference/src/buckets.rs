//! The buckets of a run, one after another: the next one is fetched and the last one written while one is encoded.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use dayvec_bucket::Bucket;
use dayvec_core::{Day, Sequences};
use dayvec_runtime::{Exit, OrExit as _};
use dayvec_snapshot::{Manifest, Publisher, read_users_part};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::checkpoint::Checkpoint;
use crate::encode::{Today, Yesterday, encode_bucket};
use crate::progress::Progress;
use crate::state_store::{StateId, StateStore};
use crate::statistics::Statistics;
use crate::store_exit::OrStoreExit as _;

/// What reading and writing a bucket needs.
#[derive(Clone)]
pub(crate) struct Places {
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

impl Places {
    async fn fetch(self, bucket: u32) -> anyhow::Result<Yesterday> {
        let state = match &self.from {
            Some(from) => Some(self.states.read(from, bucket, &self.scratch).await?),
            None => None,
        };
        let rows = match self.carry.as_ref().map(|manifest| &manifest.user_parts[bucket as usize]) {
            Some(part) => Some(read_users_part(&self.bucket, part).await.or_store_exit()?),
            None => None,
        };
        Ok(Yesterday { state, rows })
    }

    /// The state first: a done marker says that both are there.
    async fn write(self, bucket: u32, today: Today) -> anyhow::Result<()> {
        let Today { state, rows, statistics } = today;
        self.states.write(&self.to, bucket, state, &self.scratch).await?;
        self.publisher.write_users_part(bucket, rows, &statistics).await.or_store_exit()?;
        Ok(())
    }
}

/// One pass over the buckets that are not done.
pub(crate) struct Pass<'a> {
    pub(crate) runtime: &'a Runtime,
    pub(crate) checkpoint: &'a Checkpoint,
    pub(crate) day: Day,
    pub(crate) places: Places,
    pub(crate) events: &'a Sequences,
    /// Rows of `events` by bucket.
    pub(crate) users: &'a [Vec<usize>],
    pub(crate) shutdown: &'a CancellationToken,
}

impl Pass<'_> {
    /// Do the buckets of `todo`, in order, telling `progress`.
    pub(crate) fn run(&self, todo: &[u32], progress: &mut Progress) -> anyhow::Result<()> {
        let fetch = |bucket: u32| self.runtime.spawn(self.places.clone().fetch(bucket));
        let mut fetching = todo.first().map(|&bucket| fetch(bucket));
        let mut writing: Option<Writing> = None;
        for (place, &bucket) in todo.iter().enumerate() {
            let Some(fetched) = fetching.take() else { break };
            if self.shutdown.is_cancelled() {
                fetched.abort();
                break;
            }
            let yesterday =
                self.runtime.block_on(fetched)?.with_context(|| format!("fetch bucket {bucket}"))?;
            fetching = todo.get(place + 1).map(|&next| fetch(next));
            let events = self.events.select(&self.users[bucket as usize]);
            let today = encode_bucket(self.checkpoint, self.day, yesterday, events)
                .with_context(|| format!("encode bucket {bucket}"))?;
            self.finish(writing.take(), progress)?;
            let statistics = today.statistics.clone();
            let task = self.runtime.spawn(self.places.clone().write(bucket, today));
            writing = Some(Writing { bucket, statistics, task });
        }
        self.finish(writing, progress)?;
        if self.shutdown.is_cancelled() {
            let error = anyhow!("stopped by a signal between two buckets; run again to go on from there");
            return Err(error).or_exit(Exit::LostRace);
        }
        Ok(())
    }

    fn finish(&self, writing: Option<Writing>, progress: &mut Progress) -> anyhow::Result<()> {
        let Some(Writing { bucket, statistics, task }) = writing else { return Ok(()) };
        self.runtime.block_on(task)?.with_context(|| format!("write bucket {bucket}"))?;
        progress.done(bucket, &statistics, false);
        Ok(())
    }
}

/// A bucket on its way out.
struct Writing {
    bucket: u32,
    statistics: Statistics,
    task: JoinHandle<anyhow::Result<()>>,
}
