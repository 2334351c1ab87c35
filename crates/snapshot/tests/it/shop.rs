//! A small run to write and read back.

use dayvec_bucket::Bucket;
use dayvec_core::{Day, EmbeddingBlock, Gate, bucket_of, id_hash};
use dayvec_snapshot::{
    Announcement, ElementType, ItemEmbeddings, Manifest, Publisher, Reason, RunDescription, SnapshotError,
    read_items, read_users_part,
};
use serde_json::json;

pub(crate) const DIM: usize = 4;
pub(crate) const N_BUCKETS: u32 = 3;

pub(crate) fn run_of(day: &str) -> RunDescription {
    RunDescription {
        day: day.parse().unwrap(),
        model_id: "model-1".into(),
        tower_pair_id: "towers-1".into(),
        items_version: "items-1".into(),
        input_digest: "digest".into(),
        code_version: "0.1.0".into(),
        dim: DIM,
        element_type: ElementType::F32,
        n_buckets: N_BUCKETS,
    }
}

/// Users of a bucket; their embeddings depend on the day.
pub(crate) fn users(day: Day, bucket: u32, n_users: usize) -> EmbeddingBlock {
    let mut ids: Vec<String> = (0..n_users).map(|i| format!("user-{i}")).collect();
    ids.retain(|id| bucket_of(id, N_BUCKETS) == bucket);
    ids.sort_unstable_by(|a, b| (id_hash(a), a).cmp(&(id_hash(b), b)));
    let mut rows = EmbeddingBlock::new(DIM);
    for id in &ids {
        let seed = (id_hash(id) ^ day.start_s() as u64) % 1_000;
        let row: Vec<f32> = (0..DIM).map(|d| ((seed + d as u64) as f32).sin()).collect();
        rows.push(id, &row, day.start_s() + 60, day.end_s());
    }
    rows
}

pub(crate) fn items() -> ItemEmbeddings {
    let ids = ["item-b", "item-a", "предмет"].into_iter().collect();
    ItemEmbeddings { ids, dim: DIM, values: (0..3 * DIM).map(|i| i as f32 / 7.0).collect() }
}

/// Write whatever is not done, publish and announce.
pub(crate) async fn publish(bucket: &Bucket, run: &RunDescription) -> Result<Announcement, SnapshotError> {
    let publisher = Publisher::begin(bucket, run.clone()).await?;
    let done = publisher.done_buckets().await?;
    for bucket in (0..N_BUCKETS).filter(|bucket| !done.contains_key(bucket)) {
        let rows = users(run.day, bucket, 20);
        let statistics = json!({"encoded": rows.len(), "carried": 0, "norm": {"mean": 1.0}});
        publisher.write_users_part(bucket, rows, &statistics).await?;
    }
    if publisher.done_items().await?.is_empty() {
        publisher.write_items_part(0, items(), &json!({})).await?;
    }
    let gates = vec![Gate::new("users", 20.0, Some(1.0), None)];
    publisher.publish(gates, &json!({"encoded": 20})).await?;
    publisher.announce(Reason::Publish, "test", false).await
}

/// Everything of a snapshot is there and as it was made.
pub(crate) async fn assert_whole(bucket: &Bucket, manifest: &Manifest) {
    for (number, part) in (0..).zip(&manifest.user_parts) {
        assert_eq!(read_users_part(bucket, part).await.unwrap(), users(manifest.day, number, 20));
    }
    assert_eq!(read_items(bucket, manifest).await.unwrap(), items());
    assert_eq!((manifest.totals.users, manifest.totals.items), (20, 3));
}
