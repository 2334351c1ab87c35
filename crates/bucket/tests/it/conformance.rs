//! What every store must do alike: in memory, on local disk, and on a real S3 server.

use dayvec_bucket::{Bucket, BucketError, Created, unique_name};

const LARGE: usize = (16 << 20) + 12_345;

async fn create_is_exclusive(bucket: &Bucket) {
    bucket.probe_create().await.unwrap();
    assert_eq!(bucket.put_new("a/one.json", "first".into()).await.unwrap(), Created::Yes);
    assert_eq!(bucket.put_new("a/one.json", "second".into()).await.unwrap(), Created::AlreadyThere);
    assert_eq!(bucket.get("a/one.json").await.unwrap(), "first");
    assert!(bucket.list("probes").await.unwrap().is_empty(), "the probe cleans up");
}

/// Not asked of s3s-fs, which looks for the object and then writes it, so that creates at the same moment all
/// succeed; S3, GCS and Azure promise one winner.
async fn one_of_many_creators_wins(bucket: &Bucket) {
    let creators = (0..8).map(|writer| {
        let bucket = bucket.clone();
        tokio::spawn(async move { bucket.put_new("race", format!("writer {writer}").into()).await.unwrap() })
    });
    let results = futures::future::join_all(creators.collect::<Vec<_>>()).await;
    let wins = results.into_iter().filter(|created| matches!(created, Ok(Created::Yes))).count();
    assert_eq!(wins, 1);
}

async fn lists_in_key_order(bucket: &Bucket) {
    for key in ["l/b=2/x", "l/b=1/y", "l/b=10/z", "lx/other"] {
        bucket.put_new(key, key.into()).await.unwrap();
    }
    let keys =
        |entries: Vec<dayvec_bucket::Entry>| entries.into_iter().map(|entry| entry.key).collect::<Vec<_>>();
    for prefix in ["l", "l/"] {
        assert_eq!(keys(bucket.list(prefix).await.unwrap()), ["l/b=1/y", "l/b=10/z", "l/b=2/x"]);
    }
    assert_eq!(keys(bucket.list_after("l", Some("l/b=10/z")).await.unwrap()), ["l/b=2/x"]);
    assert!(bucket.list("nothing/here").await.unwrap().is_empty());
    assert_eq!(bucket.list("l/b=10").await.unwrap()[0].size_bytes, 8);
}

async fn absent_is_not_found(bucket: &Bucket) {
    let error = bucket.get("not/there").await.unwrap_err();
    assert!(error.is_not_found() && error.to_string().contains("not/there"), "{error}");
    assert!(!bucket.exists("not/there").await.unwrap());
    let folder = tempfile::tempdir().unwrap();
    assert!(bucket.fetch("not/there", &folder.path().join("x")).await.unwrap_err().is_not_found());
    assert!(bucket.fetch_dir("not", folder.path()).await.unwrap_err().is_not_found());
    bucket.discard("not/there").await.unwrap();
}

