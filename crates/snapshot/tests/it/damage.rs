//! Objects that are not what was written are refused by name.

use dayvec_bucket::Bucket;
use dayvec_snapshot::{
    Manifest, Part, SnapshotError, announcements, last_announcements, newest_announcement, read_items,
    read_manifest, read_users_part,
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
}

#[tokio::test]
async fn a_manifest_whose_numbers_cannot_be_is_refused() {
    let written = Written::new().await;
    let key = written.manifest.key();
    let outside = "snapshots/2011-12-08/0/users/bucket=0000-a.parquet";
    type Change<'a> = &'a dyn Fn(&mut Manifest);
    let changes: [(Change<'_>, &str); 8] = [
        (&|manifest| manifest.run.dim = 1_000_000_000_000, "width 1000000000000"),
        (&|manifest| manifest.run.dim = 0, "width 0"),
        (&|manifest| manifest.totals.items += 1, "contain 3 items, but its manifest says 4"),
        (&|manifest| manifest.user_parts.iter_mut().for_each(|part| part.rows = u64::MAX), "too many users"),
        (&|manifest| manifest.run.day = manifest.run.day.plus(1), "it is for 2011-12-10"),
        (&|manifest| (manifest.run.n_buckets, manifest.user_parts) = (0, Vec::new()), "for 0 buckets"),
        (&|manifest| manifest.item_parts[0].part = outside.to_owned(), outside),
        (&|manifest| manifest.user_parts[0].part += "/../../x", "/../../x"),
    ];
    for (change, expected) in changes {
        let mut manifest = written.manifest.clone();
        change(&mut manifest);
        written.damage(&key, |bytes| *bytes = serde_json::to_vec(&manifest).unwrap());
        check(read_manifest(&written.bucket, &key).await, &key, expected);
    }
}

#[tokio::test]
async fn a_damaged_announcement_hides_no_other_and_its_number_stays_taken() {
    let written = Written::new().await;
    let first = newest_announcement(&written.bucket).await.unwrap().unwrap();
    let second = publish(&written.bucket, &run_of("2011-12-10")).await.unwrap();
    let key = "announcements/00000000000000000002.json";
    for (damage, expected) in [
        (String::new(), "does not parse"),
        (
            serde_json::to_string(&second).unwrap().replace("2011-12-10/", "../"),
            "which is not the key of a manifest",
        ),
    ] {
        written.damage(key, |bytes| *bytes = damage.into());
        let tail = last_announcements(&written.bucket).await.unwrap();
        assert_eq!((tail.newest.as_ref(), tail.last), (Some(&first), 2));
        let reason = &tail.damaged[0].reason;
        assert!(reason.contains(key) && reason.contains(expected), "{reason}");
        assert_eq!(announcements(&written.bucket).await.unwrap().whole, std::slice::from_ref(&first));
    }
    let third = publish(&written.bucket, &run_of("2011-12-11")).await.unwrap();
    assert_eq!((third.sequence, third.previous.as_ref()), (3, Some(&first.manifest)));
    assert_eq!(newest_announcement(&written.bucket).await.unwrap(), Some(third));
}
