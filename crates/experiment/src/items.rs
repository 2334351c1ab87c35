//! The item features of a training: read from the user's table, or built from the events before the cut-off. Each
//! version has its place in the bucket, so that a checkpoint can name it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use dayvec_core::{FaultKind, ItemTable, Sequences};
use dayvec_items::{ItemText, build_items, items_version, read_item_text, read_items, write_items};
use dayvec_registry::item_features::{TABLE, key};
use dayvec_runtime::fault::{OrFault as _, WithFault as _};
use dayvec_sequences::log::fetch_table;
use url::Url;

use crate::config::{Config, ItemSource};
use crate::store::Store;

/// Item features with the name of their version.
#[derive(Debug)]
pub(crate) struct ItemFeatures {
    pub(crate) table: ItemTable,
    pub(crate) version: String,
}

impl ItemFeatures {
    /// The features of a configuration, also written to the bucket. `history` has the events before the cut-off.
    pub(crate) fn prepare(config: &Config, store: &Store, history: &Sequences) -> anyhow::Result<Self> {
        let staging = config.work_dir.join("items");
        let items = match &config.items {
            ItemSource::Read(url) => {
                Self::read(&fetch(store, url, &staging).context("items.read")?).context("items.read")?
            }
            ItemSource::Build { options, text } => {
                let text = match text {
                    None => None,
                    Some((url, columns)) => {
                        let table = fetch(store, url, &staging).context("items.build.text.path")?;
                        let text = read_item_text(&table, columns).or_fault();
                        let text = text.context("items.build.text")?;
                        check_text(history, &text)?;
                        Some(text)
                    }
                };
                let table = build_items(history, text.as_ref(), options);
                Self::new(table.or_fault().context("build item features")?)
            }
        };
        items.publish(store, &staging)?;
        Ok(items)
    }

    /// The version that a checkpoint names, from the bucket.
    pub(crate) fn fetch(config: &Config, store: &Store, version: &str) -> anyhow::Result<Self> {
        let key = key(version);
        let staging = config.work_dir.join("items");
        let bytes = store.read(&key)?.ok_or_else(|| {
            anyhow!(
                "the item features of the checkpoint are missing: {}; restore them, or train again",
                store.url(&key)
            )
        });
        let path = staging.join("fetched.parquet");
        fs::create_dir_all(&staging).with_context(|| format!("make {}", staging.display()))?;
        fs::write(&path, bytes.fault(FaultKind::Data)?)
            .with_context(|| format!("write {}", path.display()))?;
        let items = Self::read(&path)?;
        if items.version != version {
            return Err(anyhow!(
                "{} holds version {}: it was changed after it was written; restore it, or train again",
                store.url(&key),
                items.version
            ))
            .fault(FaultKind::Data);
        }
        Ok(items)
    }

    fn new(table: ItemTable) -> Self {
        let version = items_version(&table);
        tracing::info!(items = table.len(), dim = table.dim, version, "item features");
        Self { table, version }
    }

    fn read(path: &Path) -> anyhow::Result<Self> {
        let table = read_items(path).or_fault().context("read item features")?;
        Ok(Self::new(table))
    }

    /// Write the table to the bucket, where this version is missing.
    fn publish(&self, store: &Store, staging: &Path) -> anyhow::Result<()> {
        let path = staging.join(TABLE);
        fs::create_dir_all(staging).with_context(|| format!("make {}", staging.display()))?;
        write_items(&self.table, &path).or_fault().context("write item features")?;
        let bytes = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        store.write_new(&key(&self.version), bytes).map(drop)
    }
}

/// Refuse text of other items, and say how many items of the log have some.
fn check_text(history: &Sequences, text: &ItemText) -> anyhow::Result<()> {
    let ids = history.items.ids();
    let with_text = ids.iter().filter(|id| text.ids.find(id).is_some()).count();
    tracing::info!(items = ids.len(), with_text, "item text");
    if with_text > 0 || ids.is_empty() {
        return Ok(());
    }
    let (of_log, of_text) = (ids.get(0), text.ids.ids().iter().next().unwrap_or("none"));
    Err(anyhow!(
        "items.build.text: no item of the log has text; ids of the log look like `{of_log}`, those of the text like \
         `{of_text}`: set columns.item_id to the column with the log's ids"
    ))
    .fault(FaultKind::Data)
}

/// A path on this machine of the user's table at `url`.
fn fetch(store: &Store, url: &Url, staging: &Path) -> anyhow::Result<PathBuf> {
    store.block_on(fetch_table(url, staging)).or_fault().with_context(|| format!("fetch {url}"))
}
