//! Everything that can go wrong between event files and sequences.

use std::path::PathBuf;

use dayvec_core::{Fault, FaultKind};

/// Result of this crate.
pub type Result<T, E = SequencesError> = ::core::result::Result<T, E>;

/// Why events could not be read as sequences.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the messages say what the fields are")]
pub enum SequencesError {
    /// The event schema contradicts itself.
    #[error("the event schema is invalid: {}", faults.join("; "))]
    Schema { faults: Vec<String> },
    /// The `file:` URL of a log is not a path on this machine.
    #[error("{url} is not a local path; write a path, file:///path, or the URL of an object store")]
    BadUrl { url: String },
    /// Nothing is at a path.
    #[error("{} does not exist", path.display())]
    Missing { path: PathBuf },
    /// There is no event file, or none for the days that were asked for.
    #[error("no event files in {place}{}: {found}", wanted.as_ref().map_or(String::new(), |days| format!(" for {days}")))]
    NoFiles { place: String, wanted: Option<String>, newest_day: Option<dayvec_core::Day>, found: String },
    /// The files hold no row.
    #[error("the log is empty: {n_files} files without rows ({})", files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", "))]
    EmptyLog { n_files: usize, files: Vec<PathBuf> },
    /// A file is neither Parquet nor CSV by its name.
    #[error("{} is not a .parquet, .pq or .csv file", path.display())]
    UnknownFormat { path: PathBuf },
    /// A file with the name of a CSV file is compressed.
    #[error("{} is compressed ({compression}); decompress it, or write Parquet, which is compressed inside", path.display())]
    Compressed { path: PathBuf, compression: &'static str },
    /// A column that the schema names is not in a file.
    #[error(
        "{} has no column `{column}` for {role}, only {found:?}; set the name in the event schema, `columns: {{ {role}: NAME }}`{hint}",
        path.display()
    )]
    MissingColumn {
        path: PathBuf,
        role: &'static str,
        column: String,
        found: Vec<String>,
        hint: &'static str,
    },
    /// A column has a type that cannot be read as what it is for.
    #[error("{}: column `{column}` for {role} has type {dtype}; it must be {expected}", path.display())]
    ColumnType { path: PathBuf, role: &'static str, column: String, dtype: String, expected: &'static str },
    /// More than 65,535 surfaces: the column is probably not a surface.
    #[error("{}: column `{column}` has more than 65,535 distinct surfaces; set `columns.surface` to another column, or to null", path.display())]
    TooManySurfaces { path: PathBuf, column: String },
    /// The share of bad rows passed the limit.
    #[error(
        "{bad} of {rows} rows are bad ({:.2} %; the limit is {:.2} %): {reasons}{quarantine}",
        100.0 * *bad as f64 / *rows as f64, 100.0 * limit
    )]
    TooManyBadRows { bad: u64, rows: u64, limit: f64, reasons: String, quarantine: String },
    /// A state file was not written by [`crate::state::write`], or is damaged.
    #[error("{} is not a complete state file: {reason}; run with --full to rebuild the state", path.display())]
    State { path: PathBuf, reason: String },
    /// The bucket that a log is in failed; see the variant inside.
    #[error(transparent)]
    Bucket(#[from] dayvec_bucket::BucketError),
    /// A file could not be read or written.
    #[error("cannot {action} {}", path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// polars could not read or write a file.
    #[error("cannot {action} {}", path.display())]
    Polars {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: polars::error::PolarsError,
    },
}

impl Fault for SequencesError {
    fn kind(&self) -> FaultKind {
        match self {
            Self::Schema { .. } | Self::BadUrl { .. } => FaultKind::Configuration,
            Self::Bucket(error) => error.kind(),
            Self::Missing { .. }
            | Self::NoFiles { .. }
            | Self::EmptyLog { .. }
            | Self::UnknownFormat { .. }
            | Self::Compressed { .. }
            | Self::MissingColumn { .. }
            | Self::ColumnType { .. }
            | Self::TooManySurfaces { .. }
            | Self::TooManyBadRows { .. }
            | Self::State { .. }
            | Self::Polars { .. } => FaultKind::Data,
            Self::Io { .. } => FaultKind::Unavailable,
        }
    }
}
