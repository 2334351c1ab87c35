//! One training out of many.

use anyhow::{Context, anyhow};
use dayvec_core::{FaultKind, Sequences};
use dayvec_report::Report;
use dayvec_runtime::config::to_yaml;
use dayvec_runtime::fault::WithFault as _;
use tokio_util::sync::CancellationToken;

use super::record::DataHashes;
use crate::config::{Config, SplitProtocol};
use crate::data::{SplitLog, log_hash};
use crate::progress::no_observer;
use crate::store::Store;
use crate::train::{Outcome, train};

/// Where the trials of a configuration go, and what they have in common.
#[derive(Debug)]
pub struct Trials {
    /// The configuration with the trials' bucket and the cut-off settled.
    pub(crate) config: Config,
    pub(crate) store: Store,
    pub(crate) hashes: DataHashes,
}

impl Trials {
    /// The configuration of the trials of `config`: their bucket is a folder of the work folder.
    ///
    /// # Errors
    /// When that folder can't be named in a configuration.
    pub fn config(config: &Config) -> anyhow::Result<Config> {
        let mut raw = config.raw.clone();
        raw.bucket = config.work_dir.join("trials").join("bucket").display().to_string();
        Config::try_from(raw)
            .map_err(|faults| anyhow::anyhow!(faults.join("; ")))
            .fault(FaultKind::Configuration)
    }

    /// Read the log once, to settle the cut-off and name the data. `config` is that of [`Self::config`], and `store` its
    /// bucket; the trials are tested `windows_earlier` windows of test days before those of the configuration.
    ///
    /// # Errors
    /// Those of reading the log.
    pub fn new(mut config: Config, store: Store, windows_earlier: u32) -> anyhow::Result<Self> {
        if windows_earlier > 0 && config.raw.split.protocol != SplitProtocol::Time {
            let wrong = anyhow!("split.protocol: there are no earlier test days unless it is time");
            return Err(wrong).fault(FaultKind::Configuration);
        }
        let log = SplitLog::read(&config, &store, config.schema())?;
        let cut_off = log.split.cut_off.plus(-(windows_earlier as i32) * log.split.n_days);
        config.raw.split.cut_off = Some(cut_off);
        // What the trials see: everything before the end of their test days.
        let seen = |part: &Sequences| part.within(i64::MIN, cut_off.plus(log.split.n_days).start_s());
        let data = log_hash([&seen(&log.history), &seen(&log.future)]);
        let candidates = candidates(&log.history.within(i64::MIN, cut_off.start_s()));
        tracing::info!(%cut_off, test_days = log.split.n_days, data, candidates, "trials");
        Ok(Self { config, store, hashes: DataHashes { data, candidates } })
    }

    /// Train, or take what was trained before; `None` when `shutdown` stopped it.
    pub(crate) fn run(
        &self,
        config: &Config,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<Option<Report>> {
        match train(config, &self.store, true, shutdown, &no_observer)? {
            Outcome::Trained(report) | Outcome::AlreadyTrained(report) => Ok(Some(*report)),
            Outcome::Stopped(_) => Ok(None),
        }
    }
}

/// Digest of a configuration: what decides the outcome of a trial beside the log and the seed.
pub(crate) fn config_hash(config: &Config) -> String {
    let mut raw = config.raw.clone();
    for place in [&mut raw.bucket, &mut raw.work_dir, &mut raw.events.url] {
        place.clear();
    }
    raw.run.seed = 0;
    raw.run.threads = 0;
    blake3::hash(to_yaml(&raw).as_bytes()).to_hex()[..16].to_owned()
}

/// Digest of the ids of the items that occur.
fn candidates(history: &Sequences) -> String {
    let mut occurs = vec![false; history.items.ids().len()];
    history.actions.item.iter().for_each(|&item| occurs[item as usize] = true);
    let mut ids: Vec<&str> =
        history.items.ids().iter().zip(&occurs).filter(|(_, occurs)| **occurs).map(|(id, _)| id).collect();
    ids.sort_unstable();
    let mut hasher = blake3::Hasher::new();
    for id in ids {
        hasher.update(&(id.len() as u64).to_le_bytes());
        hasher.update(id.as_bytes());
    }
    hasher.finalize().to_hex()[..16].to_owned()
}

/// Read a YAML file.
pub(crate) fn read_yaml<T: serde::de::DeserializeOwned>(path: &std::path::Path) -> anyhow::Result<T> {
    let text = std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()));
    let text = text.fault(FaultKind::Configuration)?;
    let read = serde_path_to_error::deserialize(serde_yaml::Deserializer::from_str(&text));
    read.with_context(|| path.display().to_string()).fault(FaultKind::Configuration)
}
