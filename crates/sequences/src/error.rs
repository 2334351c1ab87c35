//! Everything that can go wrong between event files and sequences.

use std::path::PathBuf;

use dayvec_core::{Fault, FaultKind};

/// Result of this crate.
pub type Result<T, E = SequencesError> = ::core::result::Result<T, E>;

/// Why events could not be read as sequences.
#[derive(Debug, thiserror::Error)]
pub enum SequencesError {
    /// The event schema contradicts itself.
    #[error("the event schema is wrong: {}", faults.join("; "))]
    Schema {
        /// One sentence a fault.
        faults: Vec<String>,
    },
    /// The URL of a log names no place on this machine.
    #[error("{url} is not a local path: write a folder, file:///folder, or the URL of an object store")]
    BadUrl {
        /// The URL.
        url: String,
    },
    /// Nothing is at a path.
    #[error("{} does not exist", path.display())]
    Missing {
        /// The path.
        path: PathBuf,
    },
    /// There is no event file at all, or none of the days asked for.
    #[error("no event files in {place}{}: {found}", wanted.as_ref().map_or(String::new(), |days| format!(" for {days}")))]
    NoFiles {
        /// Where they were looked for: a path or a URL.
        place: String,
        /// The days that were asked for.
        wanted: Option<String>,
        /// The newest day that has a folder.
        newest_day: Option<dayvec_core::Day>,
        /// What is there, or what to do.
        found: String,
    },
    /// The files hold no row.
    #[error("the log is empty: no rows in {n_files} files ({})", files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", "))]
    EmptyLog {
        /// Number of files that were read.
        n_files: usize,
        /// The first of them.
        files: Vec<PathBuf>,
    },
    /// A file is neither Parquet nor CSV by its name.
    #[error("{} is not a .parquet, .pq or .csv file", path.display())]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
    /// A column that the schema names is not in a file.
    #[error(
        "{} has no column `{column}` for {role}; it has {found:?}: name the right one in the event schema under `columns: {{ {role}: NAME }}`{hint}",
        path.display()
    )]
    MissingColumn {
        /// The file.
        path: PathBuf,
        /// What the column is for, the key under `columns`.
        role: &'static str,
        /// The name that was looked for.
        column: String,
        /// The columns that the file has.
        found: Vec<String>,
        /// What else would help.
        hint: &'static str,
    },
    /// A column has a type that cannot be read as what it is for.
    #[error("{}: column `{column}` for {role} is {dtype}; it must be {expected}", path.display())]
    ColumnType {
        /// The file.
        path: PathBuf,
        /// What the column is for, the key under `columns`.
        role: &'static str,
        /// Its name.
        column: String,
        /// Its type.
        dtype: String,
        /// The types that can be read.
        expected: &'static str,
    },
    /// More surfaces than 65,535: the column is hardly a surface.
    #[error("{}: column `{column}` has more than 65,535 distinct surfaces; map `surface` to another column, or to none", path.display())]
    TooManySurfaces {
        /// The file.
        path: PathBuf,
        /// The column's name.
        column: String,
    },
    /// The share of bad rows passed the limit.
    #[error(
        "{bad} of {rows} rows are bad ({:.2} %; the limit is {:.2} %): {reasons}{quarantine}",
        100.0 * *bad as f64 / *rows as f64, 100.0 * limit
    )]
    TooManyBadRows {
        /// Bad rows.
        bad: u64,
        /// Rows read.
        rows: u64,
        /// Largest share allowed.
        limit: f64,
        /// Counts by reason, with what is known about each.
        reasons: String,
        /// Where examples are, as the end of the sentence.
        quarantine: String,
    },
    /// A state file was not written by [`crate::state::write`], or is damaged.
    #[error("{} is not a whole state file: {reason}; remove it and let the run rebuild its state", path.display())]
    State {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The bucket that a log is in failed; see the variant inside.
    #[error(transparent)]
    Bucket(#[from] dayvec_bucket::BucketError),
    /// A file could not be read or written.
    #[error("{action} {}", path.display())]
    Io {
        /// A bare verb: "read", "write".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// polars could not read or write a file.
    #[error("{action} {}", path.display())]
    Polars {
        /// A bare verb: "read", "write".
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What polars said.
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
