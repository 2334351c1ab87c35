//! What can go wrong with item features, each with what, where and what to do.
#![expect(missing_docs, reason = "the message of a variant says what its fields are")]

use std::path::{Path, PathBuf};

use dayvec_core::{Fault, FaultKind};

/// Errors of this crate. Rows are counted from 0 over the whole input.
#[derive(Debug, thiserror::Error)]
pub enum ItemsError {
    /// The file or folder cannot be opened or listed.
    #[error("cannot open {}; check that it exists and is readable", path.display())]
    Open {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// The file is there but is not what its name says.
    #[error("cannot read {} as {format}; the file may be truncated or in another format", path.display())]
    Read {
        path: PathBuf,
        format: &'static str,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The table cannot be written.
    #[error("cannot write {}; check that the folder exists and is writable, and that the disk is not full", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A column that is needed is not there.
    #[error(
        "{}: column `{column}` is missing; the file has {present:?}: rename one of them, or map it in the configuration",
        path.display()
    )]
    MissingColumn { path: PathBuf, column: String, present: Vec<String> },
    /// A column has a type that cannot be used.
    #[error("{}: column `{column}` has type {found}; it must be {expected}", path.display())]
    ColumnType { path: PathBuf, column: String, found: String, expected: &'static str },
    /// No rows.
    #[error("{}: no items; item features need at least one row", path.display())]
    NoItems { path: PathBuf },
    /// An item id is null or empty.
    #[error("{}: row {row}: item_id is {what}; give every row an id, or drop the row", path.display())]
    BadId { path: PathBuf, row: usize, what: &'static str },
    /// A row of a predicted list lacks its id, its rank or its score.
    #[error("{}: row {row}: {column} is {what}", path.display())]
    BadCell { path: PathBuf, row: usize, column: &'static str, what: String },
    /// A predicted list contradicts itself.
    #[error("{}: the list of user `{user}`: {what}", path.display())]
    BadList { path: PathBuf, user: String, what: String },
    /// Predicted lists without order.
    #[error(
        "{}: column `rank` (1 for the best item) or `score` (the highest for the best) is missing; the file has {present:?}",
        path.display()
    )]
    NoOrder { path: PathBuf, present: Vec<String> },
    /// No lists.
    #[error("{}: no rows; predictions need at least one list", path.display())]
    NoLists { path: PathBuf },
    /// Two rows have the same id.
    #[error(
        "{}: row {row}: item `{item}` is already in row {first_row}; keep one row per item",
        path.display()
    )]
    DuplicateId { path: PathBuf, row: usize, first_row: usize, item: String },
    /// An embedding is null or not as wide as the first one.
    #[error(
        "{}: row {row}: the embedding of item `{item}` has width {got}, but that of row 0 has width {expected}; \
         all embeddings must have the same width, at least 1",
        path.display()
    )]
    Ragged { path: PathBuf, row: usize, item: String, expected: usize, got: usize },
    /// An embedding holds NaN, an infinity or null.
    #[error(
        "{}: row {row}: item `{item}` has {value} at position {position} of its embedding; \
         replace it with a finite 32-bit number, or drop the item",
        path.display()
    )]
    NotFinite { path: PathBuf, row: usize, item: String, position: usize, value: String },
    /// The table is not as wide as the model expects.
    #[error(
        "the item features have width {got}, but the model was trained with width {expected}; \
         use the item features that it was trained with, or train a new model"
    )]
    Dim { expected: usize, got: usize },
    /// Neither events nor item text.
    #[error("cannot build item features: the training data has no actions, and there is no item text")]
    NothingToBuildFrom,
    /// Options that contradict each other or make no sense.
    #[error("invalid options for building item features:\n{}", .0.join("\n"))]
    Options(Vec<String>),
    /// libtorch failed.
    #[error("libtorch failed to {what}")]
    Tensor {
        what: &'static str,
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
            | Self::BadCell { .. }
            | Self::BadList { .. }
            | Self::NoOrder { .. }
            | Self::NoLists { .. }
            | Self::Ragged { .. }
            | Self::NotFinite { .. }
            | Self::Dim { .. }
            | Self::NothingToBuildFrom => FaultKind::Data,
            Self::Write { .. } => FaultKind::Unavailable,
            Self::Tensor { .. } => FaultKind::Internal,
        }
    }
}
