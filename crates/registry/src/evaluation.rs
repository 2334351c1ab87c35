//! The evaluations of models beside all baselines, which are ready some time after the checkpoint is:
//! `evaluations/<model_id>/<cut_off>-<n>d/`, complete once `metrics.json` is there.
//!
//! The checkpoint's own `metrics.json` has popularity alone, so that a model need not wait for slow baselines.

use std::collections::BTreeSet;

use dayvec_bucket::{Bucket, BucketError};
use dayvec_core::Day;

/// Folder of the evaluations.
pub const EVALUATIONS: &str = "evaluations";

/// Key of a file of an evaluation on the `n_days` days from `cut_off`. The files are a checkpoint's
/// [`METRICS`](crate::checkpoint::METRICS), which is written last, and [`CARD`](crate::checkpoint::CARD).
#[must_use]
pub fn key(model_id: &str, cut_off: Day, n_days: i32, file: &str) -> String {
    format!("{EVALUATIONS}/{model_id}/{cut_off}-{n_days}d/{file}")
}

/// The keys of all files of all evaluations.
///
/// # Errors
/// [`BucketError::Unreachable`], [`BucketError::Denied`].
pub async fn keys(bucket: &Bucket) -> Result<BTreeSet<String>, BucketError> {
    Ok(bucket.list(EVALUATIONS).await?.into_iter().map(|entry| entry.key).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::METRICS;

    #[tokio::test]
    async fn keys_are_as_documented_and_listed() {
        let bucket = Bucket::open(&"memory:///".parse().unwrap()).unwrap();
        let key = key("m1", "2011-11-25".parse().unwrap(), 14, METRICS);
        assert_eq!(key, "evaluations/m1/2011-11-25-14d/metrics.json");
        assert!(keys(&bucket).await.unwrap().is_empty());
        bucket.put_new(&key, "{}".into()).await.unwrap();
        assert_eq!(keys(&bucket).await.unwrap(), BTreeSet::from([key]));
    }
}
