//! Calls over loopback: the service beside a bare tonic service that returns the same bytes, in one run.
//!
//! `cargo bench -p dayvec-lookup --bench rpc --profile dev`; client and server share the machine. Rounds alternate, and
//! the median counts.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints its figures")]

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use dayvec_bucket::Bucket;
use dayvec_core::{EmbeddingBlock, bucket_of, id_hash};
use dayvec_lookup::Config;
use dayvec_proto::Encoded;
use dayvec_proto::lookup::server::embedding_lookup_server::{EmbeddingLookup, EmbeddingLookupServer};
use dayvec_proto::lookup::v1::embedding_lookup_client::EmbeddingLookupClient;
use dayvec_proto::lookup::v1::{
    BatchGetUserEmbeddingsRequest, GetItemEmbeddingsRequest, GetServingStatusRequest,
    GetServingStatusResponse, GetUserEmbeddingRequest,
};
use dayvec_runtime::Listeners;
use dayvec_snapshot::{ElementType, ItemEmbeddings, Publisher, Reason, RunDescription};
use prost::Message as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

const N_USERS: usize = 100_000;
const DIM: usize = 256;
const N_BUCKETS: u32 = 4;
const N_ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_secs(2);
const N_CONNECTIONS: usize = 2;
const CALLS_AT_ONCE: usize = 16;

type Client = EmbeddingLookupClient<Channel>;

/// The least that tonic can do for a call: bytes that are there already.
struct Bare(Encoded);

#[tonic::async_trait]
impl EmbeddingLookup for Bare {
    async fn get_user_embedding(
        &self,
        _: Request<GetUserEmbeddingRequest>,
    ) -> Result<Response<Encoded>, Status> {
        Ok(Response::new(self.0.clone()))
    }

    async fn batch_get_user_embeddings(
        &self,
        _: Request<BatchGetUserEmbeddingsRequest>,
    ) -> Result<Response<Encoded>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn get_item_embeddings(
        &self,
        _: Request<GetItemEmbeddingsRequest>,
    ) -> Result<Response<Encoded>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn get_serving_status(
        &self,
        _: Request<GetServingStatusRequest>,
    ) -> Result<Response<GetServingStatusResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}

async fn publish(bucket: &Bucket) {
    let run = RunDescription {
        day: "2026-01-01".parse().unwrap(),
        model_id: "2026-01-01-0123456789abcdef".into(),
        tower_pair_id: "0123456789abcdef".into(),
        items_version: "bench".into(),
        input_digest: "bench".into(),
        code_version: "bench".into(),
        dim: DIM,
        element_type: ElementType::F32,
        n_buckets: N_BUCKETS,
    };
    let publisher = Publisher::begin(bucket, run).await.unwrap();
    for part in 0..N_BUCKETS {
        let ids = (0..N_USERS).map(|user| user.to_string());
        let mut ids: Vec<String> = ids.filter(|id| bucket_of(id, N_BUCKETS) == part).collect();
        ids.sort_by_key(|id| id_hash(id));
        let mut block = EmbeddingBlock::new(DIM);
        for id in ids {
            block.push(&id, &[id_hash(&id) as f32 / 1e20; DIM], 1_767_000_000, 1_767_312_000);
        }
        publisher.write_users_part(part, block, &()).await.unwrap();
    }
    let items = ItemEmbeddings { ids: ["item"].into_iter().collect(), dim: DIM, values: vec![0.1; DIM] };
    publisher.write_items_part(0, items, &()).await.unwrap();
    publisher.publish(Vec::new(), &()).await.unwrap();
    publisher.announce(Reason::Publish, "bench", false).await.unwrap();
}

