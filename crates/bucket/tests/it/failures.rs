//! Unreachable stores, stores that ignore create-if-absent, lost answers, and unusable URLs.

use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use dayvec_bucket::{Bucket, BucketError, Created, Log, Record};
use futures::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, PutMode,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};

/// A store that misbehaves on create.
#[derive(Debug, Default)]
struct Odd {
    inner: InMemory,
    /// Accept every create, as Garage does.
    ignores_create: bool,
    /// Lose the answer of the next put: before it is applied, or after.
    loses_before: AtomicBool,
    loses_after: AtomicBool,
    /// Answer the next put as S3 does while another request writes the same key: 409, and nothing is there yet.
    conflicts: AtomicBool,
    /// Keys that may not be read.
    denied: Mutex<Vec<String>>,
}

#[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
struct Note(String);

impl Record for Note {}

fn lost() -> object_store::Error {
    object_store::Error::Generic { store: "odd", source: "connection reset".into() }
}

impl fmt::Display for Odd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("odd")
    }
}

#[async_trait::async_trait]
impl ObjectStore for Odd {
    async fn put_opts(&self, at: &Path, payload: PutPayload, mut options: PutOptions) -> Result<PutResult> {
        if self.ignores_create {
            options.mode = PutMode::Overwrite;
        }
        if self.conflicts.swap(false, Ordering::SeqCst) {
            return Err(object_store::Error::AlreadyExists { path: at.to_string(), source: "409".into() });
        }
        if self.loses_before.swap(false, Ordering::SeqCst) {
            return Err(lost());
        }
        let result = self.inner.put_opts(at, payload, options).await;
        if self.loses_after.swap(false, Ordering::SeqCst) { Err(lost()) } else { result }
    }
    async fn put_multipart_opts(
        &self,
        at: &Path,
        opts: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(at, opts).await
    }
    async fn get_opts(&self, at: &Path, options: GetOptions) -> Result<GetResult> {
        if self.denied.lock().unwrap().iter().any(|key| *key == at.to_string()) {
            return Err(object_store::Error::PermissionDenied { path: at.to_string(), source: "403".into() });
        }
        self.inner.get_opts(at, options).await
    }
    async fn get_ranges(&self, at: &Path, ranges: &[Range<u64>]) -> Result<Vec<bytes::Bytes>> {
        self.inner.get_ranges(at, ranges).await
    }
    fn delete_stream(&self, at: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(at)
    }
    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.inner.list(prefix)
    }
    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }
    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

fn over(odd: Odd) -> (Bucket, Arc<Odd>) {
    let odd = Arc::new(odd);
    (Bucket::over(odd.clone(), &"memory:///odd".parse().unwrap()), odd)
}

#[tokio::test]
async fn a_store_that_accepts_two_creates_is_refused() {
    let (bucket, _) = over(Odd { ignores_create: true, ..Odd::default() });
    let error = bucket.probe_create().await.unwrap_err();
    assert!(matches!(error, BucketError::CreateNotHonoured { .. }), "{error}");
    assert!(error.to_string().contains("single_publisher: true"), "{error}");

    let alone = bucket.with_single_publisher(true);
    alone.probe_create().await.unwrap();
    assert_eq!(alone.put_new("k", "1".into()).await.unwrap(), Created::Yes);
    assert_eq!(alone.put_new("k", "2".into()).await.unwrap(), Created::AlreadyThere);
    assert_eq!(alone.get("k").await.unwrap(), "1");
}

#[tokio::test]
async fn a_lost_answer_is_settled_by_reading_back() {
    let (bucket, odd) = over(Odd::default());
    odd.loses_after.store(true, Ordering::SeqCst);
    assert_eq!(bucket.put_new("k", "mine".into()).await.unwrap(), Created::Yes);
    odd.loses_after.store(true, Ordering::SeqCst);
    assert_eq!(bucket.put_new("k", "late".into()).await.unwrap(), Created::AlreadyThere);
    odd.loses_before.store(true, Ordering::SeqCst);
    let error = bucket.put_new("new", "mine".into()).await.unwrap_err();
    assert!(matches!(error, BucketError::Unreachable { .. }), "{error}");
}

