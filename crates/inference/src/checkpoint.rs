//! The hand-off from training: a checkpoint out of the bucket, whole and as its spec describes it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use dayvec_bucket::Bucket;
use dayvec_core::{FaultKind, ItemTable};
use dayvec_model::load_spec;
use dayvec_parts::Embedder;
use dayvec_registry::checkpoint::{SPEC, WEIGHTS, key};
use dayvec_registry::{
    CHECKPOINTS, Serving, checkpoints, item_features, last_promotions, newest_promotion, serving_model,
};
use dayvec_runtime::fault::{OrFault as _, WithFault as _};
use tch::Device;

use crate::config::ModelChoice;
use crate::meter::passed_over;

/// A model ready to encode, with the items that it knows.
pub(crate) struct Checkpoint {
    pub(crate) model: Embedder,
    pub(crate) items: ItemTable,
}

impl Checkpoint {
    /// Fetch what is not on this machine into `scratch`, and load.
    pub(crate) async fn open(bucket: &Bucket, choice: &ModelChoice, scratch: &Path) -> anyhow::Result<Self> {
        let model_id = choose(bucket, choice).await?;
        let spec_path = local(bucket, &key(&model_id, SPEC), scratch).await?;
        let spec = load_spec(&spec_path).or_fault()?;
        if spec.model_id != model_id {
            let named = &spec.model_id;
            let key = key(&model_id, SPEC);
            let error = anyhow!("{key} is the spec of model `{named}`; checkpoints must not be renamed");
            return Err(error).fault(FaultKind::Data);
        }
        let items = local(bucket, &item_features::key(&spec.items_version), scratch).await?;
        let items = dayvec_items::read_items(&items).or_fault().context("read item features")?;
        let weights = local(bucket, &key(&model_id, WEIGHTS), scratch).await?;
        let device = Device::cuda_if_available();
        let model = Embedder::load(&spec, &items, &weights, device).or_fault();
        let model = model.with_context(|| format!("load model {model_id}"))?;
        tracing::info!(
            model_id,
            n_items = items.len(),
            dim = spec.embedding_dim(),
            ?device,
            "loaded the checkpoint"
        );
        Ok(Self { model, items })
    }
}

async fn choose(bucket: &Bucket, choice: &ModelChoice) -> anyhow::Result<String> {
    if matches!(choice, ModelChoice::Serving | ModelChoice::Promoted) {
        let last = last_promotions(bucket).await.or_fault().context("find the promoted model")?;
        for record in last.damaged {
            passed_over("promotion", &record.key, &record.reason);
        }
    }
    let chosen = match choice {
        ModelChoice::Serving => {
            let serving = serving_model(bucket).await.or_fault().context("find the model to serve")?;
            if let Some(Serving { model_id, is_promoted: false }) = &serving {
                tracing::warn!(
                    model_id,
                    "no model has been promoted; using the newest one, which no gate has judged"
                );
            }
            serving.map(|serving| serving.model_id)
        }
        ModelChoice::Promoted => {
            let newest = newest_promotion(bucket).await.or_fault().context("find the promoted model")?;
            let none = || anyhow!("no model has been promoted in {}; promote one first", bucket.url());
            Some(newest.ok_or_else(none).fault(FaultKind::Unavailable)?.model_id)
        }
        ModelChoice::Newest => whole(bucket).await?.pop(),
        ModelChoice::Id(id) => {
            let known = whole(bucket).await?;
            if !known.contains(id) {
                let known = known.join(", ");
                let error =
                    anyhow!("no checkpoint {CHECKPOINTS}/{id}/ in {}; available: [{known}]", bucket.url());
                return Err(error).fault(FaultKind::Configuration);
            }
            Some(id.clone())
        }
    };
    chosen
        .ok_or_else(|| anyhow!("no checkpoint under {CHECKPOINTS}/ in {}; train a model first", bucket.url()))
        .fault(FaultKind::Unavailable)
}

/// Names of the whole checkpoints, oldest first.
async fn whole(bucket: &Bucket) -> anyhow::Result<Vec<String>> {
    let whole = checkpoints(bucket).await.or_fault().context("list checkpoints")?;
    Ok(whole.into_iter().map(|checkpoint| checkpoint.model_id).collect())
}

/// A path on this machine that holds the object.
async fn local(bucket: &Bucket, key: &str, scratch: &Path) -> anyhow::Result<PathBuf> {
    if let Some(path) = bucket.local_path(key).filter(|path| path.exists()) {
        return Ok(path);
    }
    let path = scratch.join(key);
    bucket.fetch(key, &path).await.or_fault()?;
    Ok(path)
}
