//! A client without generated code: Python, by server reflection alone.

use std::process::Command;

use crate::world::{World, day, embedding};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/reflection.py");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_finds_and_calls_everything_by_reflection() {
    let python = std::env::var("DAYVEC_TEST_PYTHON")
        .expect("set DAYVEC_TEST_PYTHON=\"$(scripts/python-env.sh)\", as scripts/test.sh does");
    let world = World::new();
    let manifest = world.publish(day(1)).await;
    let service = world.serve().await;
    service.until_serving(&manifest).await;
    let address = service.address.to_string();
    let run = move || Command::new(python).args([SCRIPT, &address, "7"]).output();
    let output = tokio::task::spawn_blocking(run).await.unwrap().unwrap();
    let (said, complained) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{complained}");
    let answer: serde_json::Value = serde_json::from_str(&said).unwrap();
    let numbers: Vec<f32> = serde_json::from_value(answer["embedding"].clone()).unwrap();
    assert_eq!(numbers, embedding(day(1), 7));
    assert_eq!(answer["status"], "STATUS_FOUND");
    assert_eq!(answer["snapshot_id"], manifest.snapshot_id);
    assert_eq!(answer["computed_at"], "2026-01-02T00:00:00Z");
    assert_eq!(answer["batch"], serde_json::json!(["STATUS_FOUND", "STATUS_NOT_FOUND"]));
    assert_eq!(answer["error"], "INVALID_ARGUMENT user_id: is empty");
    let services = answer["services"].to_string();
    for name in ["dayvec.lookup.v1.EmbeddingLookup", "grpc.health.v1.Health"] {
        assert!(services.contains(name), "{name} is missing from {services}");
    }
    service.stop().await.unwrap();
}
