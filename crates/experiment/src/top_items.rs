//! The best items of each test user as rows, for anyone to score elsewhere.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use arrow_array::{Float32Array, StringArray, UInt32Array};
use dayvec_evaluation::top;
use dayvec_runtime::fault::OrFault as _;

use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::evaluate::{model_scorer, truth};
use crate::parquet_file::{Column, write_columns};
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
    let n_rows = rows.user.len();
    let columns: [Column<'_>; 4] = [
        ("user_id", Arc::new(StringArray::from_iter_values(users)), false),
        ("rank", Arc::new(UInt32Array::from(rows.rank)), false),
        ("item_id", Arc::new(StringArray::from_iter_values(items)), false),
        ("score", Arc::new(Float32Array::from(rows.score)), false),
    ];
    write_columns(out, columns)?;
    Ok(n_rows)
}
