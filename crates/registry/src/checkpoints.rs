//! The checkpoints of a bucket: `checkpoints/<model_id>/`, whole once `spec.yaml` is there.

use std::time::SystemTime;

use dayvec_bucket::{Bucket, BucketError, Entry};

/// Folder of the checkpoints.
pub const CHECKPOINTS: &str = "checkpoints";
/// Name of the spec, the file that is written last.
pub const SPEC: &str = "spec.yaml";

/// A whole checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Name of the model.
    pub model_id: String,
    /// When it became whole, by the store's clock.
    pub written: SystemTime,
}

/// Key of a file of a checkpoint.
#[must_use]
pub fn key(model_id: &str, file: &str) -> String {
    format!("{CHECKPOINTS}/{model_id}/{file}")
}

/// The whole checkpoints, oldest first: by the time when they became whole, then by name.
///
/// # Errors
/// [`BucketError::Unreachable`], [`BucketError::Denied`].
pub async fn checkpoints(bucket: &Bucket) -> Result<Vec<Checkpoint>, BucketError> {
    Ok(whole(&bucket.list(CHECKPOINTS).await?))
}

fn whole(entries: &[Entry]) -> Vec<Checkpoint> {
    let model_of = |key: &str| {
        let (model_id, file) = key.strip_prefix(CHECKPOINTS)?.strip_prefix('/')?.split_once('/')?;
        (file == SPEC).then(|| model_id.to_owned())
    };
    let mut whole: Vec<Checkpoint> = entries
        .iter()
        .filter_map(|entry| Some(Checkpoint { model_id: model_of(&entry.key)?, written: entry.modified }))
        .collect();
    whole.sort_by(|a, b| (a.written, &a.model_id).cmp(&(b.written, &b.model_id)));
    whole
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_newest_is_the_one_whose_spec_was_written_last() {
        let entry = |key: &str, written_s| Entry {
            key: key.into(),
            size_bytes: 1,
            modified: SystemTime::UNIX_EPOCH + Duration::from_secs(written_s),
        };
        let entries = [
            entry("checkpoints/a/spec.yaml", 30),
            entry("checkpoints/a/model.safetensors", 29),
            entry("checkpoints/b/spec.yaml", 20),
            entry("checkpoints/c/model.safetensors", 40),
        ];
        let ids: Vec<String> = whole(&entries).into_iter().map(|checkpoint| checkpoint.model_id).collect();
        assert_eq!(ids, ["b", "a"]);
    }
}
