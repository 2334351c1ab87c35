//! What a snapshot must do on every kind of store: in memory, on local disk, and on a real S3 server.

use dayvec_bucket::{Bucket, unique_name};
use dayvec_core::Gate;
use dayvec_snapshot::{
    ElementType, Publisher, Reason, RunDescription, SnapshotError, announce, announcements,
    announcements_after, newest_announcement, read_manifest, read_users_part,
};
use serde_json::json;

use crate::shop::{assert_whole, items, publish, run_of, users};

async fn what_is_announced_is_read_back(bucket: &Bucket) {
    assert_eq!(newest_announcement(bucket).await.unwrap(), None);
    let first = publish(bucket, &run_of("2011-12-08")).await.unwrap();
    let second = publish(bucket, &run_of("2011-12-09")).await.unwrap();
    assert_eq!((first.sequence, first.previous.as_deref()), (1, None));
    assert_eq!((second.sequence, second.previous.as_ref()), (2, Some(&first.manifest)));
    assert_eq!(newest_announcement(bucket).await.unwrap().as_ref(), Some(&second));
    assert_eq!(announcements(bucket).await.unwrap().whole, [first.clone(), second.clone()]);
    assert_eq!(announcements_after(bucket, 1).await.unwrap().whole, std::slice::from_ref(&second));
    assert!(announcements_after(bucket, 2).await.unwrap().whole.is_empty());
    for announced in [first, second] {
        let manifest = read_manifest(bucket, &announced.manifest).await.unwrap();
        assert_eq!(manifest.user_parts[0].statistics["carried"], 0);
        assert_whole(bucket, &manifest).await;
    }
}

async fn a_rollback_is_a_new_announcement(bucket: &Bucket) {
    let before = announcements(bucket).await.unwrap().whole;
    let (first, newest) = (&before[0], before.last().unwrap());
    let back = announce(bucket, &first.manifest, Reason::Rollback, "operator", false).await.unwrap();
    assert_eq!(back.sequence, newest.sequence + 1);
    assert_eq!(back.previous.as_ref(), Some(&newest.manifest));
    assert_eq!(newest_announcement(bucket).await.unwrap(), Some(back));
    let nothing =
        announce(bucket, "snapshots/2011-01-01/x/manifest.json", Reason::Rollback, "operator", false).await;
    assert!(matches!(nothing, Err(SnapshotError::Bucket(error)) if error.is_not_found()));
}

async fn workers_on_one_bucket_agree_or_get_an_error(bucket: &Bucket) {
    let run = run_of("2011-12-10");
    let publisher = Publisher::begin(bucket, run.clone()).await.unwrap();
    let part = publisher.write_users_part(1, users(run.day, 1, 20), &json!({})).await.unwrap();
    let again =
        publisher.write_users_part(1, users(run.day, 1, 20), &json!({"other": "worker"})).await.unwrap();
    assert_eq!(again, part);
    let files = bucket.list(&format!("{}/users", publisher.layout().folder())).await.unwrap();
    assert_eq!(files.len(), 1);

    let mut other = users(run.day, 1, 20);
    other.values[0] += 1.0;
    let error = publisher.write_users_part(1, other, &json!({})).await.unwrap_err();
    assert!(matches!(&error, SnapshotError::NonDeterministic { key, .. } if key.ends_with("done/0001.json")));
    assert_eq!(read_users_part(bucket, &part).await.unwrap(), users(run.day, 1, 20));

    let incomplete = publisher.publish(Vec::new(), &json!({})).await.unwrap_err().to_string();
    assert!(incomplete.contains("buckets 0, 2 of 3"), "{incomplete}");
    for missing in [0, 2] {
        publisher.write_users_part(missing, users(run.day, missing, 20), &json!({})).await.unwrap();
    }
    let incomplete = publisher.publish(Vec::new(), &json!({})).await.unwrap_err().to_string();
    assert!(incomplete.contains("the items are missing"), "{incomplete}");
}

async fn a_failed_gate_keeps_readers_where_they_are(bucket: &Bucket) {
    let before = newest_announcement(bucket).await.unwrap();
    let run = run_of("2011-12-10");
    let publisher = Publisher::begin(bucket, run).await.unwrap();
    publisher.write_items_part(0, items(), &json!({})).await.unwrap();
    let gates =
        vec![Gate::new("effective rank", 1.5, Some(2.0), None), Gate::new("users", 20.0, Some(1.0), None)];
    let manifest = publisher.publish(gates, &json!({})).await.unwrap();
    assert_eq!(read_manifest(bucket, &manifest.key()).await.unwrap(), manifest, "it can be inspected");
    let error = publisher.announce(Reason::Publish, "test", false).await.unwrap_err().to_string();
    assert!(
        error.contains("effective rank is 1.5; the minimum is 2") && !error.contains("users is"),
        "{error}"
    );
    assert_eq!(newest_announcement(bucket).await.unwrap(), before);
    assert!(publisher.announce(Reason::Publish, "test", true).await.unwrap().forced);
}

