//! Which columns of a file are read, as what: the event schema's names against the file's own columns and types.

use std::path::Path;

use dayvec_core::{EventSchema, SECONDS_PER_DAY};
use polars::prelude::{self as pl, DataType, Expr, col};

use crate::error::{Result, SequencesError};

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
    if let Some((column, dtype)) = file.optional(names.surface.as_ref()) {
        select.push(file.text(name::SURFACE, column, dtype)?);
    }
    if let Some((column, dtype)) = file.optional(names.duration_s.as_ref()) {
        select.push(file.duration(column, dtype)?);
    }
    if let Some((column, dtype)) = file.optional(names.event_id.as_ref()) {
        select.push(file.id(name::EVENT, column, dtype)?);
    }
    Ok(FileColumns { select, scale })
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
            dtype if is_texty(dtype) => col(column).strict_cast(DataType::String),
            _ => return Err(self.wrong_type(role, column, dtype, ID_TYPES)),
        };
        Ok(cast.alias(role))
    }

    fn text(&self, role: &'static str, column: &str, dtype: &DataType) -> Result<Expr> {
        let cast = match dtype {
            DataType::String => col(column),
            dtype if dtype.is_integer() || dtype.is_bool() || is_texty(dtype) => {
                col(column).strict_cast(DataType::String)
            }
            _ => return Err(self.wrong_type(role, column, dtype, ID_TYPES)),
        };
        Ok(cast.alias(role))
    }

    fn duration(&self, column: &str, dtype: &DataType) -> Result<Expr> {
        if !dtype.is_primitive_numeric() && !dtype.is_null() {
            return Err(self.wrong_type(name::DURATION, column, dtype, "a number of seconds"));
        }
        Ok(col(column).cast(DataType::Float32).alias(name::DURATION))
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
            _ => {
                let expected = "an integer (its unit is `time_unit`), a timestamp or a date";
                return Err(self.wrong_type(name::TIME, column, dtype, expected));
            }
        };
        Ok((col(column).cast(DataType::Int64).alias(name::TIME), scale))
    }
}

/// Types other than text that have one text a value.
fn is_texty(dtype: &DataType) -> bool {
    dtype.is_null() || dtype.is_categorical() || dtype.is_enum() || matches!(dtype, DataType::Binary)
}

/// The columns that are text in a CSV file whatever its first rows look like, so that an id `007` stays itself.
pub(crate) fn text_columns(schema: &EventSchema) -> impl Iterator<Item = &str> {
    let names = &schema.columns;
    let optional = [&names.action, &names.surface, &names.event_id];
    [&names.user_id, &names.item_id].into_iter().chain(optional.into_iter().flatten()).map(String::as_str)
}
