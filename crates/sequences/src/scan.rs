//! Streams the mapped columns of one file, in order, in bounded batches; polars decodes the next batch on its own
//! threads while the caller works on this one.

use std::fs::File;
use std::io::Read as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;

use dayvec_core::EventSchema;
use polars::error::PolarsError;
use polars::prelude::{
    DataFrame, DataType, Engine, HiveOptions, LazyCsvReader, LazyFileListReader, LazyFrame, PlRefPath,
    PlanCallback, ScanArgsParquet, Schema, col,
};

use crate::columns::{self, TimeScale};
use crate::error::{Result, SequencesError};
use crate::log::Format;
use crate::time_text::microseconds;

/// A file that was opened, with nothing but its header or footer read.
pub(crate) struct Scan<'a> {
    path: &'a Path,
    frame: LazyFrame,
    pub(crate) scale: TimeScale,
    /// Optional columns of the schema that the file has.
    pub(crate) optional: Vec<&'static str>,
    /// Whether a row without any value is an empty line.
    pub(crate) has_blank_lines: bool,
}

impl<'a> Scan<'a> {
    pub(crate) fn open(schema: &EventSchema, path: &'a Path) -> Result<Self> {
        let failed = |source| SequencesError::Polars { action: "read", path: path.to_owned(), source };
        let mut frame = match Format::of(path) {
            Some(Format::Parquet) => open_parquet(path).map_err(failed)?,
            Some(Format::Csv) => {
                refuse_compressed(path)?;
                guarded(|| open_csv(schema, path)).map_err(failed)?
            }
            None => return Err(SequencesError::UnknownFormat { path: path.to_owned() }),
        };
        let found = guarded(|| frame.collect_schema()).map_err(failed)?;
        let columns = columns::plan(schema, &found, path)?;
        Ok(Self {
            path,
            frame: frame.select(columns.select),
            scale: columns.scale,
            optional: columns.optional,
            has_blank_lines: Format::of(path) == Some(Format::Csv),
        })
    }

    /// Calls `each` with the file's rows, in their order; an error of `each` ends the scan.
    pub(crate) fn batches(self, mut each: impl FnMut(DataFrame) -> Result<()>) -> Result<()> {
        let failed = |source| SequencesError::Polars { action: "read", path: self.path.to_owned(), source };
        let (send, receive) = sync_channel(1);
        let hand_over = PlanCallback::new(move |batch: DataFrame| Ok(send.send(batch).is_err()));
        let query = self.frame.sink_batches(hand_over, true, None).map_err(failed)?;
        thread::scope(|scope| {
            let decoder =
                scope.spawn(move || guarded(|| query.collect_with_engine(Engine::Streaming).map(drop)));
            let read = receive.iter().try_for_each(&mut each);
            drop(receive);
            let decoded = decoder.join().expect("a guarded thread does not panic");
            read.and(decoded.map_err(failed))
        })
    }
}

/// polars panics on column types that it was built without, for example decimal, even where the column is not
/// read.
fn guarded<T>(read: impl FnOnce() -> Result<T, PolarsError>) -> Result<T, PolarsError> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str);
        let said = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given");
        let advice = "the file is damaged, or has a column of a type that is not supported: drop or cast it";
        Err(PolarsError::ComputeError(format!("{said} ({advice})").into()))
    })
}

fn open_parquet(path: &Path) -> Result<LazyFrame, PolarsError> {
    // Folders named `column=value` say nothing about the rows: what a file says stands.
    let hive_options = HiveOptions::new_disabled();
    let args = ScanArgsParquet { glob: false, cache: false, hive_options, ..ScanArgsParquet::default() };
    LazyFrame::scan_parquet(PlRefPath::try_from_path(path)?, args)
}

/// Rows that the form of times is told by, as many as polars tells types by.
const SAMPLE_ROWS: usize = 100;

/// The first bytes of compressed files.
const COMPRESSED: [(&[u8], &str); 3] =
    [(&[0x1f, 0x8b], "gzip"), (&[0x28, 0xb5, 0x2f, 0xfd], "zstd"), (b"BZh", "bzip2")];

fn refuse_compressed(path: &Path) -> Result<()> {
    let mut head = [0; 4];
    let read = File::open(path).and_then(|mut file| file.read(&mut head));
    let n_read =
        read.map_err(|source| SequencesError::Io { action: "read", path: path.to_owned(), source })?;
    match COMPRESSED.iter().find(|(magic, _)| head[..n_read].starts_with(magic)) {
        Some(&(_, compression)) => Err(SequencesError::Compressed { path: path.to_owned(), compression }),
        None => Ok(()),
    }
}

/// Numbers and times are of the type that the first 100 rows have; a field that is not of its column's type is
/// null, so that it is counted as a bad row and does not end the read.
fn open_csv(schema: &EventSchema, path: &Path) -> Result<LazyFrame, PolarsError> {
    let path = PlRefPath::try_from_path(path)?;
    let reader = || {
        LazyCsvReader::new(path.clone())
            .with_glob(false)
            .with_try_parse_dates(true)
            .with_ignore_errors(true)
            .with_truncate_ragged_lines(true)
            .with_raise_if_empty(false)
    };
    let inferred = reader().finish()?.collect_schema()?;
    let mut overwrite = Schema::default();
    for column in columns::text_columns(schema).filter(|column| inferred.contains(column)) {
        overwrite.insert(column.into(), DataType::String);
    }
    // polars takes a time with words behind it for a time, and then can't read it: our own forms come first.
    let time = schema.columns.timestamp.as_str();
    if inferred.get(time).is_some_and(DataType::is_temporal) {
        let text = Schema::from_iter([(time.into(), DataType::String)]);
        let sample = reader().with_n_rows(Some(SAMPLE_ROWS)).with_dtype_overwrite(Some(Arc::new(text)));
        let sample = sample.finish()?.select([col(time)]).collect()?;
        let is_ours = |text: Option<&str>| {
            text.is_none_or(|text| text.is_empty() || microseconds(text, schema.time_unit).is_some())
        };
        if sample.column(time)?.str()?.iter().all(is_ours) {
            overwrite.insert(time.into(), DataType::String);
        }
    }
    // As text, so that what is no number is seen.
    if let Some(column) = schema.columns.duration_s.as_deref().filter(|column| inferred.contains(column)) {
        overwrite.insert(column.into(), DataType::String);
    }
    reader().with_dtype_overwrite(Some(Arc::new(overwrite))).finish()
}
