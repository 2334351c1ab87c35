//! A bucket that snapshots are published into, and a running service over it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use dayvec_bucket::Bucket;
use dayvec_core::{Day, EmbeddingBlock, bucket_of, id_hash};
use dayvec_lookup::Config;
use dayvec_proto::lookup::v1::embedding_lookup_client::EmbeddingLookupClient;
use dayvec_proto::lookup::v1::{GetServingStatusRequest, GetServingStatusResponse, GetUserEmbeddingRequest};
use dayvec_runtime::Listeners;
use dayvec_snapshot::{
    Announcement, ElementType, ItemEmbeddings, Manifest, Publisher, Reason, RunDescription, announce,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

pub(crate) type Client = EmbeddingLookupClient<Channel>;

pub(crate) const DIM: usize = 4;
pub(crate) const N_USERS: usize = 300;
pub(crate) const N_BUCKETS: u32 = 4;

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct World {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) bucket: Bucket,
}

pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) shutdown: CancellationToken,
    pub(crate) ended: JoinHandle<anyhow::Result<()>>,
}

/// The embedding of a user (or item, by its number) in the snapshot of a day: unit length, different for each.
pub(crate) fn embedding(day: Day, number: usize) -> [f32; DIM] {
    let angle = day.start_s() as f32 / 86_400.0 + number as f32;
    [angle.cos() * 0.6, angle.sin() * 0.6, 0.8, 0.0]
}

pub(crate) fn day(number: i32) -> Day {
    "2026-01-01".parse::<Day>().unwrap().plus(number - 1)
}

impl World {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let bucket = Bucket::open(&url::Url::from_file_path(dir.path().join("bucket")).unwrap()).unwrap();
        Self { dir, bucket }
    }

    pub(crate) fn bucket_dir(&self) -> PathBuf {
        self.dir.path().join("bucket")
    }

    pub(crate) fn config(&self) -> Config {
        let mut config = Config::load(None).unwrap();
        config.bucket = self.bucket.url().clone();
        config.cache_dir = self.dir.path().join("cache");
        config.refresh.interval = Duration::from_millis(20);
        config.limits.max_batch_keys = 100;
        config.drain.notice = Duration::ZERO;
        config
    }

    /// Write the snapshot of a day; readers do not see it yet.
    pub(crate) async fn write(&self, day: Day, element_type: ElementType) -> (Publisher, Manifest) {
        let run = RunDescription {
            day,
            model_id: "model-1".into(),
            tower_pair_id: "pair-1".into(),
            items_version: "items-1".into(),
            input_digest: day.to_string(),
            code_version: "test".into(),
            dim: DIM,
            element_type,
            n_buckets: N_BUCKETS,
        };
        let publisher = Publisher::begin(&self.bucket, run).await.unwrap();
        for bucket in 0..N_BUCKETS {
            let mut users: Vec<usize> =
                (0..N_USERS).filter(|user| bucket_of(&user.to_string(), N_BUCKETS) == bucket).collect();
            users.sort_by_key(|user| id_hash(&user.to_string()));
            let mut block = EmbeddingBlock::new(DIM);
            for user in users {
                let last_action_at = day.start_s() + user as i64;
                block.push(&user.to_string(), &embedding(day, user), last_action_at, day.end_s());
            }
            publisher.write_users_part(bucket, block, &()).await.unwrap();
        }
        let items = ItemEmbeddings {
            ids: ["pin-0", "pin-1"].into_iter().collect(),
            dim: DIM,
            values: [embedding(day, 1000), embedding(day, 1001)].concat(),
        };
        publisher.write_items_part(0, items, &()).await.unwrap();
        let manifest = publisher.publish(Vec::new(), &()).await.unwrap();
        (publisher, manifest)
    }

    /// Write and announce the snapshot of a day.
    pub(crate) async fn publish(&self, day: Day) -> Manifest {
        let (publisher, manifest) = self.write(day, ElementType::F32).await;
        publisher.announce(Reason::Publish, "test", false).await.unwrap();
        manifest
    }

    /// Write an announcement as another program might, unchecked.
    pub(crate) fn announce_unchecked(&self, sequence: u64, manifest: &Manifest) {
        let announcement = Announcement {
            sequence,
            manifest: manifest.key(),
            previous: None,
            reason: Reason::Publish,
            at_s: 0,
            by: "test".into(),
            forced: false,
        };
        self.write_announcement(sequence, &serde_json::to_vec(&announcement).unwrap());
    }

    /// Write an announcement of any bytes.
    pub(crate) fn write_announcement(&self, number: u64, bytes: &[u8]) {
        std::fs::write(self.bucket_dir().join(format!("announcements/{number:020}.json")), bytes).unwrap();
    }

    /// Put a changed manifest in the place of what was written.
    pub(crate) fn rewrite(&self, changed: &Manifest) {
        std::fs::write(self.bucket_dir().join(changed.key()), serde_json::to_vec(changed).unwrap()).unwrap();
    }

    pub(crate) async fn roll_back_to(&self, manifest: &Manifest) -> Announcement {
        announce(&self.bucket, &manifest.key(), Reason::Rollback, "test", false).await.unwrap()
    }

    pub(crate) async fn serve(&self) -> Service {
        serve(self.config()).await
    }
}

/// Start the service on free ports.
pub(crate) async fn serve(config: Config) -> Service {
    let bind = || TcpListener::bind("127.0.0.1:0");
    let listeners = Listeners { traffic: bind().await.unwrap(), admin: bind().await.unwrap() };
    let (address, admin) = listeners.addresses().unwrap();
    let shutdown = CancellationToken::new();
    let ended = tokio::spawn(dayvec_lookup::run(config, listeners, shutdown.clone()));
    Service { address, admin, shutdown, ended }
}

impl Service {
    pub(crate) async fn client(&self) -> Client {
        EmbeddingLookupClient::connect(format!("http://{}", self.address)).await.unwrap()
    }

    /// Request the status until it satisfies `is_there`.
    pub(crate) async fn until(
        &self,
        is_there: impl Fn(&GetServingStatusResponse) -> bool,
    ) -> GetServingStatusResponse {
        let mut client = self.client().await;
        let asking = async {
            loop {
                let status =
                    client.get_serving_status(GetServingStatusRequest {}).await.unwrap().into_inner();
                if is_there(&status) {
                    return status;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, asking).await.expect("the status is reached in time")
    }

    pub(crate) async fn until_serving(&self, manifest: &Manifest) -> GetServingStatusResponse {
        self.until(|status| {
            status.snapshot.as_ref().is_some_and(|snapshot| snapshot.snapshot_id == manifest.snapshot_id)
        })
        .await
    }

    /// Fetch a page of the admin port, headers included.
    pub(crate) async fn admin(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.admin).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    /// Stop, and wait until it has.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.shutdown.cancel();
        tokio::time::timeout(PATIENCE, self.ended).await.expect("the service ends in time").unwrap()
    }
}

pub(crate) fn ask(user_id: &str) -> GetUserEmbeddingRequest {
    GetUserEmbeddingRequest { user_id: user_id.into(), options: None }
}

/// The floats of packed little-endian bytes.
pub(crate) fn floats(data: &[u8]) -> Vec<f32> {
    data.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
}
