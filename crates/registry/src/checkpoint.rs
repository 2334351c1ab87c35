//! The checkpoints of a bucket: `checkpoints/<model_id>/`, complete once `spec.yaml` is there.
//!
//! A local folder with a checkpoint has the same file names.

use std::time::SystemTime;

use dayvec_bucket::{Bucket, BucketError, Entry};
use dayvec_core::{MODEL_FORMAT_VERSION, ModelSpec};
use serde::Deserialize;

/// Folder of the checkpoints.
pub const CHECKPOINTS: &str = "checkpoints";

/// Weights of both towers.
pub const WEIGHTS: &str = "model.safetensors";
/// State of the optimizer, to resume the training.
pub const OPTIMIZER: &str = "optimizer.safetensors";
/// The configuration that the training ran with.
pub const CONFIG: &str = "config.yaml";
/// What the evaluation measured.
pub const METRICS: &str = "metrics.json";
/// The model card, for people.
pub const CARD: &str = "card.md";
/// The spec, which is written last: it makes the checkpoint complete.
pub const SPEC: &str = "spec.yaml";
/// The files of a complete checkpoint, in the order in which they are written.
pub const FILES: [&str; 6] = [WEIGHTS, OPTIMIZER, CONFIG, METRICS, CARD, SPEC];

/// A complete checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Name of the model.
    pub model_id: String,
    /// When it became complete, by the store's clock.
    pub written: SystemTime,
}

/// Folder of a checkpoint.
#[must_use]
pub fn folder(model_id: &str) -> String {
    format!("{CHECKPOINTS}/{model_id}")
}

/// Key of a file of a checkpoint.
#[must_use]
pub fn key(model_id: &str, file: &str) -> String {
    format!("{CHECKPOINTS}/{model_id}/{file}")
}

/// Model and file of a checkpoint's key; `None` for any other key.
#[must_use]
pub fn parse_key(key: &str) -> Option<(&str, &str)> {
    key.strip_prefix(CHECKPOINTS)?.strip_prefix('/')?.split_once('/')
}

/// The complete checkpoints, oldest first: by the time when they became complete, then by name.
///
/// # Errors
/// [`BucketError::Unreachable`], [`BucketError::Denied`].
pub async fn checkpoints(bucket: &Bucket) -> Result<Vec<Checkpoint>, BucketError> {
    Ok(complete(&bucket.list(CHECKPOINTS).await?))
}

/// Read the spec of a model without its weights.
///
/// # Errors
/// [`BucketError::Damaged`] when it does not parse or has another format version, else as [`Bucket::get`].
pub async fn read_spec(bucket: &Bucket, model_id: &str) -> Result<ModelSpec, BucketError> {
    let key = key(model_id, SPEC);
    let bytes = bucket.get(&key).await?;
    parse_spec(&bytes).map_err(|reason| BucketError::Damaged { url: bucket.url().to_string(), key, reason })
}

fn parse_spec(yaml: &[u8]) -> Result<ModelSpec, String> {
    #[derive(Deserialize)]
    struct Version {
        format_version: u32,
    }
    let text = |error: serde_yaml::Error| format!("it does not parse: {error}");
    let found = serde_yaml::from_slice::<Version>(yaml).map_err(text)?.format_version;
    if found != MODEL_FORMAT_VERSION {
        return Err(format!(
            "it has format version {found}, this build reads version {MODEL_FORMAT_VERSION}"
        ));
    }
    serde_yaml::from_slice(yaml).map_err(text)
}

fn complete(entries: &[Entry]) -> Vec<Checkpoint> {
    let mut complete: Vec<Checkpoint> = entries
        .iter()
        .filter_map(|entry| {
            let (model_id, _) = parse_key(&entry.key).filter(|&(_, file)| file == SPEC)?;
            Some(Checkpoint { model_id: model_id.to_owned(), written: entry.modified })
        })
        .collect();
    complete.sort_by(|a, b| (a.written, &a.model_id).cmp(&(b.written, &b.model_id)));
    complete
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn keys_are_as_documented() {
        assert_eq!(folder("m1"), "checkpoints/m1");
        assert_eq!(key("m1", WEIGHTS), "checkpoints/m1/model.safetensors");
        assert_eq!(parse_key("checkpoints/m1/model.safetensors"), Some(("m1", WEIGHTS)));
        assert_eq!(FILES.last(), Some(&SPEC), "the last file makes the checkpoint complete");
        for other in ["checkpoints/m1", "checkpointsm/a/b", "items/1/items.parquet"] {
            assert_eq!(parse_key(other), None);
        }
    }

    #[tokio::test]
    async fn a_spec_that_cannot_be_used_is_named() {
        let bucket = Bucket::open(&"memory:///".parse().unwrap()).unwrap();
        for (model_id, spec, expected) in [
            ("torn", "dim: 2", "missing field `format_version`"),
            ("newer", "format_version: 99", "format version 99, this build reads version 1"),
            ("short", "format_version: 1", "missing field"),
        ] {
            bucket.put_new(&key(model_id, SPEC), spec.into()).await.unwrap();
            let message = read_spec(&bucket, model_id).await.unwrap_err().to_string();
            assert!(message.contains(expected) && message.contains(&key(model_id, SPEC)), "{message}");
        }
        assert!(read_spec(&bucket, "absent").await.unwrap_err().is_not_found());
    }

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
        let ids: Vec<String> = complete(&entries).into_iter().map(|checkpoint| checkpoint.model_id).collect();
        assert_eq!(ids, ["b", "a"]);
    }
}
