//! Bad logs and bad items: what, where, what to do, and exit code 65.

use dayvec_core::ItemTable;
use dayvec_experiment::{Config, ItemsSettings, PinnerSageSettings, RawConfig, evaluate, no_observer, train};
use dayvec_runtime::exit;
use tokio_util::sync::CancellationToken;

use crate::shop::{Shop, folder_of, log, store, trained};

fn check(shop: &Shop, raw: RawConfig, expected: &[&str]) {
    check_exit(shop, raw, 65, expected);
}

fn check_exit(shop: &Shop, raw: RawConfig, code: u8, expected: &[&str]) {
    let config = Config::try_from(raw).unwrap();
    let refused =
        train(&config, &store(&config), false, &CancellationToken::new(), &no_observer).unwrap_err();
    let message = format!("{refused:#}");
    assert_eq!(exit::code(&refused), code, "{message}");
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
    check(&shop, raw, &["does not exist", "nowhere"]);
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

/// Train on a table of the user's own: files of items that are this wide, all features 0.5 but the last.
fn check_items(widths: [usize; 2], last: f32, expected: &[&str]) {
    let shop = Shop::new();
    std::fs::create_dir(shop.path("items")).unwrap();
    for (half, dim) in widths.into_iter().enumerate() {
        let mut table = ItemTable { dim, ..ItemTable::default() };
        for item in half * 20..(half + 1) * 20 {
            table.ids.intern(&format!("i{item}"));
            table.features.resize(table.ids.ids().len() * dim, 0.5);
        }
        *table.features.last_mut().unwrap() = last;
        dayvec_items::write_items(&table, &shop.path(&format!("items/{half}.parquet"))).unwrap();
    }
    let mut raw = shop.raw();
    raw.items = ItemsSettings { read: Some(shop.path("items").display().to_string()), build: None };
    check(&shop, raw, expected);
}

#[test]
fn item_features_of_two_widths() {
    check_items([8, 6], 0.5, &["1.parquet", "`i20`", "width 6", "width 8", "the same width"]);
}

#[test]
fn item_features_with_nan() {
    check_items([8, 8], f32::NAN, &["0.parquet", "`i19`", "NaN", "position 7", "drop the item"]);
}

#[test]
fn a_checkpoint_for_item_features_of_another_width() {
    let shop = Shop::new();
    let report = trained(&shop.config());
    let spec = folder_of(&report.checkpoint).join("spec.yaml");
    let text = std::fs::read_to_string(&spec).unwrap();
    std::fs::write(&spec, text.replace("item_dim: 12", "item_dim: 13")).unwrap();
    let refused = evaluate(&shop.config(), &shop.store(), &report.model_id, &|| false).unwrap_err();
    assert_eq!(exit::code(&refused), 65, "{refused:#}");
    let message = format!("{refused:#}");
    for part in ["items of width 13", "the table has 40 of width 12"] {
        assert!(message.contains(part), "{part} is missing from {message}");
    }
}

#[test]
fn a_threshold_of_pinnersage_that_is_none() {
    let mut raw = Shop::new().raw();
    raw.evaluation.pinnersage = Some(PinnerSageSettings { threshold: f64::NAN });
    let faults = Config::try_from(raw.clone()).unwrap_err();
    assert_eq!(faults, ["evaluation.pinnersage.threshold: NaN must be finite and not negative"]);
    raw.evaluation.pinnersage = None;
    assert!(Config::try_from(raw).is_ok(), "null leaves it out");
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
    check_exit(&shop, raw, 64, &["learning", "step"]);
}
