//! The lookup replicas: the snapshot that each serves, its traffic, and one user, from the first replica that serves the
//! user's bucket.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use dayvec_core::bucket_of;
use dayvec_proto::lookup::v1::embedding_lookup_client::EmbeddingLookupClient;
use dayvec_proto::lookup::v1::{
    BucketRange, Encoding, GetServingStatusRequest, GetServingStatusResponse, GetUserEmbeddingRequest,
    GetUserEmbeddingResponse, ReadOptions,
};
use dayvec_runtime::authentication::Token;
use dayvec_runtime::client::{Connection, Target, within};
use tonic::{Code, Request};

use crate::cached::Cached;
use crate::calls::outage;
use crate::config::LookupAddress;
use crate::outage::Outage;
use crate::scrape::{Scrape, Scraper};

const CALLS: &str = "rpc_server_call_duration_seconds";
const LOOKUPS: &str = "embedding_lookup_total";

/// All replicas.
#[derive(Debug)]
pub(crate) struct Replicas {
    replicas: Vec<Replica>,
    scraper: Scraper,
    timeout: Duration,
    cached: Cached<Arc<Vec<ReplicaView>>>,
}

#[derive(Debug)]
struct Replica {
    address: LookupAddress,
    client: EmbeddingLookupClient<Connection>,
    /// When the calls were counted last, and how many there were.
    last_count: Mutex<Option<(Instant, f64)>>,
}

/// One replica at one moment.
#[derive(Debug)]
pub(crate) struct ReplicaView {
    pub(crate) name: String,
    pub(crate) status: Result<GetServingStatusResponse, Outage>,
    /// `None` where no metrics page is configured.
    pub(crate) traffic: Option<Result<Traffic, Outage>>,
}

/// The traffic of a replica, from its `/metrics`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Traffic {
    /// Calls since the replica started.
    pub(crate) calls: f64,
    /// Users requested in them: found, unknown, answered by the fallback, too old.
    pub(crate) hits: f64,
    pub(crate) misses: f64,
    pub(crate) fallbacks: f64,
    pub(crate) too_old: f64,
    /// Users of other shards.
    pub(crate) elsewhere: f64,
    /// Seconds inside the service, since the replica started; `None` before the first call.
    pub(crate) mean_s: Option<f64>,
    /// Upper edge of the histogram's bucket that holds the slowest hundredth.
    pub(crate) p99_edge_s: Option<f64>,
    /// Calls per second since the previous view, and the seconds between the two.
    pub(crate) rate: Option<(f64, f64)>,
    pub(crate) disks: Vec<Disk>,
}

/// The disk under a folder of a program.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Disk {
    pub(crate) folder: String,
    pub(crate) free_bytes: f64,
    pub(crate) size_bytes: f64,
}

/// The outcome of looking up a user.
#[derive(Debug)]
pub(crate) enum UserLookup {
    /// A replica's answer, which may be that the user is unknown.
    Answered { replica: String, reply: Box<GetUserEmbeddingResponse> },
    /// The replica rejects the id, for this reason.
    Rejected(String),
    /// No replica can answer.
    Unavailable(Outage),
}

impl Replicas {
    /// # Errors
    /// When an address is not valid.
    pub(crate) fn new(
        addresses: &[LookupAddress],
        token: &Token,
        scraper: &Scraper,
        timeout: Duration,
    ) -> anyhow::Result<Self> {
        let replica = |address: &LookupAddress| -> anyhow::Result<Replica> {
            let target = Target::of_url(&address.grpc).map_err(anyhow::Error::msg)?.with_timeout(timeout);
            let client = EmbeddingLookupClient::new(target.connect_lazily(token.clone()));
            Ok(Replica { address: address.clone(), client, last_count: Mutex::default() })
        };
        let replicas = addresses.iter().map(replica).collect::<anyhow::Result<_>>()?;
        Ok(Self { replicas, scraper: scraper.clone(), timeout, cached: Cached::default() })
    }

    /// Every replica, in the order of the settings, at most two seconds old.
    pub(crate) async fn views(&self) -> Arc<Vec<ReplicaView>> {
        let views = self.replicas.iter().map(|replica| replica.view(&self.scraper, self.timeout));
        self.cached.get(async { Arc::new(futures::future::join_all(views).await) }).await
    }

