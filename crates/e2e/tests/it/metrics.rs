//! The programs export the metrics that docs/metrics.md lists: alerts and dashboards are checked against that document.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use dayvec_proto::trainer::v1::trainer_client::TrainerClient;
use dayvec_proto::trainer::v1::{StartRunRequest, WatchRunRequest};
use dayvec_runtime::Listeners;
use tokio_util::sync::CancellationToken;

use crate::client::Lookup;
use crate::world::{Store, World};

const DOCUMENT: &str = include_str!("../../../../docs/metrics.md");

/// How long a program may take to come to what a test waits for.
const PATIENCE: Duration = Duration::from_secs(120);

/// What `probe` finds, as soon as it finds something.
fn wait_for<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "{what} takes longer than {PATIENCE:?}");
        std::thread::yield_now();
    }
}

/// Metrics of `/metrics`: the names of its `# TYPE` lines with their types.
fn exported(admin: SocketAddr) -> BTreeSet<(String, String)> {
    let mut stream = TcpStream::connect(admin).unwrap();
    write!(stream, "GET /metrics HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let types = answer.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    types.map(|(name, kind)| (name.to_owned(), kind.to_owned())).collect()
}

/// The same in the document, without the console's: it does not run in this test.
fn documented() -> BTreeSet<(String, String)> {
    let rows = DOCUMENT.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split(" | ");
        let name = cells.next()?.strip_suffix('`')?;
        Some((name.to_owned(), cells.next()?.to_owned()))
    });
    rows.filter(|(name, _)| !name.starts_with("console_") && !name.starts_with('*')).collect()
}

/// Train and promote a model through the service.
fn promote_one(world: &World) {
    let mut config = dayvec_trainer::Config::load(Some(&world.path("trainer.yaml"))).unwrap();
    config.experiment.raw.promotion.min_popularity_ratio = 0.0;
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let shutdown = CancellationToken::new();
    world.runtime.block_on(async {
        let listeners = Listeners::bind(any, any).await.unwrap();
        let (address, _) = listeners.addresses().unwrap();
        let service = tokio::spawn(dayvec_trainer::serve(config, listeners, shutdown.clone()));
        let mut client = TrainerClient::connect(format!("http://{address}")).await.unwrap();
        let number =
            client.start_run(StartRunRequest::default()).await.unwrap().into_inner().run.unwrap().number;
        let mut runs = client.watch_run(WatchRunRequest { number }).await.unwrap().into_inner();
        while runs.message().await.unwrap().is_some() {}
        shutdown.cancel();
        service.await.unwrap().unwrap();
    });
}

#[test]
fn programs_export_what_the_document_says() {
    let world = World::with_model(Store::Disk, 1);
    promote_one(&world);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let admin = listener.local_addr().unwrap();
    let mut config = dayvec_inference::config::Config::load(Some(&world.path("inference.yaml"))).unwrap();
    config.schedule.follow_log = true;
    let shutdown = CancellationToken::new();
    let stop = shutdown.clone();
    let scheduler = std::thread::spawn(move || dayvec_inference::schedule(&config, listener, &stop));
    let manifest = wait_for("the first announcement", || {
        assert!(!scheduler.is_finished(), "the scheduler ended before it announced a snapshot");
        world.announced()
    });
    let lookup = Lookup::start(&world);
    lookup.wait_for(&manifest.snapshot_id);
    lookup.users(&["nobody".to_owned()]);
    let found = wait_for("the metrics of the first daily run", || {
        let found = exported(admin);
        found.iter().any(|(name, _)| name == "daily_run_duration_seconds").then_some(found)
    });
    let documented = documented();
    let missing: Vec<_> = documented.difference(&found).collect();
    let undocumented: Vec<_> = found.difference(&documented).collect();
    assert!(
        missing.is_empty() && undocumented.is_empty(),
        "not exported: {missing:?}; not in docs/metrics.md: {undocumented:?}"
    );
    shutdown.cancel();
    scheduler.join().unwrap().unwrap();
    lookup.stop();
}
