//! The metrics of the service, registered once so that recording is one atomic operation.

use std::time::{Duration, Instant, SystemTime};

use dayvec_proto::lookup::v1::{Source, Status};
use dayvec_snapshot::Reason;
use metrics::{Counter, Histogram, counter, gauge, histogram};

use crate::refusal::Refusal;
use crate::serving::{Served, Snapshot};
use crate::wire::Answer;

/// The outcome of a refresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SwapOutcome {
    /// Another snapshot went into service.
    Swapped,
    /// A bad snapshot was refused; the previous snapshot stays in service.
    Refused,
    /// The bucket or the disk failed; the next refresh tries again.
    Failed,
}

/// The durations of one method, by outcome: answered, bad request, or no snapshot loaded.
#[derive(Debug)]
struct Rpc {
    ok: Histogram,
    refused: Histogram,
    unavailable: Histogram,
}

/// Handles of everything that requests record.
#[derive(Debug)]
pub(crate) struct Meter {
    hit: Counter,
    miss: Counter,
    fallback: Counter,
    too_old: Counter,
    elsewhere: Counter,
    batch_size: Histogram,
    get_user: Rpc,
    batch_get_users: Rpc,
    get_items: Rpc,
}

/// The methods that are measured.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Method {
    GetUser,
    BatchGetUsers,
    GetItems,
}

impl Meter {
    pub(crate) fn new() -> Self {
        let result = |name: &'static str| counter!("embedding_lookup_total", "result" => name);
        let duration = |method: &'static str, outcome: &'static str| histogram!("rpc_server_call_duration_seconds", "rpc_method" => method, "outcome" => outcome);
        let rpc = |method: &'static str| Rpc {
            ok: duration(method, "ok"),
            refused: duration(method, "refused"),
            unavailable: duration(method, "unavailable"),
        };
        Self {
            hit: result("hit"),
            miss: result("miss"),
            fallback: result("fallback"),
            too_old: result("too_old"),
            elsewhere: result("elsewhere"),
            batch_size: histogram!("embedding_batch_size"),
            get_user: rpc("GetUserEmbedding"),
            batch_get_users: rpc("BatchGetUserEmbeddings"),
            get_items: rpc("GetItemEmbeddings"),
        }
    }

    /// Count one answer.
    pub(crate) fn answered(&self, answer: &Answer<'_>) {
        let counter = match (answer.status, answer.embedding) {
            (Status::TooOld, _) => &self.too_old,
            (Status::NotServed, _) => &self.elsewhere,
            (_, Some((Source::PopulationMean, _))) => &self.fallback,
            (Status::Found, _) => &self.hit,
            _ => &self.miss,
        };
        counter.increment(1);
    }

    /// Count the keys of a batch.
    pub(crate) fn batch(&self, n_keys: usize) {
        self.batch_size.record(n_keys as f64);
    }

    /// Record a call that began at `start`.
    pub(crate) fn called(&self, method: Method, start: Instant, refused: Option<&Refusal>) {
        let rpc = match method {
            Method::GetUser => &self.get_user,
            Method::BatchGetUsers => &self.batch_get_users,
            Method::GetItems => &self.get_items,
        };
        let ended = match refused {
            None => &rpc.ok,
            Some(Refusal::NoSnapshot) => &rpc.unavailable,
            Some(_) => &rpc.refused,
        };
        ended.record(start.elapsed());
    }
}

/// Make the series of refreshes exist from the start, so that a rate over them is right when one first moves.
pub(crate) fn describe() {
    for outcome in ["swapped", "refused", "failed"] {
        counter!("embedding_swap_total", "outcome" => outcome).absolute(0);
    }
    for reason in [Reason::Publish, Reason::Rollback, Reason::Canary] {
        counter!("embedding_swap_back_total", "reason" => name_of(reason)).absolute(0);
    }
}

/// Count a refresh by its outcome.
pub(crate) fn swap(outcome: SwapOutcome) {
    let name = match outcome {
        SwapOutcome::Swapped => "swapped",
        SwapOutcome::Refused => "refused",
        SwapOutcome::Failed => "failed",
    };
    counter!("embedding_swap_total", "outcome" => name).increment(1);
}

/// Count that readers went back to an earlier day, by the reason of the announcement.
pub(crate) fn went_back(reason: Reason) {
    counter!("embedding_swap_back_total", "reason" => name_of(reason)).increment(1);
}

const fn name_of(reason: Reason) -> &'static str {
    match reason {
        Reason::Publish => "publish",
        Reason::Rollback => "rollback",
        Reason::Canary => "canary",
    }
}

/// Record how long it took to make a snapshot ready.
pub(crate) fn opened(took: Duration) {
    histogram!("embedding_swap_duration_seconds").record(took);
}

/// Report which snapshot is served, and that `before` no longer is.
pub(crate) fn snapshot(before: Option<&Snapshot>, now: &Snapshot) {
    for (snapshot, value) in before.map(|before| (before, 0.0)).into_iter().chain([(now, 1.0)]) {
        gauge!(
            "embedding_snapshot_info",
            "snapshot" => snapshot.about.snapshot_id.clone(),
            "model" => snapshot.about.model_id.clone(),
            "tower_pair" => snapshot.about.tower_pair_id.clone()
        )
        .set(value);
    }
    gauge!("embedding_snapshot_users").set(now.index.n_users() as f64);
    gauge!("embedding_snapshot_items").set(now.index.n_items() as f64);
    gauge!("embedding_snapshot_resident_bytes").set(now.index.len_bytes() as f64);
}

/// Report how old the served snapshot is.
pub(crate) fn age(served: &Served) {
    gauge!("embedding_snapshot_age_seconds").set(served.current.age(SystemTime::now()).as_secs_f64());
}
