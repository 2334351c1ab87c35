//! The hand-off from training: a checkpoint out of the bucket, whole and as its spec describes it.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context as _;
use dayvec_bucket::{Bucket, Entry};
use dayvec_core::ItemTable;
use dayvec_model::{Model, load_spec};
use dayvec_runtime::{Exit, OrExit as _};
use tch::Device;

use crate::config::ModelChoice;
use crate::store_exit::OrStoreExit as _;

const ROOT: &str = "checkpoints/";
const WEIGHTS: &str = "model.safetensors";
const SPEC: &str = "spec.yaml";

/// A model ready to encode, with the items that it knows.
pub(crate) struct Checkpoint {
    pub(crate) model: Model,
    pub(crate) items: ItemTable,
}

impl Checkpoint {
    /// Fetch what is not on this machine into `scratch`, and load.
    pub(crate) async fn open(bucket: &Bucket, choice: &ModelChoice, scratch: &Path) -> anyhow::Result<Self> {
        let model_id = choose(bucket, choice).await?;
        let prefix = format!("{ROOT}{model_id}/");
        let spec_path = local(bucket, &format!("{prefix}{SPEC}"), scratch).await?;
        let spec = load_spec(&spec_path).or_exit(Exit::BadData)?;
        if spec.model_id != model_id {
            let named = &spec.model_id;
            let error =
                anyhow::anyhow!("{prefix}{SPEC} says it is model `{named}`; checkpoints must not be renamed");
            return Err(error).or_exit(Exit::BadData);
        }
        let items = local(bucket, &format!("items/{}/items.parquet", spec.items_version), scratch).await?;
        let items = dayvec_items::read_items(&items).or_exit(Exit::BadData).context("read item features")?;
        let weights = local(bucket, &format!("{prefix}{WEIGHTS}"), scratch).await?;
        let device = Device::cuda_if_available();
        let model = Model::load(&spec, &items, &weights, device).or_exit(Exit::BadData);
        let model = model.with_context(|| format!("load model {model_id}"))?;
        tracing::info!(model_id, n_items = items.len(), dim = spec.dim, ?device, "loaded the checkpoint");
        Ok(Self { model, items })
    }
}

async fn choose(bucket: &Bucket, choice: &ModelChoice) -> anyhow::Result<String> {
    let entries = bucket.list(ROOT).await.or_store_exit().context("list checkpoints")?;
    let whole = whole_checkpoints(&entries);
    let known = || whole.iter().map(|(_, id)| id.as_str()).collect::<Vec<_>>().join(", ");
    match choice {
        ModelChoice::Id(id) if whole.iter().any(|(_, known)| known == id) => Ok(id.clone()),
        ModelChoice::Id(id) => {
            let error =
                anyhow::anyhow!("no checkpoint {ROOT}{id}/ in {}; there are: [{}]", bucket.url(), known());
            Err(error).or_exit(Exit::BadConfig)
        }
        ModelChoice::Newest => match whole.last() {
            Some((_, id)) => Ok(id.clone()),
            None => {
                let error =
                    anyhow::anyhow!("no checkpoint under {ROOT} in {}; train a model first", bucket.url());
                Err(error).or_exit(Exit::BadConfig)
            }
        },
    }
}

/// Whole checkpoints, oldest first: by the time when the spec, which is written last, was written; then by id.
fn whole_checkpoints(entries: &[Entry]) -> Vec<(SystemTime, String)> {
    let id_of = |key: &str| {
        let (id, name) = key.strip_prefix(ROOT)?.split_once('/')?;
        (name == SPEC).then(|| id.to_owned())
    };
    let mut whole: Vec<_> =
        entries.iter().filter_map(|entry| Some((entry.modified, id_of(&entry.key)?))).collect();
    whole.sort();
    whole
}

/// A path on this machine that holds the object.
async fn local(bucket: &Bucket, key: &str, scratch: &Path) -> anyhow::Result<PathBuf> {
    if let Some(path) = bucket.local_path(key).filter(|path| path.exists()) {
        return Ok(path);
    }
    let path = scratch.join(key);
    bucket.fetch(key, &path).await.or_store_exit()?;
    Ok(path)
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
        let ids: Vec<String> = whole_checkpoints(&entries).into_iter().map(|(_, id)| id).collect();
        assert_eq!(ids, ["b", "a"]);
    }
}
