//! The best items of each test user as rows, for anyone to score elsewhere.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use arrow_array::{ArrayRef, Float32Array, RecordBatch, StringArray, UInt32Array};
use dayvec_evaluation::top;
use dayvec_runtime::fault::OrFault as _;
use parquet::arrow::ArrowWriter;

use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::evaluate::{model_scorer, truth};
use crate::store::Store;

/// Write the `k` best items of each test user to a Parquet file: user_id, rank (from 1), item_id, score; seen items
/// allowed. Returns the number of rows.
///
/// # Errors
/// With the exit code that says what the caller can do.
pub fn write_top_items(
    config: &Config,
    store: &Store,
    checkpoint: &str,
    k: usize,
    out: &Path,
) -> anyhow::Result<usize> {
    let loaded = Checkpoint::load(config, store, checkpoint)?;
    let history = &loaded.data.history;
    let truth = truth(&loaded.data)?;
    let scorer = model_scorer(&loaded.model, &loaded.data, &truth.users)?;
    let rows = top(&scorer, &truth.users, &truth.eligible, k).or_fault().context("find the best items")?;
    let users = rows.user.iter().map(|&user| history.users.get(user));
    let items = rows.item.iter().map(|&item| history.items.ids().get(item as usize));
    let columns: [(&str, ArrayRef); 4] = [
        ("user_id", Arc::new(StringArray::from_iter_values(users))),
        ("rank", Arc::new(UInt32Array::from(rows.rank))),
        ("item_id", Arc::new(StringArray::from_iter_values(items))),
        ("score", Arc::new(Float32Array::from(rows.score))),
    ];
    let write = || -> anyhow::Result<usize> {
        let batch =
            RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, false)))?;
        let mut writer = ArrowWriter::try_new(File::create(out)?, batch.schema(), None)?;
        writer.write(&batch)?;
        writer.close()?;
        Ok(batch.num_rows())
    };
    write().with_context(|| format!("write {}", out.display()))
}
