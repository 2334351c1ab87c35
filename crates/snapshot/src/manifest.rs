//! The manifest of a snapshot: the run that made it, its parts, gates and statistics.

use core::fmt;

use dayvec_core::{Day, Gate};
use serde::{Deserialize, Serialize};

use crate::{Layout, Part, RunId};

/// Version of the snapshot layout that this build reads and writes.
pub const SNAPSHOT_FORMAT_VERSION: u32 = 1;

/// Widest embedding that a reader accepts: hundreds of times what a model has, and little memory.
pub(crate) const MAX_DIM: usize = 65_536;

/// Type of the components in storage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ElementType {
    /// 32-bit floats: as the model computed them.
    #[default]
    F32,
    /// 16-bit floats: half the size, rounded to nearest (relative error at most 2^-11).
    F16,
}

impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
        })
    }
}

/// Everything that decides the bytes of a snapshot, known before the first row is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunDescription {
    /// The day that the run is for.
    pub day: Day,
    /// The checkpoint.
    pub model_id: String,
    /// The pair of towers; user and item embeddings may be compared only when theirs are equal.
    pub tower_pair_id: String,
    /// The item features.
    pub items_version: String,
    /// Digest of the events and of the state that the run starts from.
    pub input_digest: String,
    /// Version of the code that makes the rows.
    pub code_version: String,
    /// Width of an embedding (the paper's D).
    pub dim: usize,
    /// Type of the components in storage.
    pub element_type: ElementType,
    /// Number of user buckets; a user's is `dayvec_core::bucket_of(id, n_buckets)`.
    pub n_buckets: u32,
}

impl RunDescription {
    /// Name of the run.
    #[must_use]
    pub fn run_id(&self) -> RunId {
        RunId::digest(&[
            &format!("snapshot format {SNAPSHOT_FORMAT_VERSION}"),
            &self.day.to_string(),
            &self.model_id,
            &self.tower_pair_id,
            &self.items_version,
            &self.input_digest,
            &self.code_version,
            &format!("{} x {} in {} buckets", self.dim, self.element_type, self.n_buckets),
        ])
    }

    /// Where the run's objects are.
    #[must_use]
    pub fn layout(&self) -> Layout {
        Layout::new(self.day, &self.run_id())
    }
}

/// Sums over the parts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Rows of all user parts.
    pub users: u64,
    /// Rows of all item parts.
    pub items: u64,
    /// Size of all user parts.
    pub users_bytes: u64,
    /// Size of all item parts.
    pub items_bytes: u64,
}

/// The list of a snapshot's parts; `manifest.json`. A pure function of the run, without any clock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Layout version, [`SNAPSHOT_FORMAT_VERSION`] when written by this build.
    pub format_version: u32,
    /// `<day>/<run_id>`.
    pub snapshot_id: String,
    /// The run that made it.
    #[serde(flatten)]
    pub run: RunDescription,
    /// The users, by bucket: part `i` holds bucket `i`.
    pub user_parts: Vec<Part>,
    /// The items.
    pub item_parts: Vec<Part>,
    /// The gates that were checked before the announcement.
    pub gates: Vec<Gate>,
    /// Sums over the parts.
    pub totals: Totals,
    /// The run's statistics.
    pub statistics: serde_json::Value,
}

impl core::ops::Deref for Manifest {
    type Target = RunDescription;
    fn deref(&self) -> &RunDescription {
        &self.run
    }
}

impl Manifest {
    /// The gates that failed, one a line.
    #[must_use]
    pub fn failed_gates(&self) -> Vec<String> {
        self.gates.iter().filter(|gate| !gate.passed).map(ToString::to_string).collect()
    }

    /// The manifest's own key.
    #[must_use]
    pub fn key(&self) -> String {
        Layout::of(&self.snapshot_id).manifest()
    }

    /// Whether a reader may rely on it: it is the manifest of the key, and its numbers agree with each other. Readers
    /// reserve memory by them before they see a row.
    ///
    /// # Errors
    /// The first contradiction, as a sentence about "it".
    pub(crate) fn check(&self, key: &str) -> Result<(), String> {
        let layout = Layout::of(&self.snapshot_id);
        if layout.manifest() != key || Layout::of_manifest(key).is_none() {
            return Err(format!("it is the manifest of {}", self.snapshot_id));
        }
        let (day, folder) = (self.run.day, format!("{}/", layout.folder()));
        if layout.day() != Some(day) {
            return Err(format!("it is for {day}, but its snapshot is {}", self.snapshot_id));
        }
        let (parts, buckets) = (self.user_parts.len(), self.run.n_buckets);
        if parts != buckets as usize || buckets == 0 {
            return Err(format!("it lists {parts} user parts for {buckets} buckets"));
        }
        if !(1..=MAX_DIM).contains(&self.run.dim) {
            return Err(format!(
                "its embeddings have width {}, which is not from 1 to {MAX_DIM}",
                self.run.dim
            ));
        }
        for (what, parts, listed) in
            [("users", &self.user_parts, self.totals.users), ("items", &self.item_parts, self.totals.items)]
        {
            let counted = parts.iter().try_fold(0_u64, |sum, part| sum.checked_add(part.rows));
            if counted != Some(listed) {
                let counted = counted.map_or_else(|| "too many".to_owned(), |counted| counted.to_string());
                return Err(format!("its parts contain {counted} {what}, but its manifest says {listed}"));
            }
        }
        let is_ours = |part: &&Part| {
            let name = part.part.strip_prefix(&folder);
            name.is_some_and(|name| name.split('/').all(|segment| !["", ".", ".."].contains(&segment)))
        };
        match self.user_parts.iter().chain(&self.item_parts).find(|part| !is_ours(part)) {
            Some(part) => Err(format!("it lists `{}`, which is not in its folder", part.part)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_on_nan_fails_and_survives_json() {
        let gate = Gate::new("rank", f64::NAN, Some(2.0), None);
        assert!(!gate.passed);
        let text = serde_json::to_string(&gate).unwrap();
        let again: Gate = serde_json::from_str(&text).unwrap();
        assert!(again.value.is_nan() && again.at_least == Some(2.0), "{text}");
        assert!(Gate::new("users", 1.0, Some(1.0), None).passed);
        assert!(!Gate::new("users", 1.5, None, Some(1.0)).passed);
    }

    #[test]
    fn everything_that_decides_the_bytes_decides_the_name() {
        let run = RunDescription {
            day: "2011-12-09".parse().unwrap(),
            model_id: "m".into(),
            tower_pair_id: "t".into(),
            items_version: "i".into(),
            input_digest: "d".into(),
            code_version: "c".into(),
            dim: 2,
            element_type: ElementType::F32,
            n_buckets: 4,
        };
        let others = [
            RunDescription { day: run.day.plus(1), ..run.clone() },
            RunDescription { model_id: "n".into(), ..run.clone() },
            RunDescription { input_digest: "e".into(), ..run.clone() },
            RunDescription { element_type: ElementType::F16, ..run.clone() },
            RunDescription { n_buckets: 5, ..run.clone() },
        ];
        assert!(others.iter().all(|other| other.run_id() != run.run_id()));
    }
}
