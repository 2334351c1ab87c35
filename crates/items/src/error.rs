//! What can go wrong with item features, each with what, where and what to do.

use std::path::{Path, PathBuf};

use dayvec_core::{Fault, FaultKind};

/// Errors of this crate. Rows are counted from 0 over the whole input.
#[derive(Debug, thiserror::Error)]
pub enum ItemsError {
    /// The file or folder cannot be opened or listed.
    #[error("cannot open {}; check that it is there and may be read", path.display())]
    Open {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The file is there but is not what its name says.
    #[error("cannot read {} as {format}; is it whole, and of that format?", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The format that was tried.
        format: &'static str,
        /// What the reader of that format says.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The table cannot be written.
    #[error("cannot write {}; is the disk full, or the folder missing or read-only?", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A column that is needed is not there.
    #[error(
        "{}: no column `{column}`; the columns are {present:?}: rename one of them, or map it in the configuration",
        path.display()
    )]
    MissingColumn {
        /// The file.
        path: PathBuf,
        /// The column that is needed.
        column: String,
        /// The columns that there are.
        present: Vec<String>,
    },
    /// A column has a type that cannot be used.
    #[error("{}: column `{column}` is {found}; write it as {expected}", path.display())]
    ColumnType {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// Its type.
        found: String,
        /// The types that can be used.
        expected: &'static str,
    },
    /// No rows.
    #[error("{}: no items; item features need at least one row", path.display())]
    NoItems {
        /// The file or folder.
        path: PathBuf,
    },
    /// An item id is null or empty.
    #[error("{}: row {row}: item_id is {what}; give every row an id, or drop the row", path.display())]
    BadId {
        /// The file.
        path: PathBuf,
        /// The row.
        row: usize,
        /// `null` or `empty`.
        what: &'static str,
    },
    /// Two rows have the same id.
    #[error(
        "{}: row {row}: item `{item}` is already in row {first_row}; keep one row an item",
        path.display()
    )]
    DuplicateId {
        /// The file.
        path: PathBuf,
        /// The later row.
        row: usize,
        /// The earlier row.
        first_row: usize,
        /// The id.
        item: String,
    },
    /// An embedding is null or not as wide as the first one.
    #[error(
        "{}: row {row}: item `{item}` has an embedding of {got} numbers where row 0 has {expected}; \
         every embedding must have the same width (and at least 1)",
        path.display()
    )]
    Ragged {
        /// The file.
        path: PathBuf,
        /// The row.
        row: usize,
        /// The item of the row.
        item: String,
        /// Width of the first embedding.
        expected: usize,
        /// Width of this one, 0 when null.
        got: usize,
    },
    /// An embedding holds NaN, an infinity or null.
    #[error(
        "{}: row {row}: item `{item}` has {value} at position {position} of its embedding; \
         replace it with a finite 32-bit number, or drop the item",
        path.display()
    )]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The row.
        row: usize,
        /// The item of the row.
        item: String,
        /// Place in the embedding, from 0.
        position: usize,
        /// `NaN`, `inf`, `-inf` or `null`.
        value: String,
    },
    /// The table is not as wide as the model expects.
    #[error(
        "the item features are {got} wide, the model was built for {expected}; \
         give it the item features it was trained with, or train a new model"
    )]
    Dim {
        /// Width that the model expects.
        expected: usize,
        /// Width of the table.
        got: usize,
    },
    /// Neither events nor item text.
    #[error(
        "no action in the training window and no item text: there is nothing to build item features from"
    )]
    NothingToBuildFrom,
    /// Options that contradict each other or make no sense.
    #[error("options for building item features:\n{}", .0.join("\n"))]
    Options(Vec<String>),
    /// libtorch failed.
    #[error("cannot {what} with libtorch")]
    Tensor {
        /// The step.
        what: &'static str,
        /// What libtorch says.
        #[source]
        source: tch::TchError,
    },
}

impl ItemsError {
    pub(crate) fn read(
        path: &Path,
        format: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Read { path: path.to_owned(), format, source: source.into() }
    }

    pub(crate) fn write(path: &Path, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Write { path: path.to_owned(), source: source.into() }
    }

    pub(crate) fn tensor(what: &'static str) -> impl Fn(tch::TchError) -> Self {
        move |source| Self::Tensor { what, source }
    }
}

impl Fault for ItemsError {
    fn kind(&self) -> FaultKind {
        match self {
            Self::Options(_) => FaultKind::Configuration,
            Self::Open { .. }
            | Self::Read { .. }
            | Self::MissingColumn { .. }
            | Self::ColumnType { .. }
            | Self::NoItems { .. }
            | Self::BadId { .. }
            | Self::DuplicateId { .. }
            | Self::Ragged { .. }
            | Self::NotFinite { .. }
            | Self::Dim { .. }
            | Self::NothingToBuildFrom => FaultKind::Data,
            Self::Write { .. } => FaultKind::Unavailable,
            Self::Tensor { .. } => FaultKind::Internal,
        }
    }
}
