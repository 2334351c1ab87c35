//! The item table as Parquet: `item_id`, `embedding`, and optionally `interest` and `title`.
//!
//! A table that comes out of [`read_items`] has distinct, non-empty ids and finite vectors of one width.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, FixedSizeListArray, Float32Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use dayvec_core::{IdColumn, ItemTable};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use xxhash_rust::xxh3::Xxh3;

use crate::columns::{TextColumn, float_lists, parquet_files, read_parquet, texts};
use crate::error::ItemsError;

const ITEM_ID: &str = "item_id";
const EMBEDDING: &str = "embedding";
const INTEREST: &str = "interest";
const TITLE: &str = "title";

/// Read item features from a Parquet file, or from every `*.parquet` of a folder in the order of their names.
///
/// Columns: `item_id` (text or integer), `embedding` (list or fixed-size list of 16-, 32- or 64-bit floats, all of one
/// width), optionally `interest` and `title` (text or integer; null means none). Other columns are not read.
///
/// # Errors
/// A file that cannot be read, a missing column or one of another type, a null, empty or repeated id, a null
/// embedding or one of another width, a number that is not finite (in 32 bits), or no rows at all.
pub fn read_items(path: &Path) -> Result<ItemTable, ItemsError> {
    let mut reader = TableReader::default();
    for file in parquet_files(path)? {
        for batch in read_parquet(&file, &[ITEM_ID, EMBEDDING], &[INTEREST, TITLE])? {
            reader.push(&file, &batch)?;
        }
    }
    let TableReader { table, interests, titles } = reader;
    if table.is_empty() {
        return Err(ItemsError::NoItems { path: path.to_owned() });
    }
    let n_items = table.len();
    let column = |cells: TextColumn| {
        let given = cells.iter().any(Option::is_some);
        given.then(|| padded(cells, n_items))
    };
    Ok(ItemTable { interests: column(interests), titles: column(titles), ..table })
}

fn padded(cells: TextColumn, n_items: usize) -> IdColumn {
    let cells = cells.into_iter().map(Option::unwrap_or_default);
    cells.chain(std::iter::repeat(String::new())).take(n_items).collect()
}

/// The table as far as it has been read.
#[derive(Default)]
struct TableReader {
    table: ItemTable,
    interests: TextColumn,
    titles: TextColumn,
}

impl TableReader {
    fn push(&mut self, path: &Path, batch: &RecordBatch) -> Result<(), ItemsError> {
        let first_row = self.table.len();
        let embeddings = float_lists(path, batch, EMBEDDING)?;
        for (at, id) in texts(path, batch, ITEM_ID)?.into_iter().enumerate() {
            let id = self.checked_id(path, first_row + at, id)?;
            self.push_embedding(path, &id, embeddings.row(at))?;
            self.table.ids.intern(&id);
        }
        for (name, cells) in [(INTEREST, &mut self.interests), (TITLE, &mut self.titles)] {
            cells.resize(first_row, None); // a part without the column before one that has it
            if batch.column_by_name(name).is_some() {
                cells.extend(texts(path, batch, name)?);
            }
        }
        Ok(())
    }

    fn checked_id(&self, path: &Path, row: usize, id: Option<String>) -> Result<String, ItemsError> {
        let bad = |what| ItemsError::BadId { path: path.to_owned(), row, what };
        let id = id.ok_or_else(|| bad("null"))?;
        if id.is_empty() {
            return Err(bad("empty"));
        }
        match self.table.ids.find(&id) {
            None => Ok(id),
            Some(first) => Err(ItemsError::DuplicateId {
                path: path.to_owned(),
                row,
                first_row: first as usize,
                item: id,
            }),
        }
    }

