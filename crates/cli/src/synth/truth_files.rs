//! `truth.parquet` and `truth.json`.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float32Array, RecordBatch, StringArray, UInt32Array};
use parquet::arrow::ArrowWriter;
use serde_json::json;

use super::catalogue::item_id;
use super::options::{SynthError, SynthOptions};
use super::recall::{RecallOfTruth, Truth, TruthOptions};

/// An item of a list: user, rank, item, probability.
pub(crate) type Listed = (u64, u32, u32, f64);

/// `truth.parquet`, in the layout of `trainer evaluate --top`.
pub(crate) struct ListWriter<'a> {
    path: &'a Path,
    writer: ArrowWriter<File>,
}

impl<'a> ListWriter<'a> {
    /// Start the file, which must not exist.
    pub(crate) fn create(path: &'a Path) -> Result<Self, SynthError> {
        let parquet_error = |source| SynthError::Parquet { path: path.to_owned(), source };
        let file =
            File::create_new(path).map_err(|source| SynthError::Write { path: path.to_owned(), source })?;
        let empty = list_batch(&[]).map_err(|error| parquet_error(error.into()))?;
        let writer = ArrowWriter::try_new(file, empty.schema(), None).map_err(parquet_error)?;
        Ok(Self { path, writer })
    }

    /// Add rows.
    pub(crate) fn write(&mut self, rows: &[Listed]) -> Result<(), SynthError> {
        let error = |source| SynthError::Parquet { path: self.path.to_owned(), source };
        let batch = list_batch(rows).map_err(|source| error(source.into()))?;
        self.writer.write(&batch).map_err(error)
    }

    /// Finish the file.
    pub(crate) fn close(self) -> Result<(), SynthError> {
        let path = self.path;
        self.writer.close().map_err(|source| SynthError::Parquet { path: path.to_owned(), source })?;
        Ok(())
    }
}

fn list_batch(rows: &[Listed]) -> Result<RecordBatch, arrow_schema::ArrowError> {
    let users = StringArray::from_iter_values(rows.iter().map(|row| row.0.to_string()));
    let columns: [(&str, ArrayRef, bool); 4] = [
        ("user_id", Arc::new(users), false),
        ("rank", Arc::new(UInt32Array::from_iter_values(rows.iter().map(|row| row.1))), false),
        ("item_id", Arc::new(StringArray::from_iter_values(rows.iter().map(|row| item_id(row.2)))), false),
        ("score", Arc::new(Float32Array::from_iter_values(rows.iter().map(|row| row.3 as f32))), false),
    ];
    RecordBatch::try_from_iter_with_nullable(columns)
}

/// Write `truth.json`.
pub(crate) fn write_json(
    options: &SynthOptions,
    truth: &TruthOptions,
    measured: &Truth,
    path: &Path,
) -> Result<(), SynthError> {
    let by_scorer = |allowed: &RecallOfTruth, filtered: &RecallOfTruth| json!({"seen_allowed": allowed.json(), "seen_filtered": filtered.json()});
    let value = json!({
        "cut_off": measured.cut_off.to_string(),
        "test_days": truth.test_days,
        "n_users": measured.n_users,
        "n_items": measured.n_items,
        "seed": options.seed,
        "n_futures": truth.n_futures,
        "best_achievable": by_scorer(&measured.best, &measured.best_unseen),
        "popularity": by_scorer(&measured.popularity, &measured.popularity_unseen),
        "how": "items ranked by the probability that the user acts on them positively on the test days, known to the process \
                at the cut-off: exact given the user's tastes, the mean over drawn futures of the tastes, and later hits by \
                their mean",
    });
    std::fs::write(path, format!("{value:#}\n"))
        .map_err(|source| SynthError::Write { path: path.to_owned(), source })
}
