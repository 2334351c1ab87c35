//! What is being served: the current snapshot, replaced as a whole, and the previous one, kept open.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use dayvec_core::{Day, Shard, bucket_of};
use dayvec_proto::lookup::v1;
use serde::{Deserialize, Serialize};

use crate::LookupError;
use crate::index::Index;
use crate::wire;

/// The description of a snapshot in its index file, so that it can be served without access to the bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct About {
    pub(crate) snapshot_id: String,
    pub(crate) model_id: String,
    pub(crate) tower_pair_id: String,
    pub(crate) day: Day,
    /// Key of the manifest in the bucket.
    pub(crate) manifest: String,
    /// Buckets of users, in the whole snapshot.
    pub(crate) n_buckets: u32,
    /// Which of them the index holds.
    pub(crate) shard: Shard,
}

impl About {
    /// The buckets of users that the index holds.
    pub(crate) fn buckets(&self) -> Range<u32> {
        self.shard.buckets(self.n_buckets)
    }
}

/// A snapshot opened for reading, with the description that every reply carries.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) about: About,
    pub(crate) index: Index,
    /// [`v1::Snapshot`] without its age, encoded once.
    pub(crate) encoded: Bytes,
}

impl Snapshot {
    pub(crate) fn new(index: Index) -> Result<Self, LookupError> {
        let about: About = serde_json::from_slice(index.about()).map_err(|error| {
            LookupError::BadSnapshot(format!("the index has no valid description of its snapshot: {error}"))
        })?;
        let mut snapshot = Self { about, index, encoded: Bytes::new() };
        snapshot.encoded = wire::snapshot(&snapshot.message(SystemTime::UNIX_EPOCH));
        Ok(snapshot)
    }

    /// How far the embeddings are behind `now`; zero if clocks disagree and it would be negative.
    pub(crate) fn age(&self, now: SystemTime) -> Duration {
        let as_of = u64::try_from(self.about.day.end_s()).unwrap_or_default();
        now.duration_since(UNIX_EPOCH + Duration::from_secs(as_of)).unwrap_or_default()
    }

    /// Whether a user of this id would be in a bucket that another replica serves.
    pub(crate) fn is_elsewhere(&self, user_id: &str) -> bool {
        let about = &self.about;
        !about.shard.is_whole() && !about.buckets().contains(&bucket_of(user_id, about.n_buckets))
    }

    /// The served buckets, as `GetServingStatus` reports them.
    pub(crate) fn bucket_range(&self) -> v1::BucketRange {
        let Range { start, end } = self.about.buckets();
        v1::BucketRange { first: start, end, of: self.about.n_buckets }
    }

    /// The snapshot, as replies describe it.
    pub(crate) fn message(&self, now: SystemTime) -> v1::Snapshot {
        v1::Snapshot {
            snapshot_id: self.about.snapshot_id.clone(),
            model_id: self.about.model_id.clone(),
            tower_pair_id: self.about.tower_pair_id.clone(),
            day: self.about.day.to_string(),
            as_of: Some(prost_types::Timestamp { seconds: self.about.day.end_s(), nanos: 0 }),
            dim: self.index.dim() as u32,
            age: Some(duration_message(self.age(now))),
        }
    }
}

/// The current snapshot and the one before it.
#[derive(Debug, Clone)]
pub(crate) struct Served {
    pub(crate) current: Arc<Snapshot>,
    /// Kept open, so that a rollback to it takes no download.
    pub(crate) previous: Option<Arc<Snapshot>>,
    /// Number of the announcement that made it current.
    pub(crate) announcement: u64,
    pub(crate) since: SystemTime,
}

/// The result of the last refresh.
#[derive(Debug, Clone, Default)]
pub(crate) struct LastRefresh {
    pub(crate) at: Option<SystemTime>,
    /// Why it failed or refused a snapshot; empty if it succeeded.
    pub(crate) error: String,
}

/// Shared by the service, which reads, and the refresher, which swaps.
#[derive(Debug, Default)]
pub(crate) struct Serving {
    served: ArcSwapOption<Served>,
    last_refresh: Mutex<LastRefresh>,
}

impl Serving {
    /// The current snapshots; a request takes them once and uses them to its end.
    pub(crate) fn get(&self) -> arc_swap::Guard<Option<Arc<Served>>> {
        self.served.load()
    }

    /// Make `snapshot` current. The one that was current becomes the previous one; the one before that is dropped
    /// when its last request ends.
    pub(crate) fn swap(&self, snapshot: Arc<Snapshot>, announcement: u64) {
        let before = self.served.load_full();
        let previous = before.map(|served| Arc::clone(&served.current));
        let previous = previous.filter(|previous| !Arc::ptr_eq(previous, &snapshot));
        let served = Served { current: snapshot, previous, announcement, since: SystemTime::now() };
        self.served.store(Some(Arc::new(served)));
    }

    /// Record that a later announcement names the snapshot that is already served.
    pub(crate) fn announced_again(&self, announcement: u64) {
        if let Some(served) = self.served.load_full() {
            self.served.store(Some(Arc::new(Served { announcement, ..Served::clone(&served) })));
        }
    }

    pub(crate) fn refreshed(&self, error: String) {
        let mut last = self.last_refresh.lock().unwrap_or_else(PoisonError::into_inner);
        *last = LastRefresh { at: Some(SystemTime::now()), error };
    }

    pub(crate) fn last_refresh(&self) -> LastRefresh {
        self.last_refresh.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

pub(crate) fn duration_message(duration: Duration) -> prost_types::Duration {
    let seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    prost_types::Duration { seconds, nanos: duration.subsec_nanos() as i32 }
}

pub(crate) fn timestamp_message(at: SystemTime) -> prost_types::Timestamp {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    prost_types::Timestamp { seconds: since.as_secs() as i64, nanos: since.subsec_nanos() as i32 }
}
