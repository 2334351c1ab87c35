//! What the lookup replicas say: the snapshot that each serves, and its traffic; and one user, from the first that
//! serves the user's bucket.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use dayvec_core::bucket_of;
use dayvec_proto::lookup::v1::embedding_lookup_client::EmbeddingLookupClient;
use dayvec_proto::lookup::v1::{
    BucketRange, Encoding, GetServingStatusRequest, GetServingStatusResponse, GetUserEmbeddingRequest,
    GetUserEmbeddingResponse, ReadOptions,
};
use dayvec_runtime::authentication::Token;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use url::Url;

use crate::config::LookupAddress;
use crate::fresh::Fresh;
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
    fresh: Fresh<Arc<Vec<Look>>>,
}

#[derive(Debug)]
struct Replica {
    address: LookupAddress,
    client: EmbeddingLookupClient<InterceptedService<Channel, Token>>,
    /// When the calls were counted last, and how many there had been.
    before: Mutex<Option<(Instant, f64)>>,
}

/// One replica at one moment.
#[derive(Debug)]
pub(crate) struct Look {
    pub(crate) name: String,
    pub(crate) status: Result<GetServingStatusResponse, Outage>,
    /// `None` where no metrics page is configured.
    pub(crate) traffic: Option<Result<Traffic, Outage>>,
}

/// What a replica's `/metrics` says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Traffic {
    /// Calls since the replica started.
    pub(crate) calls: f64,
    /// Users asked for in them: found, unknown, answered by the fallback, too old.
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
    /// Calls a second since the look before, and seconds since then.
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

/// What came of asking for a user.
#[derive(Debug)]
pub(crate) enum Asked {
    /// A replica's answer, which may be that it does not know the user.
    Answer { replica: String, reply: Box<GetUserEmbeddingResponse> },
    /// The replica refuses the id, and says why.
    Refused(String),
    /// No replica serves.
    Nobody(Outage),
}

/// A connection that is made when it is first used, and made again when it broke.
pub(crate) fn channel(url: &Url, timeout: Duration) -> anyhow::Result<Channel> {
    let endpoint =
        Endpoint::from_shared(url.to_string()).with_context(|| format!("read the address {url}"))?;
    Ok(endpoint.connect_timeout(timeout).timeout(timeout).connect_lazy())
}

/// A refused call in words; the transport's own text hides what the system said.
pub(crate) fn outage(place: &Url, status: &Status) -> Outage {
    let cause = std::error::Error::source(status).map(|cause| Outage::new("", cause).reason);
    let said = match (status.code(), cause) {
        (Code::Unavailable | Code::Cancelled | Code::DeadlineExceeded, Some(cause)) => cause,
        _ => status.message().to_owned(),
    };
    let todo = match status.code() {
        Code::Unauthenticated => "name a file with a token that it knows as `token_file`",
        _ => "check that it runs and can be reached from here",
    };
    Outage::said(place.as_str(), format!("{said}; {todo}"))
}

impl Replicas {
    /// # Errors
    /// When an address is none.
    pub(crate) fn new(
        addresses: &[LookupAddress],
        token: &Token,
        scraper: &Scraper,
        timeout: Duration,
    ) -> anyhow::Result<Self> {
        let replica = |address: &LookupAddress| -> anyhow::Result<Replica> {
            let channel = channel(&address.grpc, timeout)?;
            let client = EmbeddingLookupClient::with_interceptor(channel, token.clone());
            Ok(Replica { address: address.clone(), client, before: Mutex::default() })
        };
        let replicas = addresses.iter().map(replica).collect::<anyhow::Result<_>>()?;
        Ok(Self { replicas, scraper: scraper.clone(), timeout, fresh: Fresh::default() })
    }

    /// Every replica, in the order of the settings, as of two seconds ago at most.
    pub(crate) async fn look(&self) -> Arc<Vec<Look>> {
        let looks = self.replicas.iter().map(|replica| replica.look(&self.scraper, self.timeout));
        self.fresh.get(async { Arc::new(futures::future::join_all(looks).await) }).await
    }