#[tokio::test]
async fn a_missing_endpoint_is_reported_within_seconds() {
    // Port 9 (discard) of this machine: nothing listens. The options stand in for AWS_ENDPOINT_URL, which other
    // tests of this process need.
    let url = "s3://bucket/prefix".parse().unwrap();
    let options = [
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9"),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_ACCESS_KEY_ID", "a"),
        ("AWS_SECRET_ACCESS_KEY", "b"),
    ];
    let options = options.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let bucket = Bucket::open_with(&url, options).unwrap();
    let started = Instant::now();
    let error = bucket.get("announcements/x").await.unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    let message = error.to_string();
    assert!(matches!(error, BucketError::Unreachable { .. }), "{message}");
    for part in ["s3://bucket/prefix", "announcements/x", "AWS_ENDPOINT_URL"] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn a_url_that_is_not_a_bucket_is_refused_with_what_to_write() {
    let check = |url: &str, options: &[(&str, &str)], expected: &str| {
        let options = options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let error = Bucket::open_with(&url.parse().unwrap(), options).unwrap_err().to_string();
        assert!(error.contains(url) && error.contains(expected), "{error}");
    };
    check("ftp://host/x", &[], "s3://bucket/prefix");
    check("https://example.com/x", &[], "not an object store");
    check("s3://bucket/x", &[("AWS_ENDPOINT_URL", "http://localhost:1")], "AWS_ALLOW_HTTP=true");
    for no_url in ["minio:9000", "localhost", "http://", "ftp://minio:9000", "/run/minio"] {
        for name in ["AWS_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"] {
            check("s3://bucket/x", &[(name, no_url)], &format!("{name} is `{no_url}`, which is not a URL"));
        }
        check("az://container/x", &[("AZURE_STORAGE_ENDPOINT", no_url)], "AZURE_STORAGE_ENDPOINT is");
    }
}

#[test]
fn an_empty_variable_is_as_good_as_none() {
    let options = [("AWS_ENDPOINT_URL", ""), ("AWS_ALLOW_HTTP", ""), ("AWS_REGION", "eu-west-1")];
    let options = options.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Bucket::open_with(&"s3://bucket/x".parse().unwrap(), options).unwrap();
}

#[tokio::test]
async fn a_conflict_of_the_store_is_worth_a_retry_and_no_damage() {
    let (bucket, odd) = over(Odd::default());
    odd.conflicts.store(true, Ordering::SeqCst);
    let error = bucket.put_new("k", "mine".into()).await.unwrap_err();
    assert!(matches!(error, BucketError::Unreachable { .. }), "{error}");
    // The one that it conflicted with was faster: that is a key taken, as ever.
    assert_eq!(bucket.put_new("k", "theirs".into()).await.unwrap(), Created::Yes);
    odd.conflicts.store(true, Ordering::SeqCst);
    assert_eq!(bucket.put_new("k", "mine".into()).await.unwrap(), Created::AlreadyThere);
}

#[tokio::test]
async fn one_object_that_is_refused_does_not_hide_the_others_of_a_log() {
    let (bucket, odd) = over(Odd::default());
    let log = Log::<Note>::new(&bucket, "log");
    for number in 1..=3 {
        log.append(number, &Note(number.to_string())).await.unwrap();
    }
    *odd.denied.lock().unwrap() = vec![log.key(3)];
    let tail = log.tail().await.unwrap();
    assert_eq!((tail.newest, tail.last), (Some(Note("2".to_owned())), 3));
    assert!(tail.damaged[0].reason.contains("permission denied"), "{:?}", tail.damaged);
    // Where none is shown, it is the credentials that are wrong.
    *odd.denied.lock().unwrap() = (1..=3).map(|number| log.key(number)).collect();
    assert!(matches!(log.tail().await.unwrap_err(), BucketError::Denied { .. }));
    assert!(matches!(log.read_after(0).await.unwrap_err(), BucketError::Denied { .. }));
}
