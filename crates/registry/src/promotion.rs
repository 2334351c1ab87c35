//! The append-only log of promotions: the newest names the model that the daily run is to use.

use dayvec_bucket::{Bucket, Created, Records};
use dayvec_core::Gate;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{RegistryError, checkpoints};

const PROMOTIONS: &str = "promotions";

/// The record that makes a model the one to serve; `promotions/<20 digits>.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Promotion {
    /// Its place in the log, from 1.
    pub sequence: u64,
    /// The model.
    pub model_id: String,
    /// The model that was promoted before, if any.
    pub previous: Option<String>,
    /// When, by the promoter's clock. For people: order comes from `sequence` alone.
    pub at: Timestamp,
    /// Who or what promoted it.
    pub by: String,
    /// Whether it was promoted although gates had failed.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub forced: bool,
    /// What it was judged by, against the model that served.
    pub gates: Vec<Gate>,
}

/// What a promotion says, beside its place and time.
#[derive(Debug, Clone, PartialEq)]
pub struct NewPromotion {
    /// The model.
    pub model_id: String,
    /// Who or what promotes it.
    pub by: String,
    /// Although gates failed.
    pub forced: bool,
    /// What it was judged by.
    pub gates: Vec<Gate>,
}

/// Every promotion, oldest first.
///
/// # Errors
/// [`RegistryError::Damaged`] for one that cannot be read, [`RegistryError::Bucket`].
pub async fn promotions(bucket: &Bucket) -> Result<Vec<Promotion>, RegistryError> {
    let log = log(bucket);
    let mut all = Vec::new();
    for sequence in log.numbers_after(0).await? {
        all.push(read(&log, sequence).await?);
    }
    Ok(all)
}

/// The newest promotion; `None` before the first.
///
/// # Errors
/// As [`promotions`].
pub async fn newest_promotion(bucket: &Bucket) -> Result<Option<Promotion>, RegistryError> {
    let log = log(bucket);
    match log.numbers_after(0).await?.last() {
        Some(&sequence) => Ok(Some(read(&log, sequence).await?)),
        None => Ok(None),
    }
}

/// The model to serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serving {
    /// Its name.
    pub model_id: String,
    /// Whether it was promoted; if not, it is the newest, and no gate has seen it.
    pub is_promoted: bool,
}

/// The model to serve: the one promoted last, or, where nothing was ever promoted, the newest whole checkpoint; `None`
/// where there is none either.
///
/// # Errors
/// As [`promotions`]; [`RegistryError::NoSuchModel`] when the promoted model's checkpoint is gone.
pub async fn serving_model(bucket: &Bucket) -> Result<Option<Serving>, RegistryError> {
    let known = known(bucket).await?;
    match newest_promotion(bucket).await? {
        Some(Promotion { model_id, .. }) => {
            let model_id = must_be_known(bucket, model_id, known)?;
            Ok(Some(Serving { model_id, is_promoted: true }))
        }
        None => Ok(known.into_iter().next_back().map(|model_id| Serving { model_id, is_promoted: false })),
    }
}

/// Make a model the one to serve. Gates are not looked at here.
///
/// # Errors
/// [`RegistryError::NoSuchModel`]; [`RegistryError::LostRace`] when another promotion took the number in the meantime;
/// [`RegistryError::Bucket`].
pub async fn promote(bucket: &Bucket, new: NewPromotion) -> Result<Promotion, RegistryError> {
    let model_id = must_be_known(bucket, new.model_id, known(bucket).await?)?;
    let newest = newest_promotion(bucket).await?;
    let promotion = Promotion {
        sequence: newest.as_ref().map_or(0, |newest| newest.sequence) + 1,
        model_id,
        previous: newest.map(|newest| newest.model_id),
        at: Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default(),
        by: new.by,
        forced: new.forced,
        gates: new.gates,
    };
    let mut record = serde_json::to_vec_pretty(&promotion).expect("a promotion is plain data");
    record.push(b'\n');
    let log = log(bucket);
    match log.put(promotion.sequence, record.into()).await? {
        Created::Yes => Ok(promotion),
        Created::AlreadyThere => {
            let Promotion { sequence, model_id, .. } = read(&log, promotion.sequence).await?;
            Err(RegistryError::LostRace { sequence, model_id })
        }
    }
}

