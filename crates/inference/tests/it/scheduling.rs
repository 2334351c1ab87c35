//! Days that fall due are run.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::JoinHandle;
use std::time::Duration;

use dayvec_inference::schedule;
use tokio_util::sync::CancellationToken;

use crate::shop::{Shop, day};

/// A scheduler that follows the log of a shop.
struct Scheduler {
    admin: SocketAddr,
    shutdown: CancellationToken,
    thread: JoinHandle<anyhow::Result<()>>,
}

impl Scheduler {
    fn start(shop: &Shop) -> Self {
        let mut config = shop.config.clone();
        config.schedule.follow_log = true;
        config.schedule.poll = Duration::from_millis(10);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let admin = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let stop = shutdown.clone();
        let thread = std::thread::spawn(move || schedule(&config, listener, &stop));
        Self { admin, shutdown, thread }
    }

    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.admin).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Wait until /metrics has this line.
    fn wait_for(&self, line: &str) {
        for _ in 0..6_000 {
            if self.get("/metrics").lines().any(|found| found == line) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("`{line}` never came: {}", self.get("/metrics"));
    }

    fn stop(self) {
        self.shutdown.cancel();
        self.thread.join().unwrap().unwrap();
    }
}

#[test]
fn days_are_run_as_the_log_passes_them_and_what_came_of_them_is_told() {
    let mut shop = Shop::new();
    let scheduler = Scheduler::start(&shop);
    // The log has days 0 to 3, so day 2 is the newest that has passed.
    scheduler.wait_for(&format!("daily_run_day_timestamp_seconds {}", day(2).end_s()));
    assert_eq!(shop.announcements().len(), 1, "a first run is for one day, whatever came before");
    for n in 4..7 {
        shop.append(n, "shop.csv", &[("u1".into(), "i1".into(), 60)]);
    }
    scheduler.wait_for(&format!("daily_run_day_timestamp_seconds {}", day(5).end_s()));
    scheduler.wait_for(r#"daily_run_total{outcome="announced"} 4"#);
    assert_eq!(shop.announcements().len(), 4);
    let metrics = scheduler.get("/metrics");
    for line in [
        r#"daily_run_users{kind="encoded"} 1"#,
        r#"daily_run_total{outcome="gates_failed"} 0"#,
        r#"daily_run_gate_failed{gate="effective rank"} 0"#,
        "daily_run_in_progress 0",
        "daily_run_duration_seconds_count 4",
    ] {
        assert!(metrics.lines().any(|found| found == line), "`{line}` is not in {metrics}");
    }
    assert!(
        metrics.contains("daily_run_last_success_timestamp_seconds") && metrics.contains("disk_free_bytes{")
    );
    assert!(scheduler.get("/readyz").starts_with("HTTP/1.0 200"), "{}", scheduler.get("/readyz"));
    scheduler.stop();

    // A gate that fails is told once, and does not keep the next day from being run.
    shop.config.gates.min_effective_rank = 1_000.0;
    shop.append(7, "shop.csv", &[("u2".into(), "i1".into(), 60)]);
    let scheduler = Scheduler::start(&shop);
    scheduler.wait_for(r#"daily_run_total{outcome="gates_failed"} 1"#);
    scheduler.wait_for(r#"daily_run_gate_failed{gate="effective rank"} 1"#);
    shop.append(8, "shop.csv", &[("u3".into(), "i1".into(), 60)]);
    scheduler.wait_for(r#"daily_run_total{outcome="gates_failed"} 2"#);
    assert_eq!(shop.announcements().len(), 4);
    scheduler.stop();
}
