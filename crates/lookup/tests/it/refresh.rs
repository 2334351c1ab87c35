//! From one snapshot to the next: under load, back again, and never to a bad one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use dayvec_core::Day;
use dayvec_proto::lookup::v1::BatchGetUserEmbeddingsRequest;
use dayvec_snapshot::{Announcement, ElementType, Reason};

use crate::world::{Client, N_USERS, World, ask, day, embedding, floats};

/// Request batches until `stop`. Every answer must be complete, and come from the snapshot that the reply names.
async fn load(mut client: Client, stop: Arc<AtomicBool>, answered: Arc<AtomicU64>) {
    let users: Vec<usize> = (0..N_USERS).step_by(4).collect();
    let request = BatchGetUserEmbeddingsRequest {
        user_ids: users.iter().map(ToString::to_string).collect(),
        options: None,
    };
    while !stop.load(Ordering::Relaxed) {
        let reply =
            client.batch_get_user_embeddings(request.clone()).await.expect("no call fails").into_inner();
        let day: Day = reply.snapshot.unwrap().day.parse().unwrap();
        for (user, answer) in users.iter().zip(&reply.users) {
            let sent = floats(&answer.embedding.as_ref().unwrap().data);
            assert_eq!(sent, embedding(day, *user), "user {user} of {day}");
            assert_eq!(answer.computed_at.unwrap().seconds, day.end_s());
        }
        answered.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn snapshots_are_swapped_under_load_without_a_failed_or_mixed_answer() {
    let world = World::new();
    let first = world.publish(day(1)).await;
    let service = world.serve().await;
    service.until_serving(&first).await;
    let (stop, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut callers = Vec::new();
    for _ in 0..4 {
        callers.push(tokio::spawn(load(service.client().await, Arc::clone(&stop), Arc::clone(&answered))));
    }
    for number in 2..8 {
        let before = answered.load(Ordering::Relaxed);
        let manifest = world.publish(day(number)).await;
        let status = service.until_serving(&manifest).await;
        assert_eq!(status.announcement, u64::try_from(number).unwrap());
        // Calls continue between swaps, so each swap happens under load.
        service.until(|_| answered.load(Ordering::Relaxed) > before).await;
    }
    stop.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
    service.stop().await.unwrap();
}

#[tokio::test]
async fn a_rollback_is_an_announcement_like_any_other() {
    let world = World::new();
    let first = world.publish(day(1)).await;
    let service = world.serve().await;
    service.until_serving(&first).await;
    let second = world.publish(day(2)).await;
    let status = service.until_serving(&second).await;
    assert_eq!(status.previous_snapshot_id, first.snapshot_id);
    // The previous snapshot is open: going back to it needs nothing from the bucket but the announcement.
    std::fs::remove_dir_all(world.bucket_dir().join(format!("snapshots/{}/users", first.snapshot_id)))
        .unwrap();
    let announcement = world.roll_back_to(&first).await;
    let status = service.until_serving(&first).await;
    assert_eq!(status.announcement, announcement.sequence);
    assert_eq!(status.previous_snapshot_id, second.snapshot_id);
    let mut client = service.client().await;
    let reply = client.get_user_embedding(ask("5")).await.unwrap().into_inner();
    assert_eq!(floats(&reply.user.unwrap().embedding.unwrap().data), embedding(day(1), 5));
    service.stop().await.unwrap();
}

/// Change one byte of a part of the users.
fn corrupt(world: &World, manifest: &dayvec_snapshot::Manifest) {
    let path = world.bucket_dir().join(&manifest.user_parts[1].part);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
}

#[tokio::test]
async fn a_corrupt_part_is_refused_and_the_old_snapshot_serves_on() {
    let world = World::new();
    let first = world.publish(day(1)).await;
    let service = world.serve().await;
    service.until_serving(&first).await;
    let (publisher, bad) = world.write(day(2), ElementType::F32).await;
    corrupt(&world, &bad);
    publisher.announce(Reason::Publish, "test", false).await.unwrap();
    let status = service.until(|status| !status.refresh_error.is_empty()).await;
    assert!(status.refresh_error.starts_with("announcement 2 is refused: "), "{}", status.refresh_error);
    assert!(status.refresh_error.contains(&bad.user_parts[1].part), "{}", status.refresh_error);
    assert_eq!(status.snapshot.unwrap().snapshot_id, first.snapshot_id);
    let mut client = service.client().await;
    let reply = client.get_user_embedding(ask("5")).await.unwrap().into_inner();
    assert_eq!(floats(&reply.user.unwrap().embedding.unwrap().data), embedding(day(1), 5));
    let metrics = service.admin("/metrics").await;
    assert!(metrics.contains("embedding_swap_total{outcome=\"refused\"}"), "{metrics}");

    let third = world.publish(day(3)).await;
    let status = service.until_serving(&third).await;
    assert_eq!(status.previous_snapshot_id, first.snapshot_id);
    service.until(|status| status.refresh_error.is_empty()).await;
    service.stop().await.unwrap();
}

#[tokio::test]
async fn a_cold_start_serves_the_last_good_announcement() {
    let world = World::new();
    let first = world.publish(day(1)).await;
    let second = world.publish(day(2)).await;
    let third = world.publish(day(3)).await;
    corrupt(&world, &third);
    std::fs::remove_file(world.bucket_dir().join(second.key())).unwrap();
    let service = world.serve().await;
    let status = service.until_serving(&first).await;
    assert_eq!(status.announcement, 1);
    service.until(|status| status.refresh_error.starts_with("announcement 3 is refused")).await;
    service.stop().await.unwrap();
}

#[tokio::test]
async fn a_damaged_announcement_changes_nothing() {
    let world = World::new();
    let first = world.publish(day(1)).await;
    let service = world.serve().await;
    service.until_serving(&first).await;
    let second = world.write(day(2), ElementType::F32).await.1;
    let path = world.bucket_dir().join("announcements/00000000000000000002.json");
    let announcement = Announcement {
        sequence: 9,
        manifest: second.key(),
        previous: None,
        reason: Reason::Publish,
        at_s: 0,
        by: "test".into(),
        forced: false,
    };
    std::fs::write(path, serde_json::to_vec(&announcement).unwrap()).unwrap();
    let status = service.until(|status| !status.refresh_error.is_empty()).await;
    assert_eq!(status.snapshot.unwrap().snapshot_id, first.snapshot_id);
    service.stop().await.unwrap();
}

#[tokio::test]
async fn a_manifest_that_miscounts_is_refused_by_shards_too() {
    for shard in ["0/1", "1/2"] {
        let world = World::new();
        let first = world.publish(day(1)).await;
        let mut config = world.config();
        config.shard = shard.parse().unwrap();
        let service = crate::world::serve(config).await;
        service.until_serving(&first).await;
        let (publisher, mut bad) = world.write(day(2), ElementType::F32).await;
        bad.totals.users += 1;
        std::fs::write(world.bucket_dir().join(bad.key()), serde_json::to_vec(&bad).unwrap()).unwrap();
        publisher.announce(Reason::Publish, "test", false).await.unwrap();
        let status = service.until(|status| !status.refresh_error.is_empty()).await;
        let expected = format!("its parts contain {N_USERS} users, but its manifest says {}", N_USERS + 1);
        assert!(status.refresh_error.contains(&expected), "{}", status.refresh_error);
        assert_eq!(status.snapshot.unwrap().snapshot_id, first.snapshot_id);
        service.stop().await.unwrap();
    }
}
