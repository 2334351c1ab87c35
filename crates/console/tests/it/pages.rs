//! What the pages say.

use dayvec_core::bucket_of;

use crate::replica::Replica;
use crate::world::{HOSTILE, N_BUCKETS, World, serve};

/// Two announced days, one that its gate stopped, and two models.
async fn world() -> World {
    let world = World::new();
    world.train("model-1", 0.0412).await;
    world.train("model-2", 0.0398).await;
    world.promote("model-1").await;
    world.publish("2026-03-01", true).await;
    world.publish("2026-03-02", true).await;
    world.publish("2026-03-03", false).await;
    world.remember("2026-03-02", "7", &[("x", 100), ("y", 200), ("gone", 300)]).await;
    world
}

#[tokio::test]
async fn the_pipeline_shows_what_is_in_the_bucket() {
    let world = world().await;
    let console = serve(world.config()).await;
    let answer = console.get("/").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let page = answer.page();
    for (attribute, value) in
        [("data-announcement", "1"), ("data-announcement", "2"), ("data-promotion", "1")]
    {
        assert!(page.has(attribute, value), "{attribute} {value}");
    }
    assert!(!page.has("data-announcement", "3"));
    assert_eq!(page.values("users"), ["10", "10", "10"], "one of them unannounced");
    assert_eq!((page.values("encoded"), page.values("carried")), (vec!["4", "4"], vec!["6", "6"]));
    let mut recalls = page.values("recall");
    recalls.sort_unstable();
    assert_eq!(recalls, ["0.0398", "0.0412"]);
    for said in [
        "The snapshot for 2026-03-03 is complete, but was not announced: effective rank: 1.5, at least 2.",
        "1 of 1 failed",
        "The lookup replica lookup serves no snapshot.",
        "2.06 ×",
        "promoted",
        "unreachable",
    ] {
        assert!(page.text.contains(said), "`{said}` is missing from\n{}", page.text);
    }
    console.stop().await;
}

#[tokio::test]
async fn an_announcement_is_seen_without_a_restart() {
    let world = world().await;
    let console = serve(world.config()).await;
    assert!(!console.get("/").await.page().has("data-announcement", "3"));
    world.publish("2026-03-04", true).await;
    let seen = async { while !console.get("/").await.page().has("data-announcement", "3") {} };
    tokio::time::timeout(std::time::Duration::from_secs(60), seen).await.expect("it is seen");
    let page = console.get("/").await.page();
    assert!(!page.text.contains("The snapshot for 2026-03-03 is complete"), "a later day replaces it");
    assert!(page.text.contains("Complete, but not announced"));
    console.stop().await;
}

#[tokio::test]
async fn a_user_is_shown_with_the_actions_behind_the_embedding() {
    let world = world().await;
    let replica = Replica::start("2026-03-02", &world).await;
    let mut config = world.config();
    config.lookups[0].grpc = replica.url();
    let console = serve(config).await;
    let answer = console.get("/user?id=7").await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let page = answer.page();
    assert_eq!(page.values("computed_at"), ["2026-03-03T00:00:00Z"]);
    assert_eq!(page.values("dim"), ["2"]);
    let near: Vec<&str> = answer.body.split("data-near=\"").skip(1).map(|text| &text[..1]).collect();
    assert_eq!(near, ["y", "z", "x"], "by inner product with (1, 0)");
    let times: Vec<&str> = answer.body.split("data-action=\"").skip(1).map(|text| &text[..20]).collect();
    assert_eq!(
        times,
        ["1970-01-01T00:05:00Z", "1970-01-01T00:03:20Z", "1970-01-01T00:01:40Z"],
        "newest first"
    );
    assert_eq!(page.text.matches("already").count(), 2);
    assert!(page.text.contains("Plums"));
    assert!(!answer.body.contains("<script"), "titles are text");
    assert!(answer.body.contains("&#60;script&#62;alert("), "{HOSTILE} is shown");

    let page = console.get("/").await.page();
    assert!(page.text.contains("The lookup replica serves the newest announced snapshot."), "{}", page.text);

    let unknown = console.get("/user?id=nobody").await;
    assert_eq!(unknown.status, 200, "an unknown user is an answer");
    let page = unknown.page();
    assert!(page.text.contains("not found") && page.text.contains("how the id is written"));
    assert!(!page.has("data-near", "y"));
    replica.stop();
    console.stop().await;
}

