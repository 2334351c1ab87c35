//! The program as it is called: arguments, exit codes, the report.

use std::fs;
use std::process::{Command, Output};

use crate::shop::{N_USERS, Shop, day};

fn inference(shop: &Shop, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_inference"))
        .arg("run")
        .args(arguments)
        .env("RUST_LOG", "warn")
        .envs(environment.iter().copied())
        .current_dir(shop.path("."))
        .output()
        .unwrap()
}

/// The program ends with this code, and says all of `words`.
fn check(output: &Output, code: i32, words: &[&str]) {
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{said}");
    for word in words {
        assert!(said.contains(word), "`{word}` is not in: {said}");
    }
}

#[test]
fn a_run_reports_and_a_rerun_says_that_there_is_nothing_to_do() {
    let shop = Shop::new();
    let day = day(0).to_string();
    let arguments = ["--config", "inference.yaml", "--day", &day, "--report", "report.json"];
    check(&inference(&shop, &arguments, &[]), 0, &["60 encoded, 0 carried", "announced"]);
    let report: serde_json::Value =
        serde_json::from_slice(&fs::read(shop.path("report.json")).unwrap()).unwrap();
    assert_eq!((&report["day"], &report["users"]), (&day.clone().into(), &N_USERS.into()));
    assert_eq!((&report["encoded"], &report["carried"]), (&N_USERS.into(), &0.into()));
    assert!(report["seconds"].as_f64().unwrap() > 0.0 && report["stages"]["encode_users"].is_number());
    check(&inference(&shop, &arguments, &[]), 0, &["nothing to do"]);
}

#[test]
fn wrong_settings_and_arguments_are_refused_all_at_once() {
    let shop = Shop::new();
    let text = fs::read_to_string(shop.path("inference.yaml")).unwrap();
    let wrong = text
        .replace("n_buckets: 4", "n_buckets: many")
        .replace("max_bad_share: 0.01", "max_bad_share: 7")
        .replace("late_days: 1", "late_day: 1");
    fs::write(shop.path("wrong.yaml"), wrong).unwrap();
    let output = inference(&shop, &["--config", "wrong.yaml", "--day", "2024-03-01"], &[]);
    check(&output, 64, &["n_buckets", "max_bad_share: 7", "late_day"]);
    check(&inference(&shop, &["--config", "inference.yaml"], &[]), 64, &["--day"]);
    check(&inference(&shop, &["--day", "tomorrow"], &[]), 64, &["YYYY-MM-DD"]);
    check(&inference(&shop, &["--day", "2024-03-01", "--shard", "4/4"], &[]), 64, &["0/4"]);
    let output = inference(&shop, &["--config", "inference.yaml", "--check-config"], &[]);
    check(&output, 0, &["n_buckets: 4", "element_type: f32"]);
    let overridden = [("DAYVEC__GATES__MIN_COMPARED", "7")];
    let output = inference(&shop, &["--config", "inference.yaml", "--check-config"], &overridden);
    check(&output, 0, &["min_compared: 7"]);
}

#[test]
fn a_failed_gate_exits_65_and_leaves_a_report() {
    let shop = Shop::new();
    let day = day(0).to_string();
    let arguments = ["--config", "inference.yaml", "--day", &day, "--report", "report.json"];
    let strict = [("DAYVEC__GATES__MIN_EFFECTIVE_RANK", "1000")];
    check(
        &inference(&shop, &arguments, &strict),
        65,
        &["effective rank is", "the minimum is 1000", "--force"],
    );
    let report = fs::read_to_string(shop.path("report.json")).unwrap();
    assert!(report.contains("\"gates_failed\""), "{report}");
}

#[test]
fn an_unreachable_bucket_exits_69() {
    let shop = Shop::new();
    let nowhere = [
        ("DAYVEC__BUCKET", "s3://nowhere/prefix"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "nobody"),
        ("AWS_SECRET_ACCESS_KEY", "nothing"),
    ];
    let output = inference(&shop, &["--config", "inference.yaml", "--day", "2024-03-01"], &nowhere);
    check(&output, 69, &["s3://nowhere/prefix", "AWS_ENDPOINT_URL"]);
}

#[test]
fn a_bucket_that_denies_access_exits_64() {
    let url = std::env::var("DAYVEC_TEST_S3")
        .expect("DAYVEC_TEST_S3 is not set: run scripts/test.sh, which starts an S3 server for the tests");
    let shop = Shop::new();
    let denied = [("DAYVEC__BUCKET", url.as_str()), ("AWS_SECRET_ACCESS_KEY", "not the key")];
    let output = inference(&shop, &["--config", "inference.yaml", "--day", "2024-03-01"], &denied);
    check(&output, 64, &["permission denied", &url, "AWS_SECRET_ACCESS_KEY"]);
}
