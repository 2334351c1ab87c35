//! Rerun, interrupted, cut off between any two writes.

use std::fs;
use std::path::{Path, PathBuf};

use dayvec_inference::{DailyRequest, Outcome};
use tokio_util::sync::CancellationToken;

use crate::shop::{Shop, day, listing};

#[test]
fn a_finished_day_is_left_alone() {
    let shop = Shop::new();
    shop.run(0).unwrap();
    shop.run(1).unwrap();
    let before = listing(&shop.path("bucket"));
    for n in [1, 0] {
        let report = shop.run(n).unwrap();
        assert_eq!(report.outcome, Outcome::AlreadyAnnounced);
        assert_eq!(listing(&shop.path("bucket")), before);
    }
}

#[test]
fn other_events_for_a_finished_day_make_another_snapshot() {
    let shop = Shop::new();
    shop.run(0).unwrap();
    let first = shop.run(1).unwrap();
    shop.append(1, "late.csv", &[("u1".into(), "i2".into(), 80_000)]);
    let second = shop.run(1).unwrap();
    assert_eq!(second.outcome, Outcome::Announced);
    assert_ne!(first.snapshot_id, second.snapshot_id);
}

#[test]
fn a_signal_stops_between_buckets_and_the_next_run_goes_on() {
    let shop = Shop::new();
    let stopped = CancellationToken::new();
    stopped.cancel();
    let error = dayvec_inference::run(&shop.config, &DailyRequest::new(day(0)), &stopped).unwrap_err();
    assert!(error.to_string().contains("run again"), "{error:#}");
    assert!(!shop.path("bucket/announcements").exists());
    assert_eq!(shop.run(0).unwrap().outcome, Outcome::Announced);
}

/// Whatever suffix of a run's writes is lost, the next run makes the same snapshot.
#[test]
fn a_run_cut_off_after_any_write_is_finished_by_the_next() {
    let shop = Shop::new();
    shop.run(0).unwrap();
    let root = shop.path("bucket");
    let before = files(&root);
    shop.run(1).unwrap();
    let expected = shop.rows();
    let mut written: Vec<PathBuf> = files(&root).into_iter().filter(|path| !before.contains(path)).collect();
    written.sort_by_key(|path| (fs::metadata(path).unwrap().modified().unwrap(), step(path)));
    let written: Vec<(PathBuf, Vec<u8>)> =
        written.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    // 4 buckets: state, part and marker; items: part and marker; state whole, manifest, announcement.
    assert_eq!(written.len(), 4 * 3 + 2 + 3, "{written:?}");
    for n_kept in 0..written.len() {
        for path in files(&root).into_iter().filter(|path| !before.contains(path)) {
            fs::remove_file(path).unwrap();
        }
        for (path, bytes) in &written[..n_kept] {
            fs::write(path, bytes).unwrap();
        }
        let report = shop.run(1).unwrap();
        assert_eq!(report.outcome, Outcome::Announced, "{n_kept} writes kept");
        assert_eq!(shop.rows(), expected, "{n_kept} writes kept");
        // A part whose marker was lost stays, unnamed, beside the one that was written instead; buckets are written
        // four at a time.
        let n_unnamed = files(&root).len() - before.len() - written.len();
        assert!(n_unnamed <= 4, "{n_kept} writes kept, {n_unnamed} files too many");
    }
}

fn files(root: &Path) -> Vec<PathBuf> {
    listing(root).into_iter().map(|(path, _)| path).collect()
}

/// Order of writes that the file system's clock cannot tell apart.
fn step(path: &Path) -> usize {
    let path = path.to_string_lossy();
    let steps = ["announcements/", "manifest.json", "/whole/", "/done/", "/users/", "/items/"];
    steps.len() - steps.iter().position(|name| path.contains(name)).unwrap_or(steps.len())
}
