//! What a run refuses, and what it says.

use std::fs;

use dayvec_inference::config::ModelChoice;
use dayvec_inference::{DailyRequest, DailySummary, Outcome, Start};
use dayvec_runtime::exit;
use dayvec_snapshot::{Reason, SnapshotError, announce};

use crate::shop::{Shop, day, listing};

/// The run fails with this exit code, and its chain says all of `words`.
fn check(result: anyhow::Result<DailySummary>, code: u8, words: &[&str]) {
    let error = result.unwrap_err();
    let text = format!("{error:#}");
    assert_eq!(exit::code(&error), code, "{text}");
    for word in words {
        assert!(text.contains(word), "`{word}` is not in: {text}");
    }
}

#[test]
fn a_failed_gate_leaves_the_snapshot_unannounced_until_it_is_forced() {
    let mut shop = Shop::new();
    shop.run(0).unwrap();
    let served = shop.rows();
    shop.config.gates.min_effective_rank = 1_000.0;
    check(shop.run(1), 65, &["effective rank", "the minimum is 1000", "--force"]);
    assert_eq!(shop.rows(), served);
    let before = listing(&shop.path("bucket"));
    check(shop.run(1), 65, &["effective rank"]);
    assert_eq!(listing(&shop.path("bucket")), before);
    let report = shop.run_with(DailyRequest { force: true, ..DailyRequest::new(day(1)) }).unwrap();
    assert!(report.forced);
    assert_eq!(report.outcome, Outcome::Announced);
    assert_ne!(shop.rows(), served);
    let announced = fs::read_to_string(&shop.announcements()[1]).unwrap();
    assert!(announced.contains("\"forced\": true"), "{announced}");
}

#[test]
fn a_day_on_which_the_ids_changed_their_form_is_not_announced() {
    let mut shop = Shop::new();
    shop.config.gates.min_compared = 5;
    shop.run(0).unwrap();
    let path = shop.path(&format!("events/day={}/shop.csv", day(1)));
    let text = fs::read_to_string(&path).unwrap();
    let mut lines = text.lines();
    let header = lines.next().unwrap().to_owned();
    // The first column is the user.
    let padded = lines.fold(header, |all, line| all + "\n000" + line);
    fs::write(&path, padded + "\n").unwrap();
    check(shop.run(1), 65, &["share of active users known before is 0"]);
    fs::write(&path, text).unwrap();
    shop.run(1).unwrap();
}

#[test]
fn an_older_day_than_the_announced_one_is_refused_unless_forced() {
    let shop = Shop::new();
    shop.run(2).unwrap();
    let before = listing(&shop.path("bucket"));
    check(shop.run(1), 64, &["2024-03-03", "--force"]);
    assert_eq!(listing(&shop.path("bucket")), before);
    shop.run_with(DailyRequest { force: true, ..DailyRequest::new(day(1)) }).unwrap();
}

#[test]
fn models_that_are_not_there_or_not_whole() {
    let shop = Shop::new();
    let with = |model: &str| DailyRequest {
        model: Some(ModelChoice::Id(model.into())),
        ..DailyRequest::new(day(0))
    };
    check(shop.run_with(with("m9")), 64, &["checkpoints/m9", "m1"]);
    let weights = shop.path("bucket/checkpoints/m1/model.safetensors");
    let bytes = fs::read(&weights).unwrap();
    fs::write(&weights, &bytes[..bytes.len() / 2]).unwrap();
    check(shop.run(0), 65, &["model.safetensors"]);
    fs::write(&weights, bytes).unwrap();
    let spec = shop.path("bucket/checkpoints/m1/spec.yaml");
    let text = fs::read_to_string(&spec).unwrap();
    fs::write(&spec, text.replace("format_version: 1", "format_version: 7")).unwrap();
    check(shop.run(0), 65, &["spec.yaml", "7", "1"]);
    fs::remove_file(&spec).unwrap();
    check(shop.run(0), 69, &["no checkpoint", "train"]);
}

#[test]
fn item_features_of_another_width() {
    let shop = Shop::new();
    let spec = shop.path("bucket/checkpoints/m1/spec.yaml");
    let text = fs::read_to_string(&spec).unwrap();
    fs::write(&spec, text.replace("item_dim: 6", "item_dim: 7")).unwrap();
    check(shop.run(0), 65, &["width 7", "width 6"]);
}

#[test]
fn a_log_that_is_empty_or_in_the_wrong_unit() {
    let shop = Shop::new();
    fs::remove_dir_all(shop.path("events")).unwrap();
    fs::create_dir_all(shop.path("events")).unwrap();
    check(shop.run(0), 65, &["events", "no event files"]);
    shop.append(0, "empty.csv", &[]);
    check(shop.run(0), 65, &["empty"]);
    shop.append(0, "empty.csv", &[("u1".into(), "i1".into(), day(0).start_s() * 1000)]);
    check(shop.run(0), 65, &["implausible time"]);
}