    /// Look up a user in the first replica that serves the user's bucket.
    pub(crate) async fn user(&self, user_id: &str) -> UserLookup {
        let views = self.views().await;
        if let Some(at) = views.iter().position(|view| view.serves(user_id)) {
            return self.replicas[at].user(user_id, self.timeout).await;
        }
        let is_loaded =
            |view: &ReplicaView| view.status.as_ref().is_ok_and(|status| status.snapshot.is_some());
        UserLookup::Unavailable(match views.iter().find_map(|view| view.status.as_ref().err()) {
            Some(outage) => outage.clone(),
            None if self.replicas.is_empty() => Outage::new("lookups", "no replica is configured"),
            None if views.iter().any(is_loaded) => {
                Outage::new("lookups", "no replica serves the bucket of this user")
            }
            None => Outage::new("lookups", "no replica has loaded a snapshot yet"),
        })
    }
}

impl ReplicaView {
    /// Whether it serves the bucket that a user of this id is in. A replica that reports no buckets serves all.
    fn serves(&self, user_id: &str) -> bool {
        self.status.as_ref().is_ok_and(|status| {
            let has = |buckets: &BucketRange| {
                buckets.of > 0 && (buckets.first..buckets.end).contains(&bucket_of(user_id, buckets.of))
            };
            status.snapshot.is_some() && status.buckets.as_ref().is_none_or(has)
        })
    }
}

impl Replica {
    async fn user(&self, user_id: &str, timeout: Duration) -> UserLookup {
        let options = ReadOptions { encoding: Encoding::Float32.into(), ..ReadOptions::default() };
        let request = GetUserEmbeddingRequest { user_id: user_id.to_owned(), options: Some(options) };
        match within(timeout, self.client.clone().get_user_embedding(request)).await {
            Ok(reply) => UserLookup::Answered { replica: self.address.name.clone(), reply: Box::new(reply) },
            Err(status) if status.code() == Code::InvalidArgument => {
                UserLookup::Rejected(status.message().to_owned())
            }
            Err(status) => UserLookup::Unavailable(outage(&self.address.grpc, &status)),
        }
    }

    async fn view(&self, scraper: &Scraper, timeout: Duration) -> ReplicaView {
        let mut client = self.client.clone();
        let status = async {
            let status = client.get_serving_status(Request::new(GetServingStatusRequest {}));
            within(timeout, status).await.map_err(|status| outage(&self.address.grpc, &status))
        };
        let traffic = async {
            let scraped = scraper.fetch(self.address.metrics.as_ref()?).await;
            Some(scraped.map(|scrape| self.traffic(&scrape)))
        };
        let (status, traffic) = futures::join!(status, traffic);
        ReplicaView { name: self.address.name.clone(), status, traffic }
    }

    fn traffic(&self, scrape: &Scrape) -> Traffic {
        let result = |name: &str| scrape.sum(LOOKUPS, &[("result", name)]).unwrap_or(0.0);
        let (calls, seconds) = scrape.count_and_sum(CALLS);
        let now = Instant::now();
        let last = self.last_count.lock().unwrap_or_else(PoisonError::into_inner).replace((now, calls));
        Traffic {
            calls,
            hits: result("hit"),
            misses: result("miss"),
            fallbacks: result("fallback"),
            too_old: result("too_old"),
            elsewhere: result("elsewhere"),
            mean_s: (calls > 0.0).then(|| seconds / calls),
            p99_edge_s: scrape.quantile_edge(CALLS, 0.99),
            rate: last.and_then(|(at, count)| rate(count, calls, now.duration_since(at).as_secs_f64())),
            disks: disks(scrape),
        }
    }
}

/// Calls per second; `None` when the counter was reset.
fn rate(before: f64, now: f64, seconds: f64) -> Option<(f64, f64)> {
    (now >= before && seconds > 0.0).then(|| ((now - before) / seconds, seconds))
}

/// The disks that a program watches.
pub(crate) fn disks(scrape: &Scrape) -> Vec<Disk> {
    let size = |folder: &str| scrape.sum("disk_size_bytes", &[("folder", folder)]).unwrap_or(0.0);
    let free = scrape.by_label("disk_free_bytes", "folder");
    free.map(|(folder, free_bytes)| Disk { folder: folder.into(), free_bytes, size_bytes: size(folder) })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_that_was_reset_has_no_rate() {
        assert_eq!(rate(10.0, 30.0, 4.0), Some((5.0, 4.0)));
        assert_eq!(rate(10.0, 3.0, 4.0), None);
    }
}
