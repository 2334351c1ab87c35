//! Names and keys of snapshots and announcements: how they are built, and how they are read back.

use core::fmt;

use dayvec_core::Day;
use serde::{Deserialize, Serialize};

/// Folder of the snapshots; their keys sort by day.
pub const SNAPSHOTS: &str = "snapshots";
/// Folder of the announcements.
pub const ANNOUNCEMENTS: &str = "announcements";

/// Name of a run: a digest of everything that decides its bytes, so a rerun finds what an earlier attempt did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(String);

impl RunId {
    /// 24 hexadecimal digits of a BLAKE3 digest of the parts, each preceded by its length.
    #[must_use]
    pub fn digest(parts: &[&str]) -> Self {
        let mut hasher = blake3::Hasher::new();
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
        }
        Self(hasher.finalize().to_hex()[..24].to_owned())
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a done marker stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DonePart {
    /// The users of a bucket.
    Users(u32),
    /// A part of the items.
    Items(u32),
}

/// Keys of one snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    snapshot_id: String,
}

impl Layout {
    /// The keys of a run.
    #[must_use]
    pub fn new(day: Day, run_id: &RunId) -> Self {
        Self { snapshot_id: format!("{day}/{run_id}") }
    }

    /// The keys of a snapshot by its id, `<day>/<run_id>`.
    #[must_use]
    pub fn of(snapshot_id: &str) -> Self {
        Self { snapshot_id: snapshot_id.to_owned() }
    }

    /// The keys of the snapshot whose manifest has this key; `None` for a key that is not a manifest's.
    #[must_use]
    pub fn of_manifest(key: &str) -> Option<Self> {
        let snapshot_id = key.strip_prefix(SNAPSHOTS)?.strip_prefix('/')?.strip_suffix("/manifest.json")?;
        let (day, run_id) = snapshot_id.split_once('/')?;
        let is_name = |text: &str| {
            text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
                && !text.starts_with('.')
        };
        let is_id = day.parse::<Day>().is_ok() && !run_id.is_empty() && is_name(run_id);
        is_id.then(|| Self::of(snapshot_id))
    }

    /// `<day>/<run_id>`.
    #[must_use]
    pub fn snapshot_id(&self) -> &str {
        &self.snapshot_id
    }

    /// The day; `None` for an id that does not begin with one.
    #[must_use]
    pub fn day(&self) -> Option<Day> {
        self.snapshot_id.split_once('/')?.0.parse().ok()
    }

    /// The folder that holds everything of the snapshot.
    #[must_use]
    pub fn folder(&self) -> String {
        format!("{SNAPSHOTS}/{}", self.snapshot_id)
    }

    /// One attempt at the users of a bucket.
    #[must_use]
    pub fn users_part(&self, bucket: u32, attempt: &str) -> String {
        format!("{}/users/bucket={bucket:04}-{attempt}.parquet", self.folder())
    }

    /// One attempt at a part of the items.
    #[must_use]
    pub fn items_part(&self, number: u32, attempt: &str) -> String {
        format!("{}/items/part-{number:04}-{attempt}.parquet", self.folder())
    }

    /// Folder of the done markers.
    #[must_use]
    pub fn done_folder(&self) -> String {
        format!("{}/done", self.folder())
    }

    /// Marker of a bucket of users.
    #[must_use]
    pub fn users_done(&self, bucket: u32) -> String {
        format!("{}/{bucket:04}.json", self.done_folder())
    }

    /// Marker of a part of the items.
    #[must_use]
    pub fn items_done(&self, number: u32) -> String {
        format!("{}/items-{number:04}.json", self.done_folder())
    }

    /// What a marker of this snapshot says is done; `None` for any other key.
    pub(crate) fn done(&self, marker: &str) -> Option<DonePart> {
        let name = marker.strip_prefix(&self.done_folder())?.strip_prefix('/')?.strip_suffix(".json")?;
        match name.strip_prefix("items-") {
            Some(number) => number.parse().ok().map(DonePart::Items),
            None => name.parse().ok().map(DonePart::Users),
        }
    }

    /// The manifest.
    #[must_use]
    pub fn manifest(&self) -> String {
        format!("{}/manifest.json", self.folder())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_as_documented() {
        let run_id = RunId("0123".into());
        let layout = Layout::new("2011-12-09".parse().unwrap(), &run_id);
        assert_eq!(layout.snapshot_id(), "2011-12-09/0123");
        assert_eq!(layout.users_part(7, "a"), "snapshots/2011-12-09/0123/users/bucket=0007-a.parquet");
        assert_eq!(layout.items_part(0, "a"), "snapshots/2011-12-09/0123/items/part-0000-a.parquet");
        assert_eq!(layout.users_done(12_345), "snapshots/2011-12-09/0123/done/12345.json");
        assert_eq!(layout.items_done(0), "snapshots/2011-12-09/0123/done/items-0000.json");
        assert_eq!(layout.manifest(), "snapshots/2011-12-09/0123/manifest.json");
    }

    #[test]
    fn keys_are_read_back() {
        let layout = Layout::of("2011-12-09/0123");
        assert_eq!(Layout::of_manifest(&layout.manifest()), Some(layout.clone()));
        assert_eq!((layout.day(), Layout::of("x").day()), ("2011-12-09".parse().ok(), None));
        for other in [
            "snapshots/manifest.json",
            "snapshots/2011-12-09/manifest.json",
            "snapshots/2011-12-09/0123/done/manifest.json",
            "snapshots/yesterday/0123/manifest.json",
            "other/2011-12-09/0123/manifest.json",
            "snapshots/2011-12-09/../manifest.json",
            "snapshots/2011-12-09/a\nb/manifest.json",
        ] {
            assert_eq!(Layout::of_manifest(other), None, "{other}");
        }
        assert_eq!(layout.done(&layout.users_done(12_345)), Some(DonePart::Users(12_345)));
        assert_eq!(layout.done(&layout.items_done(0)), Some(DonePart::Items(0)));
        assert_eq!(layout.done(&format!("{}/notes.txt", layout.done_folder())), None);
        assert_eq!(layout.done(&Layout::of("2011-12-09/4567").users_done(1)), None);
    }

    #[test]
    fn a_run_id_depends_on_where_its_parts_end() {
        assert_eq!(RunId::digest(&["ab", "c"]), RunId::digest(&["ab", "c"]));
        assert_ne!(RunId::digest(&["ab", "c"]), RunId::digest(&["a", "bc"]));
        assert_eq!(RunId::digest(&[]).to_string().len(), 24);
    }
}