/// The newest announcement is for the 10th by now.
async fn an_older_day_is_announced_only_on_purpose(bucket: &Bucket) {
    let before = newest_announcement(bucket).await.unwrap().unwrap();
    let error = publish(bucket, &run_of("2011-12-07")).await.unwrap_err();
    assert!(matches!(error, SnapshotError::OlderDay { .. }), "{error}");
    for part in ["2011-12-10 is announced", "would go back to 2011-12-07", "--force"] {
        assert!(error.to_string().contains(part), "{error}");
    }
    assert_eq!(newest_announcement(bucket).await.unwrap().as_ref(), Some(&before));
    let publisher = Publisher::begin(bucket, run_of("2011-12-07")).await.unwrap();
    let forced = publisher.announce(Reason::Publish, "test", true).await.unwrap();
    assert!(forced.forced, "the announcement says that it was meant");
    assert_eq!(forced.day(), "2011-12-07".parse().ok());
    announce(bucket, &before.manifest, Reason::Publish, "test", false).await.unwrap();
    let back = announce(bucket, &forced.manifest, Reason::Rollback, "operator", false).await.unwrap();
    assert!(!back.forced, "a rollback needs no force");
    announce(bucket, &before.manifest, Reason::Publish, "test", false).await.unwrap();
}

async fn halves_are_carried_bit_for_bit(bucket: &Bucket) {
    let run = RunDescription { element_type: ElementType::F16, ..run_of("2011-12-11") };
    let publisher = Publisher::begin(bucket, run.clone()).await.unwrap();
    let part = publisher.write_users_part(0, users(run.day, 0, 20), &json!({})).await.unwrap();
    let rows = read_users_part(bucket, &part).await.unwrap();
    let tomorrow = RunDescription { day: run.day.plus(1), ..run };
    let publisher = Publisher::begin(bucket, tomorrow).await.unwrap();
    let part = publisher.write_users_part(0, rows.clone(), &json!({})).await.unwrap();
    assert_eq!(read_users_part(bucket, &part).await.unwrap(), rows);
}

async fn conforms(bucket: &Bucket) {
    what_is_announced_is_read_back(bucket).await;
    a_rollback_is_a_new_announcement(bucket).await;
    workers_on_one_bucket_agree_or_get_an_error(bucket).await;
    a_failed_gate_keeps_readers_where_they_are(bucket).await;
    an_older_day_is_announced_only_on_purpose(bucket).await;
    halves_are_carried_bit_for_bit(bucket).await;
}

async fn workers_at_one_moment_leave_one_part(bucket: &Bucket) {
    let run = run_of("2011-12-20");
    let publisher = Publisher::begin(bucket, run.clone()).await.unwrap();
    let workers = (0..4).map(|_| {
        let (publisher, rows) = (publisher.clone(), users(run.day, 1, 20));
        async move { publisher.write_users_part(1, rows, &json!({})).await.unwrap() }
    });
    let parts = futures::future::join_all(workers).await;
    assert!(parts.iter().all(|part| part == &parts[0]));
    let files = bucket.list(&format!("{}/users", publisher.layout().folder())).await.unwrap();
    assert_eq!(files.len(), 1, "losers discard their attempts");
}

async fn publishers_at_one_moment_cannot_both_win(bucket: &Bucket) {
    let manifests: Vec<String> =
        announcements(bucket).await.unwrap().whole.into_iter().map(|a| a.manifest).collect();
    let before = newest_announcement(bucket).await.unwrap().unwrap().sequence;
    let announcers = (0..6).map(|i| {
        let (bucket, manifest) = (bucket.clone(), manifests[i % 2].clone());
        async move { announce(&bucket, &manifest, Reason::Rollback, &format!("operator {i}"), false).await }
    });
    let results = futures::future::join_all(announcers).await;
    let mut won: Vec<u64> = results.iter().flatten().map(|announcement| announcement.sequence).collect();
    won.sort_unstable();
    let expected: Vec<u64> = (before + 1..=before + won.len() as u64).collect();
    assert_eq!(won, expected, "each number has one winner");
    assert!(!won.is_empty());
    let lost = results.into_iter().filter_map(Result::err);
    assert!(lost.into_iter().all(|error| matches!(error, SnapshotError::LostRace { .. })));
}

/// Not asked of s3s-fs, which looks for the object and then writes it, so that creates at the same moment all
/// succeed; S3, GCS and Azure promise one winner.
async fn races_have_one_winner(bucket: &Bucket) {
    workers_at_one_moment_leave_one_part(bucket).await;
    publishers_at_one_moment_cannot_both_win(bucket).await;
}

#[tokio::test]
async fn memory() {
    let bucket = Bucket::open(&"memory:///".parse().unwrap()).unwrap();
    conforms(&bucket).await;
    races_have_one_winner(&bucket).await;
}

#[tokio::test]
async fn local_disk() {
    let folder = tempfile::tempdir().unwrap();
    let bucket = Bucket::open(&url::Url::from_directory_path(folder.path()).unwrap()).unwrap();
    conforms(&bucket).await;
    races_have_one_winner(&bucket).await;
}

#[tokio::test]
async fn s3() {
    let url = std::env::var("DAYVEC_TEST_S3")
        .expect("DAYVEC_TEST_S3 is not set: run scripts/test.sh, which starts an S3 server for the tests");
    conforms(&Bucket::open(&format!("{url}/{}", unique_name()).parse().unwrap()).unwrap()).await;
}