async fn large_objects_travel_whole(bucket: &Bucket) {
    let large: Vec<u8> = (0..LARGE).map(|i| (i % 251) as u8).collect();
    bucket.put_part("p/large", large.clone().into()).await.unwrap();
    assert_eq!(bucket.get("p/large").await.unwrap(), large);
    bucket.put_part("p/large", large.clone().into()).await.unwrap();
    let error = bucket.put_part("p/large", vec![0; LARGE].into()).await.unwrap_err();
    assert!(matches!(error, BucketError::AlreadyThere { .. }), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("deep/er/large");
    bucket.fetch("p/large", &file).await.unwrap();
    assert_eq!(std::fs::read(&file).unwrap(), large);
    bucket.put_new("p/empty", "".into()).await.unwrap();
    bucket.fetch("p/empty", &folder.path().join("empty")).await.unwrap();
    assert_eq!(bucket.size_of("p/empty").await.unwrap(), Some(0));
}

async fn folders_go_up_and_come_back(bucket: &Bucket) {
    let (from, into) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    std::fs::create_dir(from.path().join("in")).unwrap();
    std::fs::write(from.path().join("a.txt"), "a").unwrap();
    std::fs::write(from.path().join("in/b.txt"), "b").unwrap();
    bucket.upload_dir(from.path(), "up/model-1").await.unwrap();
    bucket.upload_dir(from.path(), "up/model-1/").await.unwrap();
    let files = bucket.fetch_dir("up/model-1", into.path()).await.unwrap();
    assert_eq!(files, [into.path().join("a.txt"), into.path().join("in/b.txt")]);
    assert_eq!(std::fs::read_to_string(&files[1]).unwrap(), "b");
    std::fs::write(from.path().join("a.txt"), "other").unwrap();
    let error = bucket.upload_dir(from.path(), "up/model-1").await.unwrap_err().to_string();
    assert!(error.contains("up/model-1/a.txt") && error.contains("ever overwritten"), "{error}");
}

async fn keys_with_nonsense_are_refused(bucket: &Bucket) {
    for key in ["a//b", "../up", "./x"] {
        let error = bucket.get(key).await.unwrap_err();
        assert!(matches!(error, BucketError::BadKey { .. }), "{key}: {error}");
    }
}

fn s3_url() -> String {
    std::env::var("DAYVEC_TEST_S3")
        .expect("DAYVEC_TEST_S3 is not set: run scripts/test.sh, which starts an S3 server for the tests")
}

async fn conforms(bucket: &Bucket) {
    create_is_exclusive(bucket).await;
    lists_in_key_order(bucket).await;
    absent_is_not_found(bucket).await;
    large_objects_travel_whole(bucket).await;
    folders_go_up_and_come_back(bucket).await;
    keys_with_nonsense_are_refused(bucket).await;
}

#[tokio::test]
async fn memory() {
    let bucket = Bucket::open(&"memory:///".parse().unwrap()).unwrap();
    conforms(&bucket).await;
    one_of_many_creators_wins(&bucket).await;
}

#[tokio::test]
async fn local_disk() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("not made yet");
    let bucket = Bucket::open(&url::Url::from_directory_path(&root).unwrap()).unwrap();
    assert!(bucket.list("").await.unwrap().is_empty());
    assert!(!root.exists(), "reading makes no folder");
    conforms(&bucket).await;
    one_of_many_creators_wins(&bucket).await;
    assert_eq!(std::fs::read(bucket.local_path("a/one.json").unwrap()).unwrap(), b"first");
}

#[tokio::test]
async fn s3() {
    let url = s3_url();
    let bucket = Bucket::open(&format!("{url}/{}", unique_name()).parse().unwrap()).unwrap();
    conforms(&bucket).await;
    assert_eq!(bucket.local_path("a"), None);
}

#[tokio::test]
async fn a_real_s3_server_that_denies_access_says_so_for_every_operation() {
    let url = s3_url();
    let wrong_key = ("AWS_SECRET_ACCESS_KEY".to_owned(), "not the key".to_owned());
    let bucket = Bucket::open_with(&url.parse().unwrap(), std::env::vars().chain([wrong_key])).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let errors = [
        ("get", bucket.get("a").await.map(|_| ())),
        ("list", bucket.list("a").await.map(|_| ())),
        ("list after", bucket.list_after("a", Some("a/b")).await.map(|_| ())),
        ("size", bucket.size_of("a").await.map(|_| ())),
        ("put", bucket.put_new("a", "b".into()).await.map(|_| ())),
        ("fetch folder", bucket.fetch_dir("a", folder.path()).await.map(|_| ())),
        ("probe", bucket.probe_create().await),
    ];
    for (operation, result) in errors {
        let error = result.unwrap_err();
        assert!(matches!(error, BucketError::Denied { .. }), "{operation}: {error:?}");
    }
}
