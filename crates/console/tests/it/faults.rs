//! What the pages say when something is wrong, and what every answer carries.

use std::process::Command;

use crate::world::{World, serve};

#[tokio::test]
async fn every_answer_forbids_what_the_page_does_not_need() {
    let world = World::new();
    let console = serve(world.config()).await;
    for (path, status) in
        [("/", 200), ("/user", 200), ("/style.css", 200), ("/icon.svg", 200), ("/nowhere", 404)]
    {
        let answer = console.get(path).await;
        assert_eq!(answer.status, status, "{path}");
        for header in [
            "content-security-policy: default-src 'none'; style-src 'self'",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "cache-control: no-store",
        ] {
            assert!(answer.head.contains(header), "{path}: {header} is missing from\n{}", answer.head);
        }
    }
    let metrics = console.admin("/metrics").await.body;
    assert!(metrics.contains("console_request_total{route=\"other\",status=\"404\"}"), "{metrics}");
    assert_eq!(console.admin("/readyz").await.status, 200);
    console.stop().await;
}

#[tokio::test]
async fn an_empty_bucket_names_the_commands_that_fill_it() {
    let world = World::new();
    let console = serve(world.config()).await;
    let text = console.get("/").await.page().text;
    assert!(text.contains("inference run") && text.contains("trainer train"), "{text}");
    assert_eq!(console.get("/models/none").await.status, 404);
    let user = console.get("/user?id=1").await;
    assert_eq!(user.status, 503);
    assert!(user.page().text.contains("no snapshot has been announced yet"));
    console.stop().await;
}

#[tokio::test]
async fn a_missing_bucket_is_named_and_the_rest_is_shown() {
    let world = World::new();
    let mut config = world.config();
    config.bucket = format!("{}-gone", world.bucket.url()).parse().unwrap();
    config.trainer = Some("http://127.0.0.1:9".parse().unwrap());
    config.inference_metrics = Some("http://127.0.0.1:9/metrics".parse().unwrap());
    let console = serve(config).await;
    let answer = console.get("/").await;
    assert_eq!(answer.status, 503);
    let page = answer.page();
    for said in ["bucket-gone", "does not exist", "unreachable", "The trainer does not respond."] {
        assert!(page.text.contains(said), "`{said}` is missing from\n{}", page.text);
    }
    for path in ["/models/model-1", "/user?id=1"] {
        let answer = console.get(path).await;
        assert_eq!(answer.status, 503, "{path}");
        assert!(answer.page().text.contains("does not exist"), "{path}");
    }
    console.stop().await;
}

#[tokio::test]
async fn a_damaged_record_costs_only_its_own_row() {
    let world = World::new();
    let manifest = world.publish("2026-03-01", true).await;
    world.publish("2026-03-02", true).await;
    std::fs::write(world.dir.path().join("bucket").join(manifest.key()), "{}").unwrap();
    world.put("checkpoints/odd/metrics.json", b"not JSON").await;
    world.put("checkpoints/odd/spec.yaml", b"dim: 2\n").await;
    let console = serve(world.config()).await;
    let answer = console.get("/").await;
    assert_eq!(answer.status, 200);
    let page = answer.page();
    assert!(page.text.contains("is damaged") && page.text.contains("metrics.json"), "{}", page.text);
    assert_eq!(page.values("users"), ["10"]);
    assert_eq!(console.get("/models/odd").await.status, 200);
    console.stop().await;
}

#[tokio::test]
async fn a_damaged_announcement_or_promotion_is_told_and_hides_nothing() {
    let world = World::new();
    world.train("model-1", 0.1).await;
    world.promote("model-1").await;
    world.publish("2026-03-01", true).await;
    let damaged = ["announcements/00000000000000000002.json", "promotions/00000000000000000002.json"];
    for key in damaged {
        world.put(key, b"{").await;
    }
    let console = serve(world.config()).await;
    let answer = console.get("/").await;
    assert_eq!(answer.status, 200);
    let page = answer.page();
    for key in damaged {
        assert!(page.text.contains(&format!("`{key}`")), "{key} is missing from\n{}", page.text);
    }
    assert_eq!(page.values("users"), ["10"]);
    console.stop().await;
}

#[test]
fn all_faults_of_the_settings_are_reported_at_once() {
    let output = Command::new(env!("CARGO_BIN_EXE_console"))
        .env("DAYVEC__LISTEN", "nowhere")
        .env("DAYVEC__LOOKUPS", "[{name: a, grpc: 'ftp://a'}]")
        .env("DAYVEC__TIMEOUT", "soon")
        .arg("--check-config")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(64), "{said}");
    for fault in ["listen: `nowhere`", "lookups[0].grpc: `ftp://a`", "timeout: `soon`"] {
        assert!(said.contains(fault), "{fault} is missing from\n{said}");
    }
}

#[test]
fn the_settings_can_be_checked_alone() {
    let output = Command::new(env!("CARGO_BIN_EXE_console"))
        .env("DAYVEC__LOOKUPS", "[{name: a, grpc: 'http://a:1'}, {name: b, grpc: 'http://b:1'}]")
        .arg("--check-config")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && said.contains("name: b"), "{said}");
}

#[tokio::test]
async fn only_callers_with_a_token_are_answered() {
    const TOKEN: &str = "0123456789abcdef";
    let world = World::new();
    let mut config = world.config();
    config.tokens_file = Some(world.dir.path().join("tokens"));
    std::fs::write(config.tokens_file.as_ref().unwrap(), format!("people {TOKEN}\n")).unwrap();
    let console = serve(config).await;
    // any:0123456789abcdef, any:wrong
    let (right, wrong) = ("Basic YW55OjAxMjM0NTY3ODlhYmNkZWY=", "Basic YW55Ondyb25n");
    for path in ["/", "/user?id=7", "/models/x", "/style.css", "/nowhere"] {
        for answer in [console.get(path).await, console.get_as(wrong, path).await] {
            assert_eq!(answer.status, 401, "{path}");
            assert!(answer.head.contains("www-authenticate: basic realm="), "{}", answer.head);
            assert!(answer.head.contains("content-security-policy"), "{}", answer.head);
            assert!(answer.body.contains("token") && !answer.body.contains("<html"), "{}", answer.body);
        }
    }
    for authorization in [right, &format!("Bearer {TOKEN}")] {
        assert_eq!(console.get_as(authorization, "/").await.status, 200, "{authorization}");
        assert_eq!(console.get_as(authorization, "/nowhere").await.status, 404, "{authorization}");
    }
    assert_eq!(console.admin("/livez").await.status, 200, "probes have no token");
    console.stop().await;
}
