//! Days that fall due are run.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dayvec_inference::config::Config;
use dayvec_inference::{Scheduler, schedule};
use tokio_util::sync::CancellationToken;

use crate::shop::{Shop, day};

const POLL: Duration = Duration::from_millis(10);

/// Metrics are of the whole process, so schedulers take turns.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The settings of a shop whose log is followed.
fn following(shop: &Shop) -> Config {
    let mut config = shop.config.clone();
    config.schedule.follow_log = true;
    config.schedule.poll = POLL;
    config
}

fn port() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn get(admin: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(admin).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// The value of a series in `/metrics`.
fn value(admin: SocketAddr, series: &str) -> f64 {
    let metrics = get(admin, "/metrics");
    let line = metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{series} is not in {metrics}")).parse().unwrap()
}

const ANNOUNCED: &str = r#"daily_run_total{outcome="announced"}"#;
const GATES_FAILED: &str = r#"daily_run_total{outcome="gates_failed"}"#;
const DAY: &str = "daily_run_day_timestamp_seconds";
const RANK_FAILED: &str = r#"daily_run_gate_failed{gate="effective rank"}"#;

#[test]
fn days_are_run_as_the_log_passes_them_and_the_metrics_say_how_they_ended() {
    let _turn = turn();
    let shop = Shop::new();
    let (config, shutdown) = (following(&shop), CancellationToken::new());
    let (listener, admin) = port();
    let mut scheduler = Scheduler::start(&config, listener, &shutdown).unwrap();
    assert!(get(admin, "/readyz").starts_with("HTTP/1.0 503"), "{}", get(admin, "/readyz"));
    let (announced, failed) = (value(admin, ANNOUNCED), value(admin, GATES_FAILED));
    // The log has days 0 to 3, so day 2 is the newest that has passed.
    assert_eq!(scheduler.run_due(), POLL);
    assert_eq!(value(admin, DAY), day(2).end_s() as f64);
    assert_eq!(shop.announcements().len(), 1, "a first run is for one day, whatever came before");
    for n in 4..7 {
        shop.append(n, "shop.csv", &[("u1".into(), "i1".into(), 60)]);
    }
    assert_eq!(scheduler.run_due(), POLL);
    assert_eq!(shop.announcements().len(), 4);
    scheduler.run_due();
    assert_eq!(shop.announcements().len(), 4, "nothing is due");
    assert_eq!(value(admin, DAY), day(5).end_s() as f64);
    assert_eq!(value(admin, ANNOUNCED) - announced, 4.0);
    assert_eq!(value(admin, GATES_FAILED), failed);
    assert_eq!(value(admin, r#"daily_run_users{kind="encoded"}"#), 1.0);
    assert_eq!(value(admin, RANK_FAILED), 0.0);
    assert_eq!(value(admin, "daily_run_in_progress"), 0.0);
    assert_eq!(value(admin, "daily_run_duration_seconds_count"), value(admin, ANNOUNCED));
    let metrics = get(admin, "/metrics");
    assert!(
        metrics.contains("daily_run_last_success_timestamp_seconds") && metrics.contains("disk_free_bytes{")
    );
    assert!(get(admin, "/readyz").starts_with("HTTP/1.0 200"), "{}", get(admin, "/readyz"));
}

#[test]
fn a_gate_that_fails_is_reported_once_and_does_not_keep_the_next_day_from_being_run() {
    let _turn = turn();
    let mut shop = Shop::new();
    shop.config.gates.min_effective_rank = 1_000.0;
    let (config, shutdown) = (following(&shop), CancellationToken::new());
    let (listener, admin) = port();
    let mut scheduler = Scheduler::start(&config, listener, &shutdown).unwrap();
    let failed = value(admin, GATES_FAILED);
    for _ in 0..2 {
        scheduler.run_due();
        assert_eq!((value(admin, GATES_FAILED) - failed, value(admin, RANK_FAILED)), (1.0, 1.0));
    }
    shop.append(4, "shop.csv", &[("u3".into(), "i1".into(), 60)]);
    scheduler.run_due();
    assert_eq!((value(admin, GATES_FAILED) - failed, value(admin, RANK_FAILED)), (2.0, 1.0));
    assert!(!shop.path("bucket/announcements").exists());
}

#[test]
fn a_day_that_cannot_be_run_yet_is_tried_again_after_longer_and_longer_waits() {
    let _turn = turn();
    let shop = Shop::new();
    let checkpoints = shop.path("bucket/checkpoints");
    std::fs::rename(&checkpoints, shop.path("elsewhere")).unwrap();
    let (config, shutdown) = (following(&shop), CancellationToken::new());
    let mut scheduler = Scheduler::start(&config, port().0, &shutdown).unwrap();
    let waits: Vec<Duration> = (0..5).map(|_| scheduler.run_due()).collect();
    assert_eq!(waits, [1, 2, 4, 4, 4].map(|polls| POLL * polls));
    std::fs::rename(shop.path("elsewhere"), &checkpoints).unwrap();
    assert_eq!(scheduler.run_due(), POLL);
    assert_eq!(shop.announcements().len(), 1);
}

#[test]
fn the_program_ends_when_it_is_stopped() {
    let _turn = turn();
    let shop = Shop::new();
    let (config, shutdown) = (following(&shop), CancellationToken::new());
    let stop = shutdown.clone();
    let (listener, admin) = port();
    let scheduled = std::thread::spawn(move || schedule(&config, listener, &shutdown));
    assert!(get(admin, "/livez").starts_with("HTTP/1.0 200"));
    stop.cancel();
    scheduled.join().unwrap().unwrap();
}