    fn push_embedding(&mut self, path: &Path, id: &str, embedding: &[f32]) -> Result<(), ItemsError> {
        let row = self.table.len();
        if row == 0 {
            self.table.dim = embedding.len();
        }
        let expected = self.table.dim;
        if embedding.len() != expected || embedding.is_empty() {
            let got = embedding.len();
            return Err(ItemsError::Ragged {
                path: path.to_owned(),
                row,
                item: id.to_owned(),
                expected,
                got,
            });
        }
        if let Some(position) = embedding.iter().position(|value| !value.is_finite()) {
            let value = embedding[position];
            let value = if value.is_nan() { "NaN or null".to_owned() } else { value.to_string() };
            let item = id.to_owned();
            return Err(ItemsError::NotFinite { path: path.to_owned(), row, item, position, value });
        }
        self.table.features.extend_from_slice(embedding);
        Ok(())
    }
}

/// Check that a table is as wide as a model expects.
///
/// # Errors
/// [`ItemsError::Dim`] when it is not.
pub fn check_dim(table: &ItemTable, expected: usize) -> Result<(), ItemsError> {
    if table.dim == expected { Ok(()) } else { Err(ItemsError::Dim { expected, got: table.dim }) }
}

/// Write a table as one Parquet file that [`read_items`] reads back to the bit: `item_id` (text), `embedding`
/// (fixed-size list of 32-bit floats), and `interest` and `title` where the table has them.
///
/// # Errors
/// When the file cannot be written.
pub fn write_items(table: &ItemTable, path: &Path) -> Result<(), ItemsError> {
    let file = File::create(path).map_err(|source| ItemsError::write(path, source))?;
    let batch = batch_of(table).map_err(|source| ItemsError::write(path, source))?;
    let level = ZstdLevel::default();
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(level)).build();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties))
        .map_err(|source| ItemsError::write(path, source))?;
    writer.write(&batch).map_err(|source| ItemsError::write(path, source))?;
    let file = writer.into_inner().map_err(|source| ItemsError::write(path, source))?;
    file.sync_all().map_err(|source| ItemsError::write(path, source))
}

fn batch_of(table: &ItemTable) -> Result<RecordBatch, arrow_schema::ArrowError> {
    let text = |column: &IdColumn| -> ArrayRef { Arc::new(StringArray::from_iter_values(column.iter())) };
    let number = Arc::new(Field::new("element", DataType::Float32, false));
    let width = i32::try_from(table.dim).unwrap_or(i32::MAX);
    let values = Arc::new(Float32Array::from(table.features.clone()));
    let embeddings = FixedSizeListArray::try_new(Arc::clone(&number), width, values, None)?;
    let mut fields = vec![
        Field::new(ITEM_ID, DataType::Utf8, false),
        Field::new(EMBEDDING, DataType::FixedSizeList(number, width), false),
    ];
    let mut columns = vec![text(table.ids.ids()), Arc::new(embeddings) as ArrayRef];
    for (name, column) in [(INTEREST, &table.interests), (TITLE, &table.titles)] {
        if let Some(column) = column {
            fields.push(Field::new(name, DataType::Utf8, false));
            columns.push(text(column));
        }
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

/// Digest of the whole content, as 32 hexadecimal digits (xxh3-128): the name of the folder under `items/`.
///
/// Ids, their order, the bits of the features, interests and titles all count; how the file was written does not.
#[must_use]
pub fn items_version(table: &ItemTable) -> String {
    let mut hash = Xxh3::new();
    hash.update(b"dayvec items 1");
    hash.update(&(table.dim as u64).to_le_bytes());
    let mut push_column = |column: Option<&IdColumn>| {
        hash.update(&column.map_or(u64::MAX, |column| column.len() as u64).to_le_bytes());
        for text in column.into_iter().flat_map(IdColumn::iter) {
            hash.update(&(text.len() as u64).to_le_bytes());
            hash.update(text.as_bytes());
        }
    };
    push_column(Some(table.ids.ids()));
    push_column(table.interests.as_ref());
    push_column(table.titles.as_ref());
    for value in &table.features {
        hash.update(&value.to_le_bytes());
    }
    format!("{:032x}", hash.digest128())
}
