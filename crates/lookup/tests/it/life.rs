//! How the service begins, restarts and ends.

use std::time::Duration;

use dayvec_runtime::exit;
use tonic::Code;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::world::{Service, World, ask, day, embedding, floats, serve};

async fn health_client(service: &Service) -> HealthClient<Channel> {
    let endpoint = Endpoint::from_shared(format!("http://{}", service.address)).unwrap();
    HealthClient::new(endpoint.connect().await.unwrap())
}

async fn health(service: &Service) -> ServingStatus {
    let mut client = health_client(service).await;
    let mut statuses = Vec::new();
    for name in ["", "dayvec.lookup.v1.EmbeddingLookup"] {
        let request = HealthCheckRequest { service: name.into() };
        statuses.push(client.check(request).await.unwrap().into_inner().status());
    }
    assert_eq!(statuses[0], statuses[1]);
    statuses[0]
}

#[tokio::test]
async fn without_a_snapshot_the_service_is_alive_but_unavailable() {
    let world = World::new();
    let service = world.serve().await;
    service.until(|status| status.refreshed_at.is_some()).await;
    let mut client = service.client().await;
    let status = client.get_user_embedding(ask("1")).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    assert!(status.message().contains("no snapshot is loaded yet"), "{status}");
    assert_eq!(health(&service).await, ServingStatus::NotServing);
    assert!(service.admin("/readyz").await.starts_with("HTTP/1.1 503"));
    assert!(service.admin("/livez").await.starts_with("HTTP/1.1 200"));

    let manifest = world.publish(day(1)).await;
    service.until_serving(&manifest).await;
    client.get_user_embedding(ask("1")).await.unwrap();
    assert_eq!(health(&service).await, ServingStatus::Serving);
    assert!(service.admin("/readyz").await.starts_with("HTTP/1.1 200"));
    let metrics = service.admin("/metrics").await;
    for name in [
        "embedding_snapshot_info{",
        "embedding_snapshot_age_seconds",
        "embedding_lookup_total{result=\"hit\"}",
        "embedding_swap_total{outcome=\"swapped\"}",
        "embedding_batch_size_bucket",
        "rpc_server_call_duration_seconds_bucket{rpc_method=\"GetUserEmbedding\"",
    ] {
        assert!(metrics.contains(name), "{name} is missing from\n{metrics}");
    }
    service.stop().await.unwrap();
}

#[tokio::test]
async fn a_restart_maps_what_is_there_without_the_bucket() {
    let world = World::new();
    let manifest = world.publish(day(1)).await;
    let service = world.serve().await;
    service.until_serving(&manifest).await;
    service.stop().await.unwrap();
    std::fs::remove_dir_all(world.bucket_dir()).unwrap();

    let service = world.serve().await;
    let status = service.until_serving(&manifest).await;
    assert_eq!(status.announcement, 1);
    let reply = service.client().await.get_user_embedding(ask("5")).await.unwrap().into_inner();
    assert_eq!(floats(&reply.user.unwrap().embedding.unwrap().data), embedding(day(1), 5));
    service.stop().await.unwrap();
}

#[tokio::test]
async fn a_damaged_cache_is_built_anew() {
    let world = World::new();
    let manifest = world.publish(day(1)).await;
    let service = world.serve().await;
    service.until_serving(&manifest).await;
    service.stop().await.unwrap();
    let cache = std::fs::read_dir(world.dir.path().join("cache")).unwrap().next().unwrap().unwrap().path();
    let index = std::fs::read_dir(cache).unwrap().flatten().map(|entry| entry.path());
    let index = index.into_iter().find(|path| path.extension().is_some_and(|end| end == "index")).unwrap();
    let mut bytes = std::fs::read(&index).unwrap();
    bytes[4200] ^= 1;
    std::fs::write(&index, bytes).unwrap();

    let service = world.serve().await;
    service.until_serving(&manifest).await;
    let reply = service.client().await.get_user_embedding(ask("5")).await.unwrap().into_inner();
    assert_eq!(floats(&reply.user.unwrap().embedding.unwrap().data), embedding(day(1), 5));
    service.stop().await.unwrap();
}

#[tokio::test]
async fn a_whole_index_is_served_although_the_cache_cannot_be_written() {
    let world = World::new();
    let first = world.publish(day(1)).await;
    let service = world.serve().await;
    service.until_serving(&first).await;
    service.stop().await.unwrap();
    let cache = std::fs::read_dir(world.dir.path().join("cache")).unwrap().next().unwrap().unwrap().path();
    std::fs::write(cache.join("killed.index.unfinished"), "half").unwrap();
    // A folder in the place of the file that is written: as good as a full disk.
    std::fs::create_dir(cache.join("current.new")).unwrap();

    let service = world.serve().await;
    service.until_serving(&first).await;
    service.until(|status| status.refreshed_at.is_some() && status.refresh_error.is_empty()).await;
    assert!(!cache.join("killed.index.unfinished").exists(), "it would fill the disk");
    let second = world.publish(day(2)).await;
    service.until_serving(&second).await;
    let status = service.until(|status| !status.refresh_error.is_empty()).await;
    assert!(status.refresh_error.contains("current.json"), "{}", status.refresh_error);

    std::fs::remove_dir(cache.join("current.new")).unwrap();
    service.until(|status| status.refresh_error.is_empty()).await;
    let noted = std::fs::read_to_string(cache.join("current.json")).unwrap();
    assert!(noted.contains(&second.key()), "{noted}");
    service.stop().await.unwrap();
}

#[tokio::test]
async fn a_cache_folder_has_one_process() {
    let world = World::new();
    let manifest = world.publish(day(1)).await;
    let service = world.serve().await;
    service.until_serving(&manifest).await;
    let error = serve(world.config()).await.ended.await.unwrap().unwrap_err();
    assert_eq!(exit::code(&error), 75, "{error:#}");
    assert!(format!("{error:#}").contains("give each process its own `cache_dir`"), "{error:#}");
    service.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_are_answered_until_the_drain_ends() {
    let world = World::new();
    let manifest = world.publish(day(1)).await;
    let mut config = world.config();
    config.drain.notice = Duration::from_millis(300);
    let service = serve(config).await;
    service.until_serving(&manifest).await;
    let mut client = service.client().await;
    client.get_user_embedding(ask("1")).await.unwrap();
    let mut watch = health_client(&service).await;
    let request = HealthCheckRequest { service: String::new() };
    let mut changes = watch.watch(request).await.unwrap().into_inner();
    assert_eq!(changes.message().await.unwrap().unwrap().status(), ServingStatus::Serving);

    service.shutdown.cancel();
    // Load balancers hear of it while calls, old connections and new, are still answered.
    assert_eq!(changes.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    drop(changes);
    client.get_user_embedding(ask("1")).await.unwrap();
    service.client().await.get_user_embedding(ask("2")).await.unwrap();
    let address = service.address;
    service.stop().await.unwrap();
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "the port is closed");
}
