//! From one snapshot to the next: under load, back again, and never to a bad one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use dayvec_core::Day;
use dayvec_proto::lookup::v1::BatchGetUserEmbeddingsRequest;
use dayvec_snapshot::{ElementType, Reason};

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
    world.announce_unchecked(2, &second);
    service.until_serving(&second).await;
    world.write_announcement(2, b"{");
    world.write_announcement(3, b"");
    let status =
        service.until(|status| status.refresh_error.starts_with("announcement 3 is refused: ")).await;
    assert!(status.refresh_error.contains("00000000000000000003.json"), "{}", status.refresh_error);
    assert_eq!(status.snapshot.unwrap().snapshot_id, second.snapshot_id, "it does not go back either");
    service.stop().await.unwrap();
}

#[tokio::test]
async fn a_cold_start_passes_over_announcements_that_cannot_be_read() {
    for damage in [&b""[..], b"{", b"null", &[0xff, 0xfe]] {
        let world = World::new();
        let first = world.publish(day(1)).await;
        world.write_announcement(2, damage);
        world.announce_unchecked(9, &first);
        std::fs::rename(
            world.bucket_dir().join("announcements/00000000000000000009.json"),
            world.bucket_dir().join("announcements/00000000000000000003.json"),
        )
        .unwrap();
        let service = world.serve().await;
        let status = service.until_serving(&first).await;
        assert_eq!(status.announcement, 1);
        service.until(|status| status.refresh_error.contains("it states the number 9")).await;
        let metrics = service.admin("/metrics").await;
        assert!(metrics.contains("embedding_swap_total{outcome=\"refused\"}"), "{metrics}");
        service.stop().await.unwrap();
    }
}

#[tokio::test]
async fn a_bucket_that_is_gone_or_was_emptied_is_told() {
    let world = World::new();
    let first = world.publish(day(1)).await;
    world.publish(day(2)).await;
    let third = world.publish(day(3)).await;
    let service = world.serve().await;
    service.until_serving(&third).await;
    for number in [2, 3] {
        std::fs::remove_file(world.bucket_dir().join(format!("announcements/{number:020}.json"))).unwrap();
    }
    let status = service.until(|status| !status.refresh_error.is_empty()).await;
    for part in ["end at 1", "announcement 3 is served", "is mounted"] {
        assert!(status.refresh_error.contains(part), "{}", status.refresh_error);
    }
    assert_ne!(status.snapshot.unwrap().snapshot_id, first.snapshot_id, "nobody asked to go back");
    std::fs::rename(world.bucket_dir(), world.dir.path().join("elsewhere")).unwrap();
    let status = service.until(|status| status.refresh_error.contains("end at 0")).await;
    assert_eq!(status.snapshot.unwrap().snapshot_id, third.snapshot_id);
    service.stop().await.unwrap();
}

#[tokio::test]
async fn going_back_a_day_is_told() {
    let world = World::new();
    let second = world.publish(day(2)).await;
    let service = world.serve().await;
    service.until_serving(&second).await;
    let first = world.write(day(1), ElementType::F32).await.1;
    world.roll_back_to(&first).await;
    service.until_serving(&first).await;
    let metrics = service.admin("/metrics").await;
    let went_back = metrics.lines().find_map(|line| {
        line.strip_prefix("embedding_swap_back_total{reason=\"rollback\"} ")?.parse::<u64>().ok()
    });
    assert!(went_back.is_some_and(|times| times > 0), "{metrics}");
    service.stop().await.unwrap();
}

#[tokio::test]
async fn a_manifest_with_an_impossible_width_is_refused() {
    let world = World::new();
    let first = world.publish(day(1)).await;
    let mut bad = world.write(day(2), ElementType::F32).await.1;
    bad.run.dim = 1_000_000_000_000;
    world.rewrite(&bad);
    world.announce_unchecked(2, &bad);
    for _ in ["a cold start", "a restart with its cache"] {
        let service = world.serve().await;
        service.until_serving(&first).await;
        service.until(|status| status.refresh_error.contains("width 1000000000000")).await;
        service.stop().await.unwrap();
    }
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
        let (_, mut bad) = world.write(day(2), ElementType::F32).await;
        bad.totals.users += 1;
        world.rewrite(&bad);
        world.announce_unchecked(2, &bad);
        let status = service.until(|status| !status.refresh_error.is_empty()).await;
        let expected = format!("its parts contain {N_USERS} users, but its manifest says {}", N_USERS + 1);
        assert!(status.refresh_error.contains(&expected), "{}", status.refresh_error);
        assert_eq!(status.snapshot.unwrap().snapshot_id, first.snapshot_id);
        service.stop().await.unwrap();
    }
}
