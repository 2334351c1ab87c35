//! Parquet and CSV files as plain columns, with the file named in every error.

use std::fs::File;
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::DataType;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use polars::prelude::{CsvEncoding, CsvParseOptions, CsvReadOptions, DataFrame, SerReader};

use crate::error::ItemsError;

/// A text column; `None` where the cell is null.
pub(crate) type TextColumn = Vec<Option<String>>;

/// The file itself, or every `*.parquet` of a folder in the order of their names.
pub(crate) fn parquet_files(path: &Path) -> Result<Vec<PathBuf>, ItemsError> {
    let open_error = |source| ItemsError::Open { path: path.to_owned(), source };
    if !std::fs::metadata(path).map_err(open_error)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(open_error)? {
        let file = entry.map_err(open_error)?.path();
        if file.extension().is_some_and(|extension| extension == "parquet") {
            files.push(file);
        }
    }
    files.sort();
    if files.is_empty() { Err(ItemsError::NoItems { path: path.to_owned() }) } else { Ok(files) }
}

/// The needed columns, and those of the optional ones that are there, of a Parquet file in batches.
///
/// The Arrow schema that writers embed is passed over: dictionaries then arrive as plain text and fixed-size lists
/// as lists, so that every writer's file looks the same here.
pub(crate) fn read_parquet(
    path: &Path,
    needed: &[&str],
    optional: &[&str],
) -> Result<Vec<RecordBatch>, ItemsError> {
    let file = File::open(path).map_err(|source| ItemsError::Open { path: path.to_owned(), source })?;
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(file, options)
        .map_err(|source| ItemsError::read(path, "Parquet", source))?;
    let present: Vec<String> = builder.schema().fields().iter().map(|field| field.name().clone()).collect();
    check_present(path, needed, &present)?;
    let wanted = present
        .iter()
        .enumerate()
        .filter(|(_, name)| needed.contains(&name.as_str()) || optional.contains(&name.as_str()))
        .map(|(column, _)| column);
    let mask = ProjectionMask::roots(builder.parquet_schema(), wanted);
    let reader =
        builder.with_projection(mask).build().map_err(|source| ItemsError::read(path, "Parquet", source))?;
    reader.collect::<Result<_, _>>().map_err(|source| ItemsError::read(path, "Parquet", source))
}

/// Whether a file is CSV, by its name; any other is Parquet.
pub(crate) fn is_csv(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("csv"))
}

/// The named columns of a CSV file, as [`CsvTable::texts`] gives them.
pub(crate) fn read_csv(path: &Path, columns: &[&str]) -> Result<Vec<TextColumn>, ItemsError> {
    let table = CsvTable::read(path)?;
    columns.iter().map(|name| table.texts(name)).collect()
}

/// A CSV file with a header, every cell as the text it was written with; an empty cell is null.
pub(crate) struct CsvTable<'a> {
    path: &'a Path,
    table: DataFrame,
}

impl<'a> CsvTable<'a> {
    pub(crate) fn read(path: &'a Path) -> Result<Self, ItemsError> {
        std::fs::metadata(path).map_err(|source| ItemsError::Open { path: path.to_owned(), source })?;
        let parse = CsvParseOptions::default().with_encoding(CsvEncoding::LossyUtf8);
        let table = CsvReadOptions::default()
            .with_has_header(true)
            .with_infer_schema_length(Some(0)) // every column is text: an id 007 stays 007
            .with_parse_options(parse)
            .try_into_reader_with_file_path(Some(path.to_owned()))
            .and_then(SerReader::finish)
            .map_err(|source| ItemsError::read(path, "CSV", source))?;
        Ok(Self { path, table })
    }

    /// The columns that it has.
    pub(crate) fn names(&self) -> Vec<String> {
        self.table.get_column_names().iter().map(|name| name.to_string()).collect()
    }

    /// A column.
    pub(crate) fn texts(&self, name: &str) -> Result<TextColumn, ItemsError> {
        check_present(self.path, &[name], &self.names())?;
        let cells = self.table.column(name).and_then(|column| column.str().cloned());
        let cells = cells.map_err(|source| ItemsError::read(self.path, "CSV", source))?;
        Ok(cells.iter().map(|cell| cell.map(str::to_owned)).collect())
    }
}

fn check_present(path: &Path, needed: &[&str], present: &[String]) -> Result<(), ItemsError> {
    match needed.iter().find(|&&name| present.iter().all(|other| other != name)) {
        None => Ok(()),
        Some(column) => Err(ItemsError::MissingColumn {
            path: path.to_owned(),
            column: (*column).to_owned(),
            present: present.to_vec(),
        }),
    }
}

