//! Which columns of a file are read, as what: the event schema's names against the file's own columns and types.

use std::path::Path;

use dayvec_core::{EventSchema, SECONDS_PER_DAY};
use polars::prelude::{
    self as pl, Column, DataType, Expr, Field, Int64Chunked, IntoColumn, StringChunked, col, lit, when,
};

use crate::error::{Result, SequencesError};
use crate::log::Format;
use crate::time_text;

/// Names that the columns have in a batch, whatever the log calls them.
pub(crate) mod name {
    pub(crate) const USER: &str = "user_id";
    pub(crate) const ITEM: &str = "item_id";
    pub(crate) const ACTION: &str = "action";
    pub(crate) const TIME: &str = "timestamp";
    pub(crate) const SURFACE: &str = "surface";
    pub(crate) const DURATION: &str = "duration_s";
    pub(crate) const EVENT: &str = "event_id";
}

/// How the raw 64-bit time of a batch becomes Unix seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimeScale {
    /// So many of the unit are a second.
    PerSecond(i64),
    /// Whole days.
    Days,
}

impl TimeScale {
    pub(crate) const fn seconds(self, raw: i64) -> i64 {
        match self {
            Self::PerSecond(per_second) => raw.div_euclid(per_second),
            Self::Days => raw.saturating_mul(SECONDS_PER_DAY),
        }
    }
}

/// What is read of one file.
pub(crate) struct FileColumns {
    /// Columns renamed to [`name`] and cast: ids to text, `i64` or `u64`; action and surface to text; duration to
    /// `f32`; time to `i64`.
    pub(crate) select: Vec<Expr>,
    pub(crate) scale: TimeScale,
    /// Optional columns of the schema that the file has.
    pub(crate) optional: Vec<&'static str>,
}

const ID_TYPES: &str = "text or integer";

/// Matches the schema against the columns of the file at `path`.
pub(crate) fn plan(schema: &EventSchema, found: &pl::Schema, path: &Path) -> Result<FileColumns> {
    let names = &schema.columns;
    let file = FileSchema { found, path };
    let time_dtype = file.required(name::TIME, &names.timestamp, "")?;
    let (time, scale) = file.time(schema, time_dtype)?;
    let mut select = vec![
        file.id(name::USER, &names.user_id, file.required(name::USER, &names.user_id, "")?)?,
        file.id(name::ITEM, &names.item_id, file.required(name::ITEM, &names.item_id, "")?)?,
        time,
    ];
    if let Some(column) = &names.action
        && (schema.actions.len() > 1 || file.optional(Some(column)).is_some())
    {
        let hint = ", or list a single action if every event is the same";
        let dtype = file.required(name::ACTION, column, hint)?;
        select.push(file.text(name::ACTION, column, dtype)?);
    }
    let mut optional = Vec::new();
    if let Some((column, dtype)) = file.optional(names.surface.as_ref()) {
        select.push(file.text(name::SURFACE, column, dtype)?);
        optional.push(name::SURFACE);
    }
    if let Some((column, dtype)) = file.optional(names.duration_s.as_ref()) {
        select.push(file.duration(column, dtype)?);
        optional.push(name::DURATION);
    }
    if let Some((column, dtype)) = file.optional(names.event_id.as_ref()) {
        select.push(file.id(name::EVENT, column, dtype)?);
        optional.push(name::EVENT);
    }
    Ok(FileColumns { select, scale, optional })
}

struct FileSchema<'a> {
    found: &'a pl::Schema,
    path: &'a Path,
}

