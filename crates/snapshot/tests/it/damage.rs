//! Objects that are not what was written are refused by name.

use dayvec_bucket::Bucket;
use dayvec_snapshot::{
    Manifest, Part, SnapshotError, newest_announcement, read_items, read_manifest, read_users_part,
};

use crate::shop::{publish, run_of};

struct Written {
    folder: tempfile::TempDir,
    bucket: Bucket,
    manifest: Manifest,
}

impl Written {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let bucket = Bucket::open(&url::Url::from_directory_path(folder.path()).unwrap()).unwrap();
        let announced = publish(&bucket, &run_of("2011-12-09")).await.unwrap();
        let manifest = read_manifest(&bucket, &announced.manifest).await.unwrap();
        Self { folder, bucket, manifest }
    }

    /// Change a file behind the bucket's back.
    fn damage(&self, key: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let path = self.folder.path().join(key);
        let mut bytes = std::fs::read(&path).unwrap();
        change(&mut bytes);
        std::fs::write(path, bytes).unwrap();
    }
}

fn check<T>(result: Result<T, SnapshotError>, key: &str, expected: &str) {
    let Err(error) = result else { panic!("{key} was accepted") };
    let message = error.to_string();
    assert!(message.contains(key) && message.contains(expected), "{message}");
}

#[tokio::test]
async fn a_part_that_changed_is_refused() {
    let written = Written::new().await;
    let [bit, cut, gone] = &written.manifest.user_parts[..] else { panic!("three buckets") };
    written.damage(&bit.part, |bytes| bytes[100] ^= 1);
    written.damage(&cut.part, |bytes| bytes.truncate(bytes.len() - 1));
    std::fs::remove_file(written.folder.path().join(&gone.part)).unwrap();
    check(read_users_part(&written.bucket, bit).await, &bit.part, "BLAKE3 digest");
    check(read_users_part(&written.bucket, cut).await, &cut.part, "bytes instead of");
    check(read_users_part(&written.bucket, gone).await, &gone.part, "the file is missing");
    let item = &written.manifest.item_parts[0].part;
    written.damage(item, |bytes| bytes[50] ^= 1);
    check(read_items(&written.bucket, &written.manifest).await, item, "roll back to another snapshot");
}

#[tokio::test]
async fn a_record_that_contradicts_its_file_is_refused() {
    let written = Written::new().await;
    let part = written.manifest.user_parts[0].clone();
    let more_rows = Part { rows: part.rows + 1, ..part.clone() };
    check(read_users_part(&written.bucket, &more_rows).await, &part.part, "rows instead of");
    let items_as_users = &written.manifest.item_parts[0];
    check(
        read_users_part(&written.bucket, items_as_users).await,
        &items_as_users.part,
        "docs/snapshot-format.md",
    );
}

#[tokio::test]
async fn a_torn_or_foreign_record_is_refused() {
    let written = Written::new().await;
    let key = written.manifest.key();
    written.damage(&key, |bytes| {
        *bytes = String::from_utf8_lossy(bytes).replace("2011-12-09/", "2011-12-08/").into()
    });
    check(read_manifest(&written.bucket, &key).await, &key, "it is the manifest of 2011-12-08/");
    written.damage(&key, |bytes| {
        *bytes =
            String::from_utf8_lossy(bytes).replace("\"format_version\": 1", "\"format_version\": 2").into();
    });
    check(read_manifest(&written.bucket, &key).await, &key, "snapshot format 2, this build reads format 1");
    written.damage(&key, |bytes| bytes.truncate(40));
    check(read_manifest(&written.bucket, &key).await, &key, "does not parse");
    let announcement = "announcements/00000000000000000001.json";
    written.damage(announcement, |bytes| bytes.truncate(10));
    check(newest_announcement(&written.bucket).await, announcement, "does not parse");
}