#[tokio::test]
async fn without_a_lookup_the_actions_are_those_of_the_newest_announced_snapshot() {
    let world = world().await;
    let console = serve(world.config()).await;
    let answer = console.get("/user?id=7").await;
    assert_eq!(answer.status, 200);
    let page = answer.page();
    assert!(page.text.contains("127.0.0.1:9") && page.text.contains("Plums"), "{}", page.text);
    let form = console.get("/user").await;
    assert_eq!(form.status, 200);
    assert!(form.page().has("name", "id"));
    console.stop().await;
}

#[tokio::test]
async fn a_model_is_shown_with_its_figures_and_uses() {
    let world = world().await;
    let console = serve(world.config()).await;
    let answer = console.get("/models/model-1").await;
    assert_eq!(answer.status, 200);
    let page = answer.page();
    assert_eq!(page.values("recall"), ["0.0412", "0.02"], "the model, then popularity");
    assert!(answer.body.contains("points=\"0.0,0.0 320.0,220.0 640.0,220.0\""), "the loss curve");
    for said in ["Recall@10", "Entropy@50", "Coverage@10"] {
        assert!(page.text.contains(said), "`{said}`, with the list length of the report: {}", page.text);
    }
    for said in ["announcement 1", "announcement 2", "not announced", "Promotion 1", "config.yaml", "dim: 2"]
    {
        assert!(page.text.contains(said), "`{said}` is missing from\n{}", page.text);
    }
    assert!(!answer.body.contains("<b>bold"), "files are text");
    console.stop().await;
}

#[tokio::test]
async fn a_model_is_shown_with_all_baselines_once_they_are_measured() {
    let world = world().await;
    let console = serve(world.config()).await;
    let path = "/models/model-1";
    assert_eq!(console.get(path).await.page().values("recall"), ["0.0412", "0.02"]);
    world.evaluate("model-1", 0.0412, 0.03).await;
    let seen = async { while console.get(path).await.page().values("recall").len() < 3 {} };
    tokio::time::timeout(std::time::Duration::from_secs(60), seen).await.expect("it is seen");
    let page = console.get(path).await.page();
    assert_eq!(page.values("recall"), ["0.0412", "0.02", "0.03"]);
    assert!(page.text.contains("EASE: λ 150") && page.text.contains("usual settings"), "{}", page.text);
    console.stop().await;
}

#[tokio::test]
async fn an_id_is_only_ever_text() {
    let world = world().await;
    let console = serve(world.config()).await;
    for id in ["%3Cscript%3Ealert(1)%3C/script%3E", "%22%20onfocus=%22x", "..%2F..%2Fetc", "%00", "a%20b%2Bc"]
    {
        let answer = console.get(&format!("/user?id={id}")).await;
        assert_eq!(answer.status, 200, "{id}");
        let page = answer.page();
        assert!(page.elements.iter().all(|(name, _)| name != "script"));
        assert!(!answer.body.contains("onfocus=\""), "a quote ends no attribute");
    }
    let answer = console.get("/models/%3Cscript%3Ealert(1)%3C%2Fscript%3E").await;
    assert_eq!(answer.status, 404);
    assert!(answer.page().text.contains("&#60;script&#62;"));
    console.stop().await;
}

#[tokio::test]
async fn a_user_is_looked_up_with_the_token_in_the_replica_that_serves_the_bucket() {
    const TOKEN: &str = "0123456789abcdef";
    let world = world().await;
    let replicas = [
        Replica::start_with("2026-03-02", &world, 0..1, TOKEN).await,
        Replica::start_with("2026-03-02", &world, 1..2, TOKEN).await,
    ];
    let mut config = world.config();
    config.token_file = Some(world.dir.path().join("token"));
    std::fs::write(config.token_file.as_ref().unwrap(), format!("{TOKEN}\n")).unwrap();
    let address = config.lookups[0].clone();
    let named = |(replica, name): (&Replica, &str)| dayvec_console::config::LookupAddress {
        name: name.to_owned(),
        grpc: replica.url(),
        ..address.clone()
    };
    config.lookups = replicas.iter().zip(["first", "second"]).map(named).collect();
    let console = serve(config).await;
    for user in (0..10).map(|user| user.to_string()) {
        let replica = ["first", "second"][bucket_of(&user, N_BUCKETS) as usize];
        let page = console.get(&format!("/user?id={user}")).await.page();
        assert!(page.text.contains("found") && page.text.contains(replica), "{}", page.text);
    }
    let page = console.get("/").await.page();
    assert!(page.text.contains("buckets 0 to 0 of 2"), "{}", page.text);
    console.stop().await;
    replicas.into_iter().for_each(Replica::stop);
}
