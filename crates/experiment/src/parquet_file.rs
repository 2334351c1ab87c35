//! Columns as a Parquet file, for other programs to read.

use std::fs::File;
use std::path::Path;

use anyhow::Context;
use arrow_array::{ArrayRef, RecordBatch};
use parquet::arrow::ArrowWriter;

/// Name, cells, and whether a cell may be null.
pub(crate) type Column<'a> = (&'a str, ArrayRef, bool);

/// Write columns of equal length; what was there is replaced.
pub(crate) fn write_columns<'a>(
    path: &Path,
    columns: impl IntoIterator<Item = Column<'a>>,
) -> anyhow::Result<()> {
    let write = || -> anyhow::Result<()> {
        let batch = RecordBatch::try_from_iter_with_nullable(columns)?;
        let mut writer = ArrowWriter::try_new(File::create(path)?, batch.schema(), None)?;
        writer.write(&batch)?;
        writer.close()?;
        Ok(())
    };
    write().with_context(|| format!("write {}", path.display()))
}
