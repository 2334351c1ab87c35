//! Events as Parquet parts: one file for a range of users on a day.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::types::{ArrowDictionaryKeyType, UInt8Type, UInt32Type};
use arrow_array::{
    ArrayRef, DictionaryArray, Float32Array, Int64Array, PrimitiveArray, RecordBatch, StringArray,
};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;

use super::behaviour::{ACTIONS, Event, SURFACES};
use super::catalogue;
use super::options::{SynthError, SynthOptions};

/// Rows of one Arrow batch: what is held in memory beside the pages of the current row group.
const BATCH_ROWS: usize = 65_536;
/// Rows of a row group.
const GROUP_ROWS: usize = 1 << 20;

/// The texts that events refer to by code; made once and shared by all parts.
pub(crate) struct Texts {
    items: ArrayRef,
    actions: ArrayRef,
    surfaces: ArrayRef,
}

impl Texts {
    pub(crate) fn new(options: &SynthOptions) -> Self {
        let items = StringArray::from_iter_values((0..options.n_items).map(catalogue::item_id));
        Self {
            items: Arc::new(items),
            actions: Arc::new(StringArray::from_iter_values(ACTIONS)),
            surfaces: Arc::new(StringArray::from_iter_values(SURFACES)),
        }
    }
}

/// A part that is being written.
pub(crate) struct PartWriter<'a> {
    path: &'a Path,
    texts: &'a Texts,
    pending: Vec<Event>,
    writer: ArrowWriter<File>,
    n_events: u64,
}

impl<'a> PartWriter<'a> {
    /// Start a part at `path`, which must not exist.
    pub(crate) fn create(path: &'a Path, texts: &'a Texts) -> Result<Self, SynthError> {
        let parquet_error = |source| SynthError::Parquet { path: path.to_owned(), source };
        let file =
            File::create_new(path).map_err(|source| SynthError::Write { path: path.to_owned(), source })?;
        let empty = batch(&[], texts).map_err(|error| parquet_error(error.into()))?;
        // Without the Arrow schema beside Parquet's own, readers see plain text columns, not dictionaries.
        let options = ArrowWriterOptions::new().with_skip_arrow_metadata(true).with_properties(properties());
        let writer =
            ArrowWriter::try_new_with_options(file, empty.schema(), options).map_err(parquet_error)?;
        Ok(Self { path, texts, pending: Vec::with_capacity(BATCH_ROWS), writer, n_events: 0 })
    }

    /// Add an event.
    pub(crate) fn push(&mut self, event: Event) -> Result<(), SynthError> {
        self.pending.push(event);
        if self.pending.len() < BATCH_ROWS { Ok(()) } else { self.flush() }
    }

    /// Write the rest and close the file. Returns the number of events.
    pub(crate) fn close(mut self) -> Result<u64, SynthError> {
        self.flush()?;
        let path = self.path;
        self.writer.close().map_err(|source| SynthError::Parquet { path: path.to_owned(), source })?;
        Ok(self.n_events)
    }

    fn flush(&mut self) -> Result<(), SynthError> {
        let error = |source| SynthError::Parquet { path: self.path.to_owned(), source };
        let rows = batch(&self.pending, self.texts).map_err(|source| error(source.into()))?;
        self.writer.write(&rows).map_err(error)?;
        self.n_events += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }
}

/// Integers that grow along the file are stored as differences; the rest as dictionaries.
fn properties() -> WriterProperties {
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(GROUP_ROWS));
    for growing in ["user_id", "timestamp", "event_id"] {
        properties = properties
            .set_column_dictionary_enabled(ColumnPath::from(growing), false)
            .set_column_encoding(ColumnPath::from(growing), Encoding::DELTA_BINARY_PACKED);
    }
    properties.build()
}

fn batch(events: &[Event], texts: &Texts) -> Result<RecordBatch, arrow_schema::ArrowError> {
    let integers =
        |of: fn(&Event) -> i64| Arc::new(Int64Array::from_iter_values(events.iter().map(of))) as ArrayRef;
    let durations = Float32Array::from_iter(events.iter().map(|event| event.duration_s));
    RecordBatch::try_from_iter_with_nullable([
        ("user_id", integers(|event| event.user as i64), false),
        ("item_id", dictionary::<UInt32Type>(events.iter().map(|event| event.item), &texts.items)?, false),
        ("action", dictionary::<UInt8Type>(events.iter().map(|event| event.action), &texts.actions)?, false),
        ("timestamp", integers(|event| event.timestamp), false),
        (
            "surface",
            dictionary::<UInt8Type>(events.iter().map(|event| event.surface), &texts.surfaces)?,
            false,
        ),
        ("duration_s", Arc::new(durations), true),
        ("event_id", integers(|event| event.event_id), false),
    ])
}

fn dictionary<K: ArrowDictionaryKeyType>(
    codes: impl Iterator<Item = K::Native>,
    texts: &ArrayRef,
) -> Result<ArrayRef, arrow_schema::ArrowError> {
    let codes = PrimitiveArray::<K>::from_iter_values(codes);
    Ok(Arc::new(DictionaryArray::<K>::try_new(codes, Arc::clone(texts))?))
}
