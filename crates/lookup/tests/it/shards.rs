//! Users sharded among replicas: each user is served by one of them, and the others return NOT_SERVED.

use dayvec_lookup::Config;
use dayvec_proto::lookup::v1::{
    BatchGetUserEmbeddingsRequest, BucketRange, Fallback, GetItemEmbeddingsRequest, ReadOptions, Status,
};
use dayvec_snapshot::Manifest;

use crate::world::{N_BUCKETS, N_USERS, Service, World, ask, day, embedding, floats, serve};

/// A replica of `world` that serves one shard, with a cache folder that several replicas use in turn.
async fn replica(world: &World, manifest: &Manifest, shard: &str, cache: &str) -> Service {
    let service = serve(config(world, shard, cache)).await;
    service.until_serving(manifest).await;
    service
}

fn config(world: &World, shard: &str, cache: &str) -> Config {
    let mut config = world.config();
    config.shard = shard.parse().unwrap();
    config.cache_dir = world.dir.path().join(cache);
    config
}

fn all_users() -> BatchGetUserEmbeddingsRequest {
    let options = ReadOptions { fallback: Fallback::PopulationMean as i32, ..Default::default() };
    let user_ids = (0..100).map(|user| (user * 4).to_string()).collect();
    BatchGetUserEmbeddingsRequest { user_ids, options: Some(options) }
}

#[tokio::test]
async fn each_user_is_served_by_one_of_the_replicas() {
    let world = World::new();
    let manifest = world.publish(day(1)).await;
    let mut n_users = 0;
    let mut answers = Vec::new();
    for (index, buckets) in [(0, 0..1), (1, 1..2), (2, 2..4)] {
        let service = replica(&world, &manifest, &format!("{index}/3"), &format!("cache-{index}")).await;
        let mut client = service.client().await;
        let status = service.until(|status| status.snapshot.is_some()).await;
        n_users += status.n_users;
        let range = BucketRange { first: buckets.start, end: buckets.end, of: N_BUCKETS };
        assert_eq!((status.buckets, status.n_items), (Some(range), 2));
        answers.push(client.batch_get_user_embeddings(all_users()).await.unwrap().into_inner().users);

        let items = GetItemEmbeddingsRequest { item_ids: vec!["pin-0".into()], options: None };
        let items = client.get_item_embeddings(items).await.unwrap().into_inner().items;
        assert_eq!(items[0].status(), Status::Found, "every replica has the items");
        service.stop().await.unwrap();
    }
    assert_eq!(n_users as usize, N_USERS);
    for (user, id) in (0..100).map(|user| user * 4).enumerate() {
        let ours: Vec<_> = answers
            .iter()
            .map(|answer| &answer[user])
            .filter(|user| user.status() != Status::NotServed)
            .collect();
        assert_eq!(ours.len(), 1, "user {id}");
        let is_known = id < N_USERS;
        assert_eq!(ours[0].status(), if is_known { Status::Found } else { Status::NotFound }, "user {id}");
        let sent = floats(&ours[0].embedding.as_ref().unwrap().data);
        assert!(!is_known || sent == embedding(day(1), id), "user {id}");
        let others =
            answers.iter().map(|answer| &answer[user]).filter(|user| user.status() == Status::NotServed);
        assert!(others.into_iter().all(|user| user.embedding.is_none()), "user {id} is another replica's");
    }
}

#[tokio::test]
async fn another_shard_does_not_answer_from_what_is_cached() {
    let world = World::new();
    let manifest = world.publish(day(1)).await;
    replica(&world, &manifest, "0/2", "cache").await.stop().await.unwrap();
    let service = replica(&world, &manifest, "1/2", "cache").await;
    let status = service.until(|status| status.snapshot.is_some()).await;
    assert_eq!(status.buckets, Some(BucketRange { first: 2, end: 4, of: 4 }));
    let mut client = service.client().await;
    let mut n_elsewhere = 0;
    for user in 0..50 {
        let answer =
            client.get_user_embedding(ask(&user.to_string())).await.unwrap().into_inner().user.unwrap();
        n_elsewhere += u32::from(answer.status() == Status::NotServed);
    }
    assert!(n_elsewhere > 0);
    let metrics = service.admin("/metrics").await;
    assert!(metrics.contains(r#"embedding_lookup_total{result="elsewhere"}"#), "{metrics}");
    service.stop().await.unwrap();
}

#[tokio::test]
async fn a_shard_without_a_bucket_serves_nothing_and_says_why() {
    let world = World::new();
    world.publish(day(1)).await;
    let service = serve(config(&world, "0/8", "cache")).await;
    let status = service.until(|status| !status.refresh_error.is_empty()).await;
    assert_eq!(status.snapshot, None);
    assert!(status.refresh_error.contains("none of its 4 buckets of users is in shard 0/8"), "{status:?}");
    service.stop().await.unwrap();
}
