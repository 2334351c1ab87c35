//! The append-only log of announcements: the newest one names the snapshot that readers serve.

use dayvec_bucket::{Append, Bucket, Log, Record, Records, Tail};
use dayvec_core::Day;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::layout::{ANNOUNCEMENTS, Layout};
use crate::{SnapshotError, reader};

/// Why a snapshot was announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    /// A run made it.
    Publish,
    /// An operator went back to it.
    Rollback,
    /// To be tried by a few readers first.
    Canary,
}

/// The record that makes a snapshot current; `announcements/<20 digits>.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    /// Its place in the log, from 1.
    pub sequence: u64,
    /// Key of the manifest.
    pub manifest: String,
    /// Key of the manifest that was announced before, if any.
    pub previous: Option<String>,
    /// Why.
    pub reason: Reason,
    /// Unix seconds, by the announcer's clock; RFC 3339 in JSON. For people: order comes from `sequence` alone.
    #[serde(rename = "at", with = "rfc3339")]
    pub at_s: i64,
    /// Who or what announced it.
    pub by: String,
    /// Whether it was announced although gates had failed or a later day was announced.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub forced: bool,
}

impl Record for Announcement {
    fn sequence(&self) -> Option<u64> {
        Some(self.sequence)
    }

    fn check(&self) -> Result<(), String> {
        match Layout::of_manifest(&self.manifest) {
            Some(_) => Ok(()),
            None => Err(format!("it names `{}`, which is not the key of a manifest", self.manifest)),
        }
    }
}

impl Announcement {
    /// The day of the snapshot, as its key says it.
    ///
    /// `None` only for an announcement that was not read from a bucket.
    #[must_use]
    pub fn day(&self) -> Option<Day> {
        Layout::of_manifest(&self.manifest)?.day()
    }
}

mod rfc3339 {
    use jiff::Timestamp;
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _, ser::Error as _};

    pub(super) fn serialize<S: Serializer>(seconds: &i64, serializer: S) -> Result<S::Ok, S::Error> {
        let timestamp = Timestamp::from_second(*seconds).map_err(S::Error::custom)?;
        serializer.collect_str(&timestamp)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse::<Timestamp>().map(|timestamp| timestamp.as_second()).map_err(D::Error::custom)
    }
}

/// Every announcement, oldest first, and the records that can't be used.
///
/// # Errors
/// As [`announcements_after`].
pub async fn announcements(bucket: &Bucket) -> Result<Records<Announcement>, SnapshotError> {
    announcements_after(bucket, 0).await
}

/// The announcements after a sequence number, oldest first, for a reader that polls.
///
/// # Errors
/// [`SnapshotError::Bucket`]; a damaged record is no error, but reported beside the others.
pub async fn announcements_after(
    bucket: &Bucket,
    sequence: u64,
) -> Result<Records<Announcement>, SnapshotError> {
    Ok(log(bucket).read_after(sequence).await?)
}

/// The newest announcement, which names the snapshot to serve, and what follows it that can't be used.
///
/// # Errors
/// [`SnapshotError::Bucket`].
pub async fn last_announcements(bucket: &Bucket) -> Result<Tail<Announcement>, SnapshotError> {
    Ok(log(bucket).tail().await?)
}

/// The newest announcement; `None` before the first.
///
/// # Errors
/// As [`last_announcements`].
pub async fn newest_announcement(bucket: &Bucket) -> Result<Option<Announcement>, SnapshotError> {
    Ok(last_announcements(bucket).await?.newest)
}

fn log(bucket: &Bucket) -> Log<Announcement> {
    Log::new(bucket, ANNOUNCEMENTS)
}

/// Make a written snapshot current: the commit point.
///
/// Gates are not checked here; `forced` takes readers back to an earlier day, as a [`Reason::Rollback`] does.
///
/// # Errors
/// [`SnapshotError::OlderDay`] when a later day is announced, and neither is asked for. [`SnapshotError::LostRace`] when
/// another announcement took the number in the meantime; it is not retried, because the other may be the better one.
/// [`SnapshotError::Bucket`] when the manifest does not exist.
pub async fn announce(
    bucket: &Bucket,
    manifest: &str,
    reason: Reason,
    by: &str,
    forced: bool,
) -> Result<Announcement, SnapshotError> {
    let described = reader::read_manifest(bucket, manifest).await?;
    let day = described.day;
    // What is checked is what the number follows: an announcement in between takes the number.
    let Tail { newest, last, .. } = last_announcements(bucket).await?;
    let later = newest.as_ref().and_then(Announcement::day).filter(|&announced| announced > day);
    if let Some(later) = later
        && reason != Reason::Rollback
        && !forced
    {
        return Err(SnapshotError::OlderDay { snapshot_id: described.snapshot_id, day, later });
    }
    let announcement = Announcement {
        sequence: last + 1,
        manifest: manifest.to_owned(),
        previous: newest.map(|newest| newest.manifest),
        reason,
        at_s: Timestamp::now().as_second(),
        by: by.to_owned(),
        forced: forced && (later.is_some() || !described.failed_gates().is_empty()),
    };
    match log(bucket).append(announcement.sequence, &announcement).await? {
        Append::Taken(winner) if winner != announcement => {
            Err(SnapshotError::LostRace { sequence: winner.sequence, manifest: winner.manifest })
        }
        _ => Ok(announcement),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_as_documented() {
        let announcement = Announcement {
            sequence: 2,
            manifest: "snapshots/2011-12-09/b/manifest.json".into(),
            previous: Some("snapshots/2011-12-08/a/manifest.json".into()),
            reason: Reason::Publish,
            at_s: 1_323_475_200,
            by: "inference".into(),
            forced: false,
        };
        let text = serde_json::to_string(&announcement).unwrap();
        assert!(
            text.contains(r#""reason":"publish","at":"2011-12-10T00:00:00Z","by":"inference"}"#),
            "{text}"
        );
        assert_eq!(serde_json::from_str::<Announcement>(&text).unwrap(), announcement);
    }
}