/// A column of text or integers as text.
pub(crate) fn texts(path: &Path, batch: &RecordBatch, name: &str) -> Result<TextColumn, ItemsError> {
    let array = column(path, batch, name)?;
    Ok(match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().iter().map(|cell| cell.map(str::to_owned)).collect(),
        DataType::Int8 => primitives::<Int8Type, _>(array, |value| value.to_string()),
        DataType::Int16 => primitives::<Int16Type, _>(array, |value| value.to_string()),
        DataType::Int32 => primitives::<Int32Type, _>(array, |value| value.to_string()),
        DataType::Int64 => primitives::<Int64Type, _>(array, |value| value.to_string()),
        DataType::UInt8 => primitives::<UInt8Type, _>(array, |value| value.to_string()),
        DataType::UInt16 => primitives::<UInt16Type, _>(array, |value| value.to_string()),
        DataType::UInt32 => primitives::<UInt32Type, _>(array, |value| value.to_string()),
        DataType::UInt64 => primitives::<UInt64Type, _>(array, |value| value.to_string()),
        DataType::Null => vec![None; array.len()],
        found => return Err(wrong_type(path, name, found, "text or integers")),
    })
}

/// A column of numbers as 64-bit floats; `None` where the cell is null.
pub(crate) fn numbers(path: &Path, batch: &RecordBatch, name: &str) -> Result<Vec<Option<f64>>, ItemsError> {
    let array = column(path, batch, name)?;
    let floats = match array.data_type() {
        DataType::Float16 => primitives::<Float16Type, _>(array, |value| value.to_f64()),
        DataType::Float32 => primitives::<Float32Type, _>(array, f64::from),
        DataType::Float64 => primitives::<Float64Type, _>(array, |value| value),
        DataType::Int8 => primitives::<Int8Type, _>(array, f64::from),
        DataType::Int16 => primitives::<Int16Type, _>(array, f64::from),
        DataType::Int32 => primitives::<Int32Type, _>(array, f64::from),
        DataType::Int64 => primitives::<Int64Type, _>(array, |value| value as f64),
        DataType::UInt8 => primitives::<UInt8Type, _>(array, f64::from),
        DataType::UInt16 => primitives::<UInt16Type, _>(array, f64::from),
        DataType::UInt32 => primitives::<UInt32Type, _>(array, f64::from),
        DataType::UInt64 => primitives::<UInt64Type, _>(array, |value| value as f64),
        found => return Err(wrong_type(path, name, found, "numbers")),
    };
    Ok(floats)
}

fn primitives<T: ArrowPrimitiveType, V>(
    array: &ArrayRef,
    convert: impl Fn(T::Native) -> V,
) -> Vec<Option<V>> {
    array.as_primitive::<T>().iter().map(|cell| cell.map(&convert)).collect()
}

/// A column of lists of floats: flat, with the bounds of each row.
pub(crate) struct FloatLists {
    values: Vec<f32>,
    bounds: Vec<(usize, usize)>,
}

impl FloatLists {
    /// The numbers of a row; none where the row is null, and NaN where a number is.
    pub(crate) fn row(&self, row_idx: usize) -> &[f32] {
        let (start, end) = self.bounds[row_idx];
        &self.values[start..end]
    }
}

/// A column of lists of floats of 16, 32 or 64 bits.
pub(crate) fn float_lists(path: &Path, batch: &RecordBatch, name: &str) -> Result<FloatLists, ItemsError> {
    let array = column(path, batch, name)?;
    let wrong = || wrong_type(path, name, array.data_type(), "a list or fixed-size list of floats");
    let lists = array.as_list_opt::<i32>().ok_or_else(wrong)?;
    let values = lists.values();
    let floats = match values.data_type() {
        DataType::Float16 => floats::<Float16Type>(values, |value| value.to_f32()),
        DataType::Float32 => floats::<Float32Type>(values, |value| value),
        DataType::Float64 => floats::<Float64Type>(values, |value| value as f32),
        _ => return Err(wrong()),
    };
    let offsets = lists.value_offsets();
    let bounds = (0..lists.len()).map(|row| {
        let (start, end) = (offsets[row] as usize, offsets[row + 1] as usize);
        if lists.is_null(row) { (start, start) } else { (start, end) }
    });
    Ok(FloatLists { values: floats, bounds: bounds.collect() })
}

fn floats<T: ArrowPrimitiveType>(array: &ArrayRef, to_f32: impl Fn(T::Native) -> f32) -> Vec<f32> {
    array.as_primitive::<T>().iter().map(|cell| cell.map_or(f32::NAN, &to_f32)).collect()
}

fn column<'a>(path: &Path, batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef, ItemsError> {
    let missing =
        || ItemsError::MissingColumn { path: path.to_owned(), column: name.to_owned(), present: Vec::new() };
    batch.column_by_name(name).ok_or_else(missing)
}

fn wrong_type(path: &Path, column: &str, found: &DataType, expected: &'static str) -> ItemsError {
    ItemsError::ColumnType {
        path: path.to_owned(),
        column: column.to_owned(),
        found: found.to_string(),
        expected,
    }
}
