//! The append-only log of announcements: the newest one names the snapshot that readers serve.

use dayvec_bucket::{Append, Bucket, Log, Record};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::layout::ANNOUNCEMENTS;
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
    /// Whether it was announced despite failed gates.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub forced: bool,
}

impl Record for Announcement {
    fn sequence(&self) -> Option<u64> {
        Some(self.sequence)
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

/// Every announcement, oldest first.
///
/// # Errors
/// As [`announcements_after`].
pub async fn announcements(bucket: &Bucket) -> Result<Vec<Announcement>, SnapshotError> {
    announcements_after(bucket, 0).await
}

/// The announcements after a sequence number, oldest first, for a reader that polls.
///
/// # Errors
/// [`SnapshotError::Bucket`], also for a record that is damaged.
pub async fn announcements_after(bucket: &Bucket, sequence: u64) -> Result<Vec<Announcement>, SnapshotError> {
    Ok(log(bucket).read_after(sequence).await?)
}

/// The newest announcement, which names the snapshot to serve; `None` before the first.
///
/// # Errors
/// As [`announcements_after`].
pub async fn newest_announcement(bucket: &Bucket) -> Result<Option<Announcement>, SnapshotError> {
    Ok(log(bucket).newest().await?)
}

fn log(bucket: &Bucket) -> Log<Announcement> {
    Log::new(bucket, ANNOUNCEMENTS)
}

/// Make a written snapshot current: the commit point. Gates are not checked here.
///
/// # Errors
/// [`SnapshotError::LostRace`] when another announcement took the number in the meantime; it is not retried, because
/// the other may be the better one. [`SnapshotError::Bucket`] when the manifest does not exist.
pub async fn announce(
    bucket: &Bucket,
    manifest: &str,
    reason: Reason,
    by: &str,
    forced: bool,
) -> Result<Announcement, SnapshotError> {
    reader::read_manifest(bucket, manifest).await?;
    let newest = newest_announcement(bucket).await?;
    let announcement = Announcement {
        sequence: newest.as_ref().map_or(0, |newest| newest.sequence) + 1,
        manifest: manifest.to_owned(),
        previous: newest.map(|newest| newest.manifest),
        reason,
        at_s: Timestamp::now().as_second(),
        by: by.to_owned(),
        forced,
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
