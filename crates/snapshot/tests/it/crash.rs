//! A publisher that is killed after each of its writes: readers see the last whole snapshot or the new whole one,
//! and the next attempt completes the run.

use std::sync::Arc;

use dayvec_snapshot::{announcements, newest_announcement, read_manifest};
use object_store::memory::InMemory;

use crate::shop::{assert_whole, publish, run_of};
use crate::watched::Watched;

#[tokio::test]
async fn readers_see_whole_snapshots_whenever_the_publisher_is_killed() {
    let (yesterday, today) = (run_of("2011-12-08"), run_of("2011-12-09"));
    let n_writes = {
        let inner = Arc::new(InMemory::new());
        publish(&Watched::bucket(&inner, usize::MAX).0, &yesterday).await.unwrap();
        let (bucket, watched) = Watched::bucket(&inner, usize::MAX);
        publish(&bucket, &today).await.unwrap();
        watched.n_writes()
    };
    // the probe (two puts and a deletion: the second put is refused but counts), four parts with a marker each,
    // manifest, announcement
    assert_eq!(n_writes, 3 + 2 * 4 + 2);
    for killed_after in 0..n_writes {
        let inner = Arc::new(InMemory::new());
        let (reader, _) = Watched::bucket(&inner, usize::MAX);
        publish(&reader, &yesterday).await.unwrap();

        let (dying, _) = Watched::bucket(&inner, killed_after);
        let killed = publish(&dying, &today).await;
        assert!(killed.is_err(), "after {killed_after} writes");
        let seen = newest_announcement(&reader).await.unwrap().unwrap();
        assert_eq!(seen.manifest, yesterday.layout().manifest(), "after {killed_after} writes");
        assert_whole(&reader, &read_manifest(&reader, &seen.manifest).await.unwrap()).await;

        let announced = publish(&reader, &today).await.unwrap();
        assert_eq!(announced.sequence, 2, "after {killed_after} writes");
        let manifest = read_manifest(&reader, &announced.manifest).await.unwrap();
        assert_whole(&reader, &manifest).await;
    }
}

#[tokio::test]
async fn a_run_that_is_announced_is_left_alone() {
    let inner = Arc::new(InMemory::new());
    let (bucket, _) = Watched::bucket(&inner, usize::MAX);
    let (yesterday, today) = (run_of("2011-12-08"), run_of("2011-12-09"));
    let first = publish(&bucket, &yesterday).await.unwrap();
    publish(&bucket, &today).await.unwrap();
    let keys = bucket.list("").await.unwrap();
    assert_eq!(publish(&bucket, &yesterday).await.unwrap(), first);
    assert_eq!(bucket.list("").await.unwrap(), keys, "nothing was added");
    assert_eq!(announcements(&bucket).await.unwrap().whole.len(), 2);
}