impl FileSchema<'_> {
    fn required(&self, role: &'static str, column: &str, hint: &'static str) -> Result<&DataType> {
        self.found.get(column).ok_or_else(|| SequencesError::MissingColumn {
            path: self.path.to_owned(),
            role,
            column: column.to_owned(),
            found: self.found.iter_names().map(ToString::to_string).collect(),
            hint,
        })
    }

    fn optional<'a>(&self, column: Option<&'a String>) -> Option<(&'a String, &DataType)> {
        column.and_then(|column| Some((column, self.found.get(column)?)))
    }

    fn wrong_type(
        &self,
        role: &'static str,
        column: &str,
        dtype: &DataType,
        expected: &'static str,
    ) -> SequencesError {
        let (column, dtype) = (column.to_owned(), dtype.to_string());
        SequencesError::ColumnType { path: self.path.to_owned(), role, column, dtype, expected }
    }

    fn id(&self, role: &'static str, column: &str, dtype: &DataType) -> Result<Expr> {
        let cast = match dtype {
            DataType::String | DataType::UInt64 => col(column),
            dtype if dtype.is_integer() => col(column).strict_cast(DataType::Int64),
            DataType::Binary => utf8(column),
            dtype if is_texty(dtype) => col(column).strict_cast(DataType::String),
            _ => return Err(self.wrong_type(role, column, dtype, ID_TYPES)),
        };
        Ok(cast.alias(role))
    }

    fn text(&self, role: &'static str, column: &str, dtype: &DataType) -> Result<Expr> {
        let cast = match dtype {
            DataType::String => col(column),
            DataType::Binary => utf8(column),
            dtype if dtype.is_integer() || dtype.is_bool() || is_texty(dtype) => {
                col(column).strict_cast(DataType::String)
            }
            _ => return Err(self.wrong_type(role, column, dtype, ID_TYPES)),
        };
        Ok(cast.alias(role))
    }

    fn duration(&self, column: &str, dtype: &DataType) -> Result<Expr> {
        let is_csv = Format::of(self.path) == Some(Format::Csv);
        let is_read = dtype.is_primitive_numeric() || dtype.is_null() || is_csv && *dtype == DataType::String;
        if !is_read {
            return Err(self.wrong_type(name::DURATION, column, dtype, "a number of seconds"));
        }
        let number = col(column).cast(DataType::Float32);
        if *dtype != DataType::String {
            return Ok(number.alias(name::DURATION));
        }
        // Text that is no number becomes infinite, which no duration is, so that its row is counted as bad.
        let is_unreadable =
            number.clone().is_null().and(col(column).is_not_null()).and(col(column).neq(lit("")));
        Ok(when(is_unreadable).then(lit(f32::INFINITY)).otherwise(number).alias(name::DURATION))
    }

    fn time(&self, schema: &EventSchema, dtype: &DataType) -> Result<(Expr, TimeScale)> {
        let column = schema.columns.timestamp.as_str();
        let scale = match dtype {
            DataType::Date => TimeScale::Days,
            DataType::Datetime(unit, _) => TimeScale::PerSecond(match unit {
                pl::TimeUnit::Nanoseconds => 1_000_000_000,
                pl::TimeUnit::Microseconds => 1_000_000,
                pl::TimeUnit::Milliseconds => 1_000,
            }),
            dtype if dtype.is_primitive_numeric() || dtype.is_null() => {
                TimeScale::PerSecond(schema.time_unit.per_second())
            }
            DataType::String => {
                let unit = schema.time_unit;
                let parse = move |column: Column| {
                    let texts = column.str()?;
                    let times: Int64Chunked =
                        texts.iter().map(|text| time_text::microseconds(text?, unit)).collect();
                    Ok(times.with_name(column.name().clone()).into_column())
                };
                let dtype =
                    |_: &pl::Schema, field: &Field| Ok(Field::new(field.name().clone(), DataType::Int64));
                let times = col(column).map(parse, dtype).alias(name::TIME);
                return Ok((times, TimeScale::PerSecond(time_text::PER_SECOND)));
            }
            _ => {
                let expected = "an integer (its unit is `time_unit`), a timestamp, a date, or text such as \
                                2024-03-20T10:30:00Z";
                return Err(self.wrong_type(name::TIME, column, dtype, expected));
            }
        };
        Ok((col(column).cast(DataType::Int64).alias(name::TIME), scale))
    }
}

/// Types other than text that have one text a value.
fn is_texty(dtype: &DataType) -> bool {
    dtype.is_null() || dtype.is_categorical() || dtype.is_enum()
}

/// A column of bytes as text; null where they are not UTF-8.
fn utf8(column: &str) -> Expr {
    let decode = |column: Column| {
        let bytes = column.binary()?;
        let texts: StringChunked = bytes.iter().map(|bytes| std::str::from_utf8(bytes?).ok()).collect();
        Ok(texts.with_name(column.name().clone()).into_column())
    };
    col(column).map(decode, |_, field| Ok(Field::new(field.name().clone(), DataType::String)))
}

/// The columns that are text in a CSV file whatever its first rows look like, so that an id `007` stays itself.
pub(crate) fn text_columns(schema: &EventSchema) -> impl Iterator<Item = &str> {
    let names = &schema.columns;
    let optional = [&names.action, &names.surface, &names.event_id];
    [&names.user_id, &names.item_id].into_iter().chain(optional.into_iter().flatten()).map(String::as_str)
}
