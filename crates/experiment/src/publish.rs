//! A finished checkpoint goes to `checkpoints/<model_id>/` in the bucket, `spec.yaml` last: who sees that, sees a
//! whole one. Nothing there is ever overwritten.

use std::fs;
use std::path::Path;

use anyhow::{Context, anyhow};
use dayvec_bucket::Created;
use dayvec_core::FaultKind;
use dayvec_registry::checkpoint::{FILES, METRICS, OPTIMIZER, SPEC, WEIGHTS, key};
use dayvec_report::Report;
use dayvec_runtime::fault::WithFault as _;

use crate::store::Store;

/// The report of a whole checkpoint in the bucket; `None` when there is no such checkpoint.
///
/// # Errors
/// When the bucket cannot be read, or the report there is damaged.
pub fn published_report(store: &Store, model_id: &str) -> anyhow::Result<Option<Report>> {
    if store.read(&key(model_id, SPEC))?.is_none() {
        return Ok(None);
    }
    let key = key(model_id, METRICS);
    let bytes = store.read(&key)?.unwrap_or_default();
    let report = serde_json::from_slice(&bytes).with_context(|| format!("read {}", store.url(&key)));
    report.map(Some).fault(FaultKind::Data)
}

/// Upload a whole checkpoint from `folder`.
pub(crate) fn publish(store: &Store, model_id: &str, folder: &Path) -> anyhow::Result<()> {
    for file in FILES {
        let path = folder.join(file);
        if file == OPTIMIZER && !path.exists() {
            continue; // parts are trained in one go and have no state to resume from
        }
        let bytes = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        let key = key(model_id, file);
        if store.write_new(&key, bytes.clone())? == Created::AlreadyThere && file == WEIGHTS {
            refuse_other_weights(store, &key, &bytes)?;
        }
    }
    Ok(())
}

/// An interrupted upload may be completed; another training under the same name must not be mixed into it.
fn refuse_other_weights(store: &Store, key: &str, ours: &[u8]) -> anyhow::Result<()> {
    if store.read(key)?.is_some_and(|theirs| theirs[..] == *ours) {
        return Ok(());
    }
    let url = store.url(key);
    Err(anyhow!(
        "{url} holds other weights: another training of the same configuration and data was first, or was interrupted \
         during its upload; use that one, or remove its folder, or change run.seed"
    ))
    .fault(FaultKind::LostRace)
}
