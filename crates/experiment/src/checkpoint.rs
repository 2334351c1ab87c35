//! A finished checkpoint, loaded again: its model, its item features, and the log split where its training ended.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use dayvec_core::{Day, FaultKind, ItemTable};
use dayvec_model::load_spec;
use dayvec_parts::Embedder;
use dayvec_registry::checkpoint::{self, METRICS, SPEC, WEIGHTS, key};
use dayvec_runtime::fault::{OrFault as _, WithFault as _};
use dayvec_sequences::ReadSummary;
use serde::Deserialize;
use tch::Device;

use crate::config::Config;
use crate::data::{ModelData, SplitLog};
use crate::hashes::DataHashes;
use crate::items::ItemFeatures;
use crate::store::Store;
use crate::training_folder::STATE;

/// A model that can be measured.
pub(crate) struct Checkpoint {
    pub(crate) model: Embedder,
    pub(crate) items: ItemTable,
    pub(crate) data: ModelData,
    pub(crate) read_summary: ReadSummary,
    /// Digest of the log up to the end of the test days.
    pub(crate) log_hash: String,
    /// Where the files lie on this machine.
    pub(crate) folder: PathBuf,
}

impl Checkpoint {
    /// Load a folder, or a model of the bucket by its id; the log is split at `split.cut_off`, by default where the
    /// training ended.
    pub(crate) fn load(config: &Config, store: &Store, name: &str) -> anyhow::Result<Self> {
        let folder = fetch(store, name, &config.work_dir)?;
        let spec = load_spec(&folder.join(SPEC)).or_fault().context("read the checkpoint")?;
        let items = ItemFeatures::fetch(config, store, &spec.items_version)?.table;
        let model = Embedder::load(&spec, &items, &folder.join(WEIGHTS), Device::cuda_if_available());
        let model = model.or_fault().context("load the checkpoint")?;
        let mut config = config.clone();
        let trained_until = trained_until(&folder)?;
        let cut_off = *config.raw.split.cut_off.get_or_insert(trained_until);
        if cut_off < trained_until {
            return Err(anyhow!(
                "split.cut_off {cut_off} is before {trained_until}, where the training of {} ended: it would be tested \
                 on what it was trained on; choose a later day, or null",
                spec.model_id
            ))
            .fault(FaultKind::Configuration);
        }
        let log = SplitLog::read(&config, store, &spec.events)?;
        let read_summary = log.report.clone();
        let log_hash = DataHashes::of(&log.history, &log.future, log.split).data;
        let data = log.resolve(&items, &spec);
        Ok(Self { model, items, data, read_summary, log_hash, folder })
    }
}

/// A checkpoint that is neither a local folder nor in the bucket.
#[derive(Debug, thiserror::Error)]
#[error(
    "`{name}` is neither a folder with a {SPEC} nor a complete checkpoint in the bucket ({spec_url} is missing)"
)]
pub struct NoSuchCheckpoint {
    name: String,
    spec_url: String,
}

/// A local folder with a checkpoint: `name` itself where it is one, else a copy of the model of that id.
pub(crate) fn fetch(store: &Store, name: &str, work_dir: &Path) -> anyhow::Result<PathBuf> {
    // A training prints the URL of its checkpoint.
    let name = name.strip_prefix(&store.checkpoint_url("")).unwrap_or(name).trim_end_matches('/');
    let folder = Path::new(name);
    if folder.join(SPEC).is_file() {
        return Ok(folder.to_owned());
    }
    if folder.is_dir() || name.contains(['/', '\\']) || store.read(&key(name, SPEC))?.is_none() {
        let spec_url = store.url(&key(name, SPEC));
        return Err(NoSuchCheckpoint { name: name.to_owned(), spec_url }).fault(FaultKind::Configuration);
    }
    let into = work_dir.join(checkpoint::folder(name));
    store.fetch_dir(&checkpoint::folder(name), &into)?;
    Ok(into)
}

/// First day that the training did not see, from the files beside the weights.
pub(crate) fn trained_until(folder: &Path) -> anyhow::Result<Day> {
    #[derive(Deserialize)]
    struct CutOff {
        cut_off: Day,
    }
    let path = [METRICS, STATE].map(|name| folder.join(name));
    let path = path.iter().find(|path| path.is_file()).unwrap_or(&path[0]);
    let read = || -> anyhow::Result<CutOff> { Ok(serde_json::from_slice(&fs::read(path)?)?) };
    Ok(read().with_context(|| format!("read {}", path.display())).fault(FaultKind::Data)?.cut_off)
}
