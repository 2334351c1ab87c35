//! A snapshot read from Python as docs/snapshot-format.md says: pyarrow, pandas and DuckDB, without dayvec's code.

use std::process::Command;

use dayvec_bucket::Bucket;
use dayvec_snapshot::{ElementType, Publisher, RunDescription};
use serde_json::json;

use crate::shop::{N_BUCKETS, items, run_of, users};

/// Write a snapshot, and let the script look at it.
async fn check(element_type: ElementType) {
    let python = std::env::var("DAYVEC_TEST_PYTHON").expect(
        "DAYVEC_TEST_PYTHON is not set: run scripts/test.sh, or set it to the output of scripts/python-env.sh",
    );
    let folder = tempfile::tempdir().unwrap();
    let bucket = Bucket::open(&url::Url::from_directory_path(folder.path()).unwrap()).unwrap();
    let run = RunDescription { element_type, ..run_of("2011-12-09") };
    let publisher = Publisher::begin(&bucket, run.clone()).await.unwrap();
    let mut expected = Vec::new();
    for number in 0..N_BUCKETS {
        let rows = users(run.day, number, 20);
        for row_idx in 0..rows.len() {
            expected.push(json!({
                "user_id": rows.ids.get(row_idx), "embedding": rows.embedding(row_idx),
                "last_action_at": rows.last_action_at[row_idx], "computed_at": rows.computed_at[row_idx],
            }));
        }
        publisher.write_users_part(number, rows, &json!({})).await.unwrap();
    }
    publisher.write_items_part(0, items(), &json!({})).await.unwrap();
    let manifest = publisher.publish(Vec::new(), &json!({})).await.unwrap();
    let item_ids: Vec<_> = items().ids.iter().map(str::to_owned).collect();
    let expected = json!({
        "users": expected, "element": element_type,
        "items": {"ids": item_ids, "values": items().values, "dim": items().dim},
    });
    let expected_path = folder.path().join("expected.json");
    std::fs::write(&expected_path, expected.to_string()).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/read_snapshot.py");
    let output = Command::new(python)
        .arg(script)
        .arg(folder.path())
        .arg(manifest.key())
        .arg(expected_path)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn floats_of_32_bits_are_read_from_python() {
    check(ElementType::F32).await;
}

#[tokio::test]
async fn floats_of_16_bits_are_read_from_python() {
    check(ElementType::F16).await;
}
