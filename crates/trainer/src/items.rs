//! Item features and their place in the bucket, `items/<items_version>/items.parquet`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use dayvec_core::{ItemTable, Sequences};
use dayvec_items::{
    BuildOptions, TextColumns, build_items, items_version, read_item_text, read_items, write_items,
};
use dayvec_runtime::{Exit, OrExit};

use crate::store::Store;

/// Item features with the name of their version.
#[derive(Debug)]
pub(crate) struct FeaturedItems {
    pub(crate) table: ItemTable,
    pub(crate) version: String,
}

fn key(version: &str) -> String {
    format!("items/{version}/items.parquet")
}

impl FeaturedItems {
    fn new(table: ItemTable) -> Self {
        let version = items_version(&table);
        tracing::info!(items = table.len(), dim = table.dim, version, "item features");
        Self { table, version }
    }

    /// The user's own table.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let table = read_items(path).context("read item features").or_exit(Exit::BadData)?;
        Ok(Self::new(table))
    }

    /// Features made from the training window, and from item text where there is any.
    pub(crate) fn build(
        history: &Sequences,
        text: Option<(PathBuf, &TextColumns)>,
        options: &BuildOptions,
    ) -> anyhow::Result<Self> {
        let text = match text {
            None => None,
            Some((path, columns)) => {
                Some(read_item_text(&path, columns).context("read item text").or_exit(Exit::BadData)?)
            }
        };
        let table = build_items(history, text.as_ref(), options)
            .context("build item features")
            .or_exit(Exit::BadData)?;
        Ok(Self::new(table))
    }

    /// The version that a checkpoint names.
    pub(crate) fn fetch(store: &Store, version: &str, staging: &Path) -> anyhow::Result<Self> {
        let key = key(version);
        let bytes = store.read(&key)?.ok_or_else(|| {
            anyhow!(
                "the checkpoint's item features {} are not there; restore them, or train again",
                store.place(&key)
            )
        });
        let path = staging.join("fetched.parquet");
        fs::create_dir_all(staging).with_context(|| format!("make {}", staging.display()))?;
        fs::write(&path, bytes.or_exit(Exit::BadData)?)
            .with_context(|| format!("write {}", path.display()))?;
        let items = Self::read(&path)?;
        if items.version != version {
            return Err(anyhow!(
                "{} holds version {}: it was changed after it was written; restore it, or train again",
                store.place(&key),
                items.version
            ))
            .or_exit(Exit::BadData);
        }
        Ok(items)
    }

    /// Put the table into the bucket, where it is not there yet.
    pub(crate) fn publish(&self, store: &Store, staging: &Path) -> anyhow::Result<()> {
        let path = staging.join("items.parquet");
        fs::create_dir_all(staging).with_context(|| format!("make {}", staging.display()))?;
        write_items(&self.table, &path).context("write item features")?;
        let bytes = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        store.write_new(&key(&self.version), bytes).map(|_| ())
    }
}
