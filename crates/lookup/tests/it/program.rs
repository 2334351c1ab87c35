//! The binary: what it says, and how it exits, when it can't work.

use std::process::{Command, Output};

use crate::world::World;

fn lookup(world: &World, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    let cache = world.dir.path().join("cache");
    Command::new(env!("CARGO_BIN_EXE_lookup"))
        .env("DAYVEC__LISTEN", "127.0.0.1:0")
        .env("DAYVEC__ADMIN_LISTEN", "127.0.0.1:0")
        .env("DAYVEC__CACHE_DIR", cache)
        .envs(variables.iter().copied())
        .args(arguments)
        .output()
        .unwrap()
}

#[test]
fn all_faults_are_told_at_once() {
    let variables = [
        ("DAYVEC__SHARD", "4/4"),
        ("DAYVEC__LISTEN", "nowhere"),
        ("DAYVEC__REFRESH__JITTER", "3"),
        ("DAYVEC__LIMITS__MAX_BATCH_KEYS", "0"),
    ];
    let output = lookup(&World::new(), &variables, &["--check-config"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(64), "{said}");
    for fault in
        ["shard: `4/4` is not a shard", "listen: `nowhere`", "refresh.jitter: 3", "limits.max_batch_keys"]
    {
        assert!(said.contains(fault), "{fault} is missing from\n{said}");
    }
}

#[test]
fn an_unreachable_bucket_is_told_and_worth_a_retry() {
    let variables = [
        ("DAYVEC__BUCKET", "s3://nowhere/prefix"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9"),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
    ];
    let output = lookup(&World::new(), &variables, &[]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(69), "{said}");
    for part in ["error: ", "s3://nowhere/prefix", "AWS_ENDPOINT_URL"] {
        assert!(said.contains(part), "{part} is missing from\n{said}");
    }
}

#[test]
fn a_bucket_of_no_store_is_a_wrong_setting() {
    let output = lookup(&World::new(), &[("DAYVEC__BUCKET", "ftp://nowhere/")], &[]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(64), "{said}");
    assert!(said.contains("ftp://nowhere/"), "{said}");
}

#[test]
fn tokens_that_cannot_be_had_are_a_wrong_setting() {
    let world = World::new();
    let file = world.dir.path().join("tokens");
    let output = lookup(&world, &[("DAYVEC__TOKENS_FILE", file.to_str().unwrap())], &[]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(64), "{said}");
    assert!(
        said.contains("can't read the file of client tokens") && said.contains(file.to_str().unwrap()),
        "{said}"
    );
}

#[test]
fn wrong_arguments_exit_as_wrong_settings_do() {
    assert_eq!(lookup(&World::new(), &[], &["--confg"]).status.code(), Some(64));
    assert_eq!(lookup(&World::new(), &[], &["--help"]).status.code(), Some(0));
}

#[test]
fn the_settings_can_be_checked_alone() {
    let output = lookup(&World::new(), &[], &["--check-config"]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && said.contains("max_batch_keys: 1000"), "{said}");
}