    /// Ask for a user the first replica that serves the user's bucket.
    pub(crate) async fn user(&self, user_id: &str) -> Asked {
        let looks = self.look().await;
        if let Some(at) = looks.iter().position(|look| look.serves(user_id)) {
            return self.replicas[at].user(user_id, self.timeout).await;
        }
        let is_loaded = |look: &Look| look.status.as_ref().is_ok_and(|status| status.snapshot.is_some());
        Asked::Nobody(match looks.iter().find_map(|look| look.status.as_ref().err()) {
            Some(outage) => outage.clone(),
            None if self.replicas.is_empty() => Outage::said("lookups", "none is configured"),
            None if looks.iter().any(is_loaded) => {
                Outage::said("lookups", "none of them serves the bucket of this user")
            }
            None => Outage::said("lookups", "none of them has loaded a snapshot yet"),
        })
    }
}

impl Look {
    /// Whether it serves the bucket that a user of this id is in. A replica that tells no buckets serves all.
    fn serves(&self, user_id: &str) -> bool {
        self.status.as_ref().is_ok_and(|status| {
            let has = |buckets: &BucketRange| {
                buckets.of > 0 && (buckets.first..buckets.end).contains(&bucket_of(user_id, buckets.of))
            };
            status.snapshot.is_some() && status.buckets.as_ref().is_none_or(has)
        })
    }
}

/// The answer, if it comes in time: a lazy connection does not count its first attempt against the call.
pub(crate) async fn within<T>(
    timeout: Duration,
    call: impl Future<Output = Result<tonic::Response<T>, Status>>,
) -> Result<T, Status> {
    match tokio::time::timeout(timeout, call).await {
        Ok(answer) => answer.map(tonic::Response::into_inner),
        Err(_) => Err(Status::deadline_exceeded(format!("no answer within {timeout:?}"))),
    }
}

impl Replica {
    async fn user(&self, user_id: &str, timeout: Duration) -> Asked {
        let options = ReadOptions { encoding: Encoding::Float32.into(), ..ReadOptions::default() };
        let request = GetUserEmbeddingRequest { user_id: user_id.to_owned(), options: Some(options) };
        match within(timeout, self.client.clone().get_user_embedding(request)).await {
            Ok(reply) => Asked::Answer { replica: self.address.name.clone(), reply: Box::new(reply) },
            Err(status) if status.code() == Code::InvalidArgument => {
                Asked::Refused(status.message().to_owned())
            }
            Err(status) => Asked::Nobody(outage(&self.address.grpc, &status)),
        }
    }

    async fn look(&self, scraper: &Scraper, timeout: Duration) -> Look {
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
        Look { name: self.address.name.clone(), status, traffic }
    }

    fn traffic(&self, scrape: &Scrape) -> Traffic {
        let result = |name: &str| scrape.sum(LOOKUPS, &[("result", name)]).unwrap_or(0.0);
        let (calls, seconds) = scrape.count_and_sum(CALLS);
        let now = Instant::now();
        let before = self.before.lock().unwrap_or_else(PoisonError::into_inner).replace((now, calls));
        Traffic {
            calls,
            hits: result("hit"),
            misses: result("miss"),
            fallbacks: result("fallback"),
            too_old: result("too_old"),
            elsewhere: result("elsewhere"),
            mean_s: (calls > 0.0).then(|| seconds / calls),
            p99_edge_s: scrape.quantile_edge(CALLS, 0.99),
            rate: before.and_then(|(at, before)| rate(before, calls, now.duration_since(at).as_secs_f64())),
            disks: disks(scrape),
        }
    }
}

/// Calls a second; `None` when the counter began anew.
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
    fn a_rate_needs_a_counter_that_went_on() {
        assert_eq!(rate(10.0, 30.0, 4.0), Some((5.0, 4.0)));
        assert_eq!(rate(10.0, 3.0, 4.0), None);
    }
}
