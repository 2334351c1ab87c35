//! The lookup service in this process, and a client of it.

use std::time::Duration;

use dayvec_lookup::{Config, config::SHIPPED};
use dayvec_proto::lookup::v1 as api;
use dayvec_proto::lookup::v1::embedding_lookup_client::EmbeddingLookupClient;
use dayvec_runtime::Listeners;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

use crate::world::World;

/// How long a refresh may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running lookup with a connected client.
pub(crate) struct Lookup<'a> {
    world: &'a World,
    client: EmbeddingLookupClient<Channel>,
    shutdown: CancellationToken,
    service: JoinHandle<anyhow::Result<()>>,
}

impl<'a> Lookup<'a> {
    pub(crate) fn start(world: &'a World) -> Self {
        let file = world.path("lookup.yaml");
        let text = SHIPPED
            .replace("bucket: ./bucket", &format!("bucket: {}", world.bucket_url()))
            .replace("0.0.0.0:50051", "127.0.0.1:0")
            .replace("0.0.0.0:9102", "127.0.0.1:0")
            .replace("./work/lookup", &world.path("work/lookup").display().to_string())
            .replace("interval: 30s", "interval: 20ms")
            .replace("notice: 2s", "notice: 0s");
        std::fs::write(&file, text).unwrap();
        let config = Config::load(Some(&file)).unwrap();
        let shutdown = CancellationToken::new();
        let (client, service) = world.runtime.block_on(async {
            let listeners = Listeners::bind(config.listen, config.admin_listen).await.unwrap();
            let (address, _) = listeners.addresses().unwrap();
            let service = tokio::spawn(dayvec_lookup::run(config, listeners, shutdown.clone()));
            (EmbeddingLookupClient::connect(format!("http://{address}")).await.unwrap(), service)
        });
        Self { world, client, shutdown, service }
    }

    /// Wait until this snapshot is served.
    pub(crate) fn wait_for(&self, snapshot_id: &str) -> api::GetServingStatusResponse {
        let mut client = self.client.clone();
        self.world.runtime.block_on(async {
            let mut tick = tokio::time::interval(Duration::from_millis(10));
            let waiting = async {
                loop {
                    tick.tick().await;
                    let status = client
                        .get_serving_status(api::GetServingStatusRequest {})
                        .await
                        .unwrap()
                        .into_inner();
                    assert_eq!(status.refresh_error, "");
                    if status.snapshot.as_ref().is_some_and(|snapshot| snapshot.snapshot_id == snapshot_id) {
                        return status;
                    }
                }
            };
            tokio::time::timeout(PATIENCE, waiting).await.expect("the lookup serves the new snapshot in time")
        })
    }

    /// Answers for users, in order.
    pub(crate) fn users(&self, ids: &[String]) -> Vec<api::UserEmbedding> {
        let mut client = self.client.clone();
        let mut answers = Vec::new();
        for chunk in ids.chunks(1000) {
            let request = api::BatchGetUserEmbeddingsRequest { user_ids: chunk.to_vec(), options: None };
            let reply = self.world.runtime.block_on(client.batch_get_user_embeddings(request)).unwrap();
            answers.extend(reply.into_inner().users);
        }
        answers
    }

    /// Embeddings of items, in order; every one is found.
    pub(crate) fn items(&self, ids: &[String]) -> Vec<Vec<f32>> {
        let mut client = self.client.clone();
        let mut answers = Vec::new();
        for chunk in ids.chunks(1000) {
            let request = api::GetItemEmbeddingsRequest { item_ids: chunk.to_vec(), options: None };
            let reply = self.world.runtime.block_on(client.get_item_embeddings(request)).unwrap();
            answers.extend(reply.into_inner().items.into_iter().map(|item| floats(&item.embedding.unwrap())));
        }
        answers
    }

    /// Stop it in good order.
    pub(crate) fn stop(self) {
        let Self { world, client, shutdown, service } = self;
        drop(client);
        shutdown.cancel();
        world.runtime.block_on(service).unwrap().unwrap();
    }
}

/// The numbers of an embedding, as a client unpacks them.
pub(crate) fn floats(embedding: &api::Embedding) -> Vec<f32> {
    assert_eq!(embedding.encoding(), api::Encoding::Float32);
    embedding.data.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
}