async fn start_lookup(dir: &std::path::Path) -> SocketAddr {
    let bucket = Bucket::open(&url::Url::from_file_path(dir.join("bucket")).unwrap()).unwrap();
    publish(&bucket).await;
    let mut config = Config::load(None).unwrap();
    config.bucket = bucket.url().clone();
    config.cache_dir = dir.join("cache");
    let bind = || TcpListener::bind("127.0.0.1:0");
    let listeners = Listeners { traffic: bind().await.unwrap(), admin: bind().await.unwrap() };
    let (address, _) = listeners.addresses().unwrap();
    tokio::spawn(dayvec_lookup::run(config, listeners, CancellationToken::new()));
    let mut client = connect(address).await;
    while client.get_user_embedding(ask(0)).await.is_err() {
        tokio::task::yield_now().await;
    }
    address
}

async fn start_bare(reply: Encoded) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let server = tonic::transport::Server::builder().add_service(EmbeddingLookupServer::new(Bare(reply)));
    tokio::spawn(server.serve_with_incoming(incoming));
    address
}

async fn connect(address: SocketAddr) -> Client {
    let client = EmbeddingLookupClient::connect(format!("http://{address}")).await.unwrap();
    client.max_decoding_message_size(usize::MAX)
}

fn ask(user: usize) -> GetUserEmbeddingRequest {
    GetUserEmbeddingRequest { user_id: (user % N_USERS).to_string(), options: None }
}

/// Requests/s of a closed loop of `N_CONNECTIONS` x `CALLS_AT_ONCE` callers.
async fn round(address: SocketAddr) -> f64 {
    let mut callers = Vec::new();
    let start = Instant::now();
    for connection in 0..N_CONNECTIONS {
        let client = connect(address).await;
        for caller in 0..CALLS_AT_ONCE {
            let mut client = client.clone();
            callers.push(tokio::spawn(async move {
                let mut n_calls = 0;
                while start.elapsed() < ROUND {
                    let user = (n_calls * 7919 + connection * 31 + caller) * 31;
                    client.get_user_embedding(ask(user)).await.unwrap();
                    n_calls += 1;
                }
                n_calls
            }));
        }
    }
    let mut n_calls = 0;
    for caller in callers {
        n_calls += caller.await.unwrap();
    }
    n_calls as f64 / start.elapsed().as_secs_f64()
}

/// Milliseconds at the median and at 99 %, one call after another.
async fn latency(address: SocketAddr, n_users: usize) -> (f64, f64) {
    let mut client = connect(address).await;
    let mut took = Vec::new();
    for call in 0..1000 {
        let user_ids: Vec<String> =
            (0..n_users).map(|user| ((call * 97 + user * 31) % N_USERS).to_string()).collect();
        let start = Instant::now();
        if n_users == 1 {
            client.get_user_embedding(ask(call * 97)).await.unwrap();
        } else {
            let request = BatchGetUserEmbeddingsRequest { user_ids, options: None };
            client.batch_get_user_embeddings(request).await.unwrap();
        }
        took.push(start.elapsed().as_secs_f64() * 1e3);
    }
    took.sort_by(f64::total_cmp);
    (took[took.len() / 2], took[took.len() * 99 / 100])
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

#[tokio::main]
async fn main() {
    let dir = tempfile::tempdir().unwrap();
    let lookup = start_lookup(dir.path()).await;
    let reply = connect(lookup).await.get_user_embedding(ask(0)).await.unwrap().into_inner();
    let bytes = reply.encode_to_vec();
    println!("GetUserEmbedding of {DIM} floats: {} bytes a reply", bytes.len());
    let bare = start_bare(Encoded(bytes.into())).await;

    let (mut of_lookup, mut of_bare) = (Vec::new(), Vec::new());
    for _ in 0..N_ROUNDS {
        of_lookup.push(round(lookup).await);
        of_bare.push(round(bare).await);
    }
    let (of_lookup, of_bare) = (median(of_lookup), median(of_bare));
    println!(
        "lookup {of_lookup:.0} requests/s, bare tonic {of_bare:.0} requests/s, ratio {:.3}",
        of_lookup / of_bare
    );
    for n_users in [1, 100, 500] {
        let (middle, worst) = latency(lookup, n_users).await;
        println!("{n_users} users a call, one call at a time: p50 {middle:.3} ms, p99 {worst:.3} ms");
    }
}
