//! The append-only log of promotions: the newest one names the model in service.

use dayvec_bucket::{Append, Bucket, Log, Record, Records, Tail};
use dayvec_core::Gate;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{RegistryError, checkpoint};

const PROMOTIONS: &str = "promotions";

/// The record that puts a model in service; `promotions/<20 digits>.json`.
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
    /// Whether it was promoted despite failed gates.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub forced: bool,
    /// The gates it was measured against.
    pub gates: Vec<Gate>,
}

impl Record for Promotion {
    fn sequence(&self) -> Option<u64> {
        Some(self.sequence)
    }
}

/// A promotion without its number and time.
#[derive(Debug, Clone, PartialEq)]
pub struct NewPromotion {
    /// The model.
    pub model_id: String,
    /// Who or what promotes it.
    pub by: String,
    /// Whether it is promoted despite failed gates.
    pub forced: bool,
    /// The gates it was measured against.
    pub gates: Vec<Gate>,
}

/// Every promotion, oldest first, and the records that can't be used.
///
/// # Errors
/// [`RegistryError::Bucket`]; a damaged record is no error, but reported beside the others.
pub async fn promotions(bucket: &Bucket) -> Result<Records<Promotion>, RegistryError> {
    Ok(log(bucket).read_after(0).await?)
}

/// The newest promotion, and what follows it that can't be used.
///
/// # Errors
/// [`RegistryError::Bucket`].
pub async fn last_promotions(bucket: &Bucket) -> Result<Tail<Promotion>, RegistryError> {
    Ok(log(bucket).tail().await?)
}

/// The newest promotion that can be used; `None` before the first.
///
/// # Errors
/// As [`last_promotions`].
pub async fn newest_promotion(bucket: &Bucket) -> Result<Option<Promotion>, RegistryError> {
    Ok(last_promotions(bucket).await?.newest)
}

/// The model in service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serving {
    /// Its name.
    pub model_id: String,
    /// Whether it was promoted; if not, it is the newest checkpoint, which no gate has checked.
    pub is_promoted: bool,
}

/// The model in service: the one promoted last, or, where nothing was ever promoted, the newest complete checkpoint;
/// `None` where there is none.
///
/// # Errors
/// As [`promotions`]; [`RegistryError::PromotedModelGone`].
pub async fn serving_model(bucket: &Bucket) -> Result<Option<Serving>, RegistryError> {
    let known = known(bucket).await?;
    match newest_promotion(bucket).await? {
        Some(Promotion { model_id, .. }) if known.contains(&model_id) => {
            Ok(Some(Serving { model_id, is_promoted: true }))
        }
        Some(Promotion { model_id, .. }) => {
            Err(RegistryError::PromotedModelGone { model_id, bucket: bucket.url().to_string(), known })
        }
        None => Ok(known.into_iter().next_back().map(|model_id| Serving { model_id, is_promoted: false })),
    }
}

/// Put a model in service. The gates are recorded, not checked.
///
/// # Errors
/// [`RegistryError::NoSuchModel`]; [`RegistryError::LostRace`] when another promotion took the number in the meantime;
/// [`RegistryError::Bucket`].
pub async fn promote(bucket: &Bucket, new: NewPromotion) -> Result<Promotion, RegistryError> {
    let (model_id, known) = (new.model_id, known(bucket).await?);
    if !known.contains(&model_id) {
        return Err(RegistryError::NoSuchModel { model_id, bucket: bucket.url().to_string(), known });
    }
    let Tail { newest, last, .. } = last_promotions(bucket).await?;
    let promotion = Promotion {
        sequence: last + 1,
        model_id,
        previous: newest.map(|newest| newest.model_id),
        at: Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default(),
        by: new.by,
        forced: new.forced,
        gates: new.gates,
    };
    match log(bucket).append(promotion.sequence, &promotion).await? {
        Append::Taken(winner) if winner != promotion => {
            Err(RegistryError::LostRace { sequence: winner.sequence, model_id: winner.model_id })
        }
        _ => Ok(promotion),
    }
}

fn log(bucket: &Bucket) -> Log<Promotion> {
    Log::new(bucket, PROMOTIONS)
}

async fn known(bucket: &Bucket) -> Result<Vec<String>, RegistryError> {
    let whole = checkpoint::checkpoints(bucket).await?;
    Ok(whole.into_iter().map(|checkpoint| checkpoint.model_id).collect())
}

#[cfg(test)]
mod tests {
    use dayvec_core::{Fault as _, FaultKind};

    use super::*;

    fn serving(model_id: &str, is_promoted: bool) -> Option<Serving> {
        Some(Serving { model_id: model_id.into(), is_promoted })
    }

    async fn bucket_of(models: &[&str]) -> Bucket {
        let bucket = Bucket::open(&"memory:///".parse().unwrap()).unwrap();
        for model in models {
            bucket.put_new(&checkpoint::key(model, checkpoint::WEIGHTS), "weights".into()).await.unwrap();
            bucket.put_new(&checkpoint::key(model, checkpoint::SPEC), "spec".into()).await.unwrap();
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
        assert_eq!(promotions(&bucket).await.unwrap().whole, [first, second.clone()]);
        assert_eq!(newest_promotion(&bucket).await.unwrap(), Some(second));
    }

    #[tokio::test]
    async fn only_complete_checkpoints_are_promoted() {
        let bucket = bucket_of(&["a"]).await;
        bucket.put_new(&checkpoint::key("half", checkpoint::WEIGHTS), "weights".into()).await.unwrap();
        let message = promote(&bucket, of("half")).await.unwrap_err().to_string();
        assert!(message.contains("checkpoints/half/") && message.contains("[a]"), "{message}");
        assert!(promotions(&bucket).await.unwrap().whole.is_empty());
    }

    #[tokio::test]
    async fn a_damaged_record_is_named_and_the_newest_whole_one_counts() {
        let bucket = bucket_of(&["a", "b"]).await;
        promote(&bucket, of("a")).await.unwrap();
        bucket.put_new(&log(&bucket).key(2), "{}".into()).await.unwrap();
        assert_eq!(serving_model(&bucket).await.unwrap(), serving("a", true));
        let damaged = last_promotions(&bucket).await.unwrap().damaged;
        assert!(damaged[0].reason.contains("promotions/00000000000000000002.json"), "{damaged:?}");
        let next = promote(&bucket, of("b")).await.unwrap();
        assert_eq!((next.sequence, next.previous.as_deref()), (3, Some("a")));
        assert_eq!(serving_model(&bucket).await.unwrap(), serving("b", true));
    }

    #[tokio::test]
    async fn a_promoted_model_that_is_gone_is_bad_data_and_a_wrong_name_is_bad_configuration() {
        let bucket = bucket_of(&["a", "b"]).await;
        promote(&bucket, of("b")).await.unwrap();
        bucket.discard(&checkpoint::key("b", checkpoint::SPEC)).await.unwrap();
        let gone = serving_model(&bucket).await.unwrap_err();
        assert_eq!(gone.kind(), FaultKind::Data, "{gone}");
        assert!(gone.to_string().contains("promote one of the complete ones: [a]"), "{gone}");
        assert_eq!(promote(&bucket, of("c")).await.unwrap_err().kind(), FaultKind::Configuration);
    }
}
