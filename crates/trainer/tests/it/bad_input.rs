//! Bad logs and bad items: what, where, what to do, and exit code 65.

use dayvec_runtime::{Exit, exit};
use dayvec_trainer::{Config, RawConfig, train};
use tokio_util::sync::CancellationToken;

use crate::shop::{Shop, log};

fn check(shop: &Shop, raw: RawConfig, expected: &[&str]) {
    let config = Config::try_from(raw).unwrap();
    let refused = train(&config, false, &CancellationToken::new()).unwrap_err();
    let message = format!("{refused:#}");
    assert_eq!(exit::code(&refused), Exit::BadData as u8, "{message}");
    for part in expected {
        assert!(message.contains(part), "{part} is missing from {message}");
    }
    assert!(!shop.path("bucket/checkpoints").exists());
}

fn check_log(csv: &str, expected: &[&str]) {
    let shop = Shop::new();
    shop.write_log(csv);
    check(&shop, shop.raw(), expected);
}

#[test]
fn an_empty_log() {
    check_log("user_id,item_id,action,timestamp\n", &["empty", "events.csv"]);
}

#[test]
fn no_log_at_all() {
    let shop = Shop::new();
    let mut raw = shop.raw();
    raw.events.url = shop.path("nowhere").display().to_string();
    check(&shop, raw, &["there is no", "nowhere"]);
}

#[test]
fn a_missing_column() {
    check_log(&log().replacen("item_id", "article", 1), &["events.csv", "item_id", "article"]);
}

#[test]
fn milliseconds_read_as_seconds() {
    let milliseconds: String = log()
        .lines()
        .enumerate()
        .fold(String::new(), |all, (row, line)| all + line + if row == 0 { "\n" } else { "000\n" });
    check_log(&milliseconds, &["rows are bad", "quarantine"]);
}

#[test]
fn an_unknown_action() {
    check_log(&log().replacen(",view,", ",gaze,", 1), &["gaze", "quarantine"]);
}

#[test]
fn no_user_id() {
    check_log(&log().replacen("\nu0,", "\n,", 1), &["1 of", "rows are bad"]);
}

#[test]
fn no_positives() {
    check_log(&log().replace(",purchase,", ",view,"), &["no positive event", "events.schema.positives"]);
}

#[test]
fn a_cut_off_before_the_log() {
    let shop = Shop::new();
    let mut raw = shop.raw();
    raw.split.cut_off = Some("2023-01-01".parse().unwrap());
    check(&shop, raw, &["2023-01-01", "2024-01-01", "split.cut_off"]);
}

#[test]
fn a_learning_rate_that_blows_up() {
    let shop = Shop::new();
    let mut raw = shop.raw();
    raw.optimizer.learning_rate = 1e30;
    raw.optimizer.clip = 1e30;
    check(&shop, raw, &["learning", "step"]);
}