#[test]
fn a_day_that_the_log_has_not_reached_is_refused_unless_forced() {
    let mut shop = Shop::new();
    shop.run(3).unwrap();
    let before = listing(&shop.path("bucket"));
    let words = ["no event of 2024-03-10 or later", "it ends on 2024-03-04", "--force"];
    check(shop.run(9), 69, &words);
    let one_file = shop.path("events/day=2024-03-04/shop.csv");
    shop.config.events = url::Url::from_file_path(one_file).unwrap();
    check(shop.run(9), 69, &words);
    assert_eq!(listing(&shop.path("bucket")), before);
    let report = shop.run_with(DailyRequest { force: true, ..DailyRequest::new(day(9)) }).unwrap();
    assert_eq!((report.outcome, report.encoded), (Outcome::Announced, 0));
}

#[test]
fn a_damaged_part_is_not_carried_and_a_full_run_does_without_it() {
    let shop = Shop::new();
    shop.run(0).unwrap();
    let parts = listing(&shop.path("bucket/snapshots"));
    let (part, _) = parts.iter().find(|(path, _)| path.to_string_lossy().contains("/users/")).unwrap();
    let mut bytes = fs::read(part).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(part, bytes).unwrap();
    check(shop.run(1), 65, &["users/bucket=", "is damaged", "BLAKE3"]);
    let report = shop.run_with(DailyRequest { full: true, ..DailyRequest::new(day(1)) }).unwrap();
    assert_eq!((report.outcome, report.start, report.carried), (Outcome::Announced, Start::Log, 0));
}

/// Days 0 and 1 are announced; what is done to them must not keep day 2 from being announced.
fn goes_on_after(damage: impl Fn(&Shop)) -> DailySummary {
    let shop = Shop::new();
    shop.run(0).unwrap();
    shop.run(1).unwrap();
    damage(&shop);
    let summary = shop.run(2).unwrap();
    assert_eq!(summary.outcome, Outcome::Announced);
    assert_eq!(shop.rows().len(), shop.encode_directly(2).len());
    summary
}

#[test]
fn damaged_records_do_not_stop_the_daily_run() {
    for (number, start_day) in [(0, day(1)), (1, day(0))] {
        let summary = goes_on_after(|shop| fs::write(&shop.announcements()[number], "{").unwrap());
        assert_eq!((summary.start, summary.start_day), (Start::Snapshot, Some(start_day)));
        assert!(summary.carried > 0);
    }
    // Without the newest mark the run starts from the day before, and without any from the log.
    let marks = |shop: &Shop| -> Vec<_> {
        let all = listing(&shop.path("bucket/sequences")).into_iter().map(|(path, _)| path);
        all.filter(|path| path.to_string_lossy().contains("/whole/")).collect()
    };
    let summary = goes_on_after(|shop| fs::write(marks(shop).last().unwrap(), "").unwrap());
    assert_eq!((summary.start, summary.start_day), (Start::Snapshot, Some(day(0))));
    let summary = goes_on_after(|shop| marks(shop).iter().for_each(|mark| fs::write(mark, "").unwrap()));
    assert_eq!((summary.start, summary.carried), (Start::Log, 0));
}

#[test]
fn removed_snapshots_do_not_stop_the_daily_run() {
    let remove = |shop: &Shop, n: i32, inside: &str| {
        let folder = shop.path(&format!("bucket/snapshots/{}", day(n)));
        let run = fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
        fs::remove_dir_all(if inside.is_empty() { folder } else { run.join(inside) }).unwrap();
    };
    let summary = goes_on_after(|shop| remove(shop, 0, ""));
    assert_eq!((summary.start, summary.start_day), (Start::Snapshot, Some(day(1))));
    for inside in ["", "users"] {
        let summary = goes_on_after(|shop| remove(shop, 1, inside));
        assert_eq!((summary.start, summary.start_day), (Start::Snapshot, Some(day(0))), "{inside}");
    }
    let summary = goes_on_after(|shop| {
        remove(shop, 0, "");
        remove(shop, 1, "");
    });
    assert_eq!((summary.start, summary.carried), (Start::State, 0));
}

#[test]
fn a_run_that_was_overtaken_by_a_later_day_is_not_announced() {
    let mut shop = Shop::new();
    shop.run(0).unwrap();
    // The run of day 1 is written, and waits for its gates to be overruled, while day 2 is announced.
    let effective_rank = std::mem::replace(&mut shop.config.gates.min_effective_rank, 1_000.0);
    check(shop.run(1), 65, &["effective rank"]);
    shop.config.gates.min_effective_rank = effective_rank;
    shop.run(2).unwrap();
    let served = shop.rows();
    let bucket = dayvec_bucket::Bucket::open(&shop.config.bucket).unwrap();
    check(shop.run(1), 65, &["effective rank"]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let folder = shop.path(&format!("bucket/snapshots/{}", day(1)));
        let run = fs::read_dir(folder).unwrap().next().unwrap().unwrap().file_name();
        let key = format!("snapshots/{}/{}/manifest.json", day(1), run.to_string_lossy());
        let error = announce(&bucket, &key, Reason::Publish, "a slow run", false).await.unwrap_err();
        assert!(matches!(error, SnapshotError::OlderDay { .. }), "{error}");
    });
    assert_eq!(shop.rows(), served);
    let summary = shop.run_with(DailyRequest { force: true, ..DailyRequest::new(day(1)) }).unwrap();
    assert!(summary.forced && shop.rows() != served);
}
