//! What the page reads from Parquet files of the bucket: item titles, and a user's actions.
//!
//! A local file is read in place, a remote one through memory, and only up to a size limit.

use std::fs::File;

use arrow_array::cast::AsArray as _;
use arrow_array::types::Int64Type;
use arrow_array::{BooleanArray, RecordBatch};
use bytes::Bytes;
use dayvec_bucket::Bucket;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowPredicateFn, ArrowReaderOptions, ParquetRecordBatchReaderBuilder, RowFilter,
};
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::ChunkReader;

use crate::outage::Outage;

/// Rows per decoded batch.
const BATCH_ROWS: usize = 65_536;

/// A Parquet file of the bucket, ready to be decoded on a thread that may block.
pub(crate) enum Table {
    Local(File),
    Fetched(Bytes),
}

/// An action of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Action {
    pub(crate) item_id: String,
    pub(crate) action: String,
    /// Unix seconds.
    pub(crate) at_s: i64,
}

impl Table {
    /// Open a file of the bucket; `None` where there is none.
    pub(crate) async fn open(bucket: &Bucket, key: &str, max_bytes: u64) -> Result<Option<Self>, Outage> {
        let place = || format!("bucket {}", bucket.url());
        let size_bytes = bucket.size_of(key).await.map_err(|error| Outage::from_error(place(), &error))?;
        let Some(size_bytes) = size_bytes else { return Ok(None) };
        if let Some(path) = bucket.local_path(key) {
            return File::open(path)
                .map(|file| Some(Self::Local(file)))
                .map_err(|error| Outage::from_error(key, &error));
        }
        if size_bytes > max_bytes {
            return Err(Outage::new(key, too_large(size_bytes)));
        }
        let bytes = bucket.get(key).await.map_err(|error| Outage::from_error(place(), &error))?;
        Ok(Some(Self::Fetched(bytes)))
    }

    /// Call `take` with each (item id, title) that has a title.
    pub(crate) fn titles(self, take: impl FnMut(&str, &str)) -> Result<()> {
        match self {
            Self::Local(file) => titles(file, take),
            Self::Fetched(bytes) => titles(bytes, take),
        }
    }

    /// The actions of a user, newest first.
    pub(crate) fn actions(self, user_id: &str) -> Result<Vec<Action>> {
        match self {
            Self::Local(file) => actions(file, user_id),
            Self::Fetched(bytes) => actions(bytes, user_id),
        }
    }
}

/// Why a file is not read.
pub(crate) fn too_large(size_bytes: u64) -> String {
    format!("its {size_bytes} bytes are above the limit of max_read_bytes; raise max_read_bytes")
}

/// Column types are Parquet's own: the Arrow schema that some writers embed names other types for the same columns.
fn open<R: ChunkReader + 'static>(file: R) -> Result<ParquetRecordBatchReaderBuilder<R>> {
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    Ok(ParquetRecordBatchReaderBuilder::try_new_with_options(file, options)?.with_batch_size(BATCH_ROWS))
}

fn titles<R: ChunkReader + 'static>(file: R, mut take: impl FnMut(&str, &str)) -> Result<()> {
    let builder = open(file)?;
    if builder.parquet_schema().columns().iter().all(|column| column.name() != "title") {
        return Ok(());
    }
    let columns = ProjectionMask::columns(builder.parquet_schema(), ["item_id", "title"]);
    for batch in builder.with_projection(columns).build()? {
        let batch = batch?;
        for row_idx in 0..batch.num_rows() {
            if let Some(title) = text(&batch, "title", row_idx)?.filter(|title| !title.is_empty()) {
                take(text(&batch, "item_id", row_idx)?.unwrap_or_default(), title);
            }
        }
    }
    Ok(())
}

fn actions<R: ChunkReader + 'static>(file: R, user_id: &str) -> Result<Vec<Action>> {
    let builder = open(file)?;
    let users = ProjectionMask::columns(builder.parquet_schema(), ["user_id"]);
    let user_id = user_id.to_owned();
    let is_of_user = ArrowPredicateFn::new(users, move |batch| {
        let ids = batch.column(0).as_string_opt::<i32>().ok_or_else(|| bad_column("user_id"))?;
        Ok(BooleanArray::from_iter(ids.iter().map(|id| Some(id == Some(user_id.as_str())))))
    });
    let columns = ProjectionMask::columns(builder.parquet_schema(), ["item_id", "action", "timestamp"]);
    let filter = RowFilter::new(vec![Box::new(is_of_user)]);
    let mut actions = Vec::new();
    for batch in builder.with_projection(columns).with_row_filter(filter).build()? {
        let batch = batch?;
        let times =
            batch.column_by_name("timestamp").and_then(|column| column.as_primitive_opt::<Int64Type>());
        let times = times.ok_or_else(|| bad_column("timestamp"))?;
        for row_idx in 0..batch.num_rows() {
            let text = |name| text(&batch, name, row_idx).map(|text| text.unwrap_or_default().to_owned());
            actions.push(Action {
                item_id: text("item_id")?,
                action: text("action")?,
                at_s: times.value(row_idx),
            });
        }
    }
    // The file has each user's oldest action first.
    actions.reverse();
    Ok(actions)
}

fn text<'a>(batch: &'a RecordBatch, column: &'static str, row_idx: usize) -> Result<Option<&'a str>> {
    use arrow_array::Array as _;

    let texts = batch.column_by_name(column).and_then(|column| column.as_string_opt::<i32>());
    let texts = texts.ok_or_else(|| bad_column(column))?;
    Ok((!texts.is_null(row_idx)).then(|| texts.value(row_idx)))
}

fn bad_column(column: &str) -> ParquetError {
    ParquetError::General(format!(
        "the column `{column}` is missing or has a type that dayvec does not write"
    ))
}
