//! A finished checkpoint goes to `checkpoints/<model_id>/` in the bucket, `spec.yaml` last: who sees that, sees a
//! whole one. Nothing there is ever overwritten.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use dayvec_bucket::Created;
use dayvec_registry::{SPEC, key};
use dayvec_runtime::{Exit, OrExit};

use crate::store::Store;

/// Written before the marker, in this order.
const FILES: [&str; 5] =
    ["model.safetensors", "optimizer.safetensors", "config.yaml", "metrics.json", "card.md"];

/// `metrics.json` of a whole checkpoint in the bucket; `None` when there is no such checkpoint.
pub(crate) fn published_metrics(store: &Store, model_id: &str) -> anyhow::Result<Option<Vec<u8>>> {
    if store.read(&key(model_id, SPEC))?.is_none() {
        return Ok(None);
    }
    let metrics = store.read(&key(model_id, "metrics.json"))?;
    Ok(Some(metrics.map(|bytes| bytes.to_vec()).unwrap_or_default()))
}

/// Upload a whole checkpoint from `folder`; returns where it is.
pub(crate) fn publish(store: &Store, model_id: &str, folder: &Path) -> anyhow::Result<String> {
    for file in FILES.into_iter().chain([SPEC]) {
        let path = folder.join(file);
        let bytes = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        let key = key(model_id, file);
        if store.write_new(&key, bytes.clone())? == Created::AlreadyThere && file == FILES[0] {
            refuse_other_weights(store, &key, &bytes)?;
        }
    }
    Ok(store.place(&format!("checkpoints/{model_id}")))
}

/// An upload that was cut off may be finished; another training under the same name may not be mixed into it.
fn refuse_other_weights(store: &Store, key: &str, ours: &[u8]) -> anyhow::Result<()> {
    if store.read(key)?.is_some_and(|theirs| theirs[..] == *ours) {
        return Ok(());
    }
    let place = store.place(key);
    Err(anyhow!(
        "{place} holds other weights: another training of the same configuration and data was first, or was cut off \
         while uploading; use that one, or remove its folder, or change run.seed"
    ))
    .or_exit(Exit::LostRace)
}

/// A local folder with a checkpoint: `name` itself where it is one, else a copy of the model of that id.
pub(crate) fn fetch(store: &Store, name: &str, work_dir: &Path) -> anyhow::Result<PathBuf> {
    let folder = Path::new(name);
    if folder.join(SPEC).is_file() {
        return Ok(folder.to_owned());
    }
    let prefix = format!("checkpoints/{name}");
    if folder.is_dir() || name.contains(['/', '\\']) || store.read(&key(name, SPEC))?.is_none() {
        return Err(anyhow!(
            "`{name}` is neither a folder with a spec.yaml nor a whole checkpoint in the bucket ({} is not there)",
            store.place(&format!("{prefix}/{SPEC}"))
        ))
        .or_exit(Exit::BadConfig);
    }
    let into = work_dir.join("checkpoints").join(name);
    store.fetch_dir(&prefix, &into)?;
    Ok(into)
}