fn log(bucket: &Bucket) -> Records {
    Records::new(bucket, PROMOTIONS)
}

async fn read(log: &Records, sequence: u64) -> Result<Promotion, RegistryError> {
    let damaged = |reason: String| RegistryError::Damaged { key: log.key(sequence), reason };
    let bytes = log.get(sequence).await?;
    let promotion: Promotion = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
    if promotion.sequence != sequence {
        return Err(damaged(format!("it says that it is promotion {}", promotion.sequence)));
    }
    Ok(promotion)
}

async fn known(bucket: &Bucket) -> Result<Vec<String>, RegistryError> {
    let whole = checkpoints::checkpoints(bucket).await?;
    Ok(whole.into_iter().map(|checkpoint| checkpoint.model_id).collect())
}

fn must_be_known(bucket: &Bucket, model_id: String, known: Vec<String>) -> Result<String, RegistryError> {
    if known.contains(&model_id) {
        return Ok(model_id);
    }
    Err(RegistryError::NoSuchModel { model_id, bucket: bucket.url().to_string(), known })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serving(model_id: &str, is_promoted: bool) -> Option<Serving> {
        Some(Serving { model_id: model_id.into(), is_promoted })
    }

    async fn bucket_of(models: &[&str]) -> Bucket {
        let bucket = Bucket::open(&"memory:///".parse().unwrap()).unwrap();
        for model in models {
            bucket.put_new(&checkpoints::key(model, "model.safetensors"), "weights".into()).await.unwrap();
            bucket.put_new(&checkpoints::key(model, checkpoints::SPEC), "spec".into()).await.unwrap();
        }
        bucket
    }

    fn of(model_id: &str) -> NewPromotion {
        let gates = vec![Gate::new("recall@10 against the serving model", 1.2, Some(0.95), None)];
        NewPromotion { model_id: model_id.into(), by: "a test".into(), forced: false, gates }
    }

    #[tokio::test]
    async fn the_newest_checkpoint_serves_until_one_is_promoted() {
        let bucket = bucket_of(&[]).await;
        assert_eq!(serving_model(&bucket).await.unwrap(), None);
        let bucket = bucket_of(&["a", "b"]).await;
        assert_eq!(serving_model(&bucket).await.unwrap(), serving("b", false));
        let first = promote(&bucket, of("a")).await.unwrap();
        assert_eq!((first.sequence, first.previous.as_deref()), (1, None));
        assert_eq!(serving_model(&bucket).await.unwrap(), serving("a", true));
        let second = promote(&bucket, of("b")).await.unwrap();
        assert_eq!((second.sequence, second.previous.as_deref()), (2, Some("a")));
        assert_eq!(promotions(&bucket).await.unwrap(), [first, second.clone()]);
        assert_eq!(newest_promotion(&bucket).await.unwrap(), Some(second));
    }

    #[tokio::test]
    async fn only_whole_checkpoints_are_promoted() {
        let bucket = bucket_of(&["a"]).await;
        bucket.put_new(&checkpoints::key("half", "model.safetensors"), "weights".into()).await.unwrap();
        let message = promote(&bucket, of("half")).await.unwrap_err().to_string();
        assert!(message.contains("checkpoints/half/") && message.contains("[a]"), "{message}");
        assert!(promotions(&bucket).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_damaged_record_is_told_by_its_key() {
        let bucket = bucket_of(&["a"]).await;
        log(&bucket).put(1, "{}".into()).await.unwrap();
        let message = serving_model(&bucket).await.unwrap_err().to_string();
        assert!(message.contains("promotions/00000000000000000001.json"), "{message}");
    }
}
