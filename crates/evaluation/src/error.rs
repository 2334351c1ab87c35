//! What can go wrong in an evaluation, each with what, where and what to do.

use dayvec_core::{Fault, FaultKind};

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
pub enum EvaluationError {
    /// The log has no actions to evaluate on.
    #[error("the log has no actions; evaluation needs events on both sides of the cut-off")]
    EmptyLog,
    /// No user has positives on both sides of the cut-off.
    #[error(
        "no user has positive actions both before and after the cut-off; check the rules for positives, or choose an \
         earlier cut-off"
    )]
    NoUsers,
    /// A scorer's tensor has the wrong shape.
    #[error("{scorer}: scores have the shape {got:?} where {expected:?} (users, items) is needed")]
    Shape {
        /// Name of the scorer.
        scorer: String,
        /// Shape of its scores.
        got: Vec<i64>,
        /// Shape that was asked for.
        expected: Vec<i64>,
    },
    /// A score is not a number.
    #[error("{scorer}: a score of user row {user} is NaN; look for NaN in the embeddings or item features")]
    NotANumber {
        /// Name of the scorer.
        scorer: String,
        /// Row of the user in the history.
        user: usize,
    },
    /// A scorer knows nothing of a user that is evaluated.
    #[error("{scorer}: no embedding for user row {user}; encode every user of the truth")]
    UnknownUser {
        /// Name of the scorer.
        scorer: String,
        /// Row of the user in the history.
        user: usize,
    },
    /// A matrix does not have the size that its rows and width ask for.
    #[error("{what}: {got} values where {rows} rows of {dim} need {}", rows * dim)]
    Size {
        /// Which matrix.
        what: String,
        /// Number of values.
        got: usize,
        /// Number of rows.
        rows: usize,
        /// Width.
        dim: usize,
    },
    /// The history and the item table count items differently.
    #[error(
        "the item table has {table} items and the history {history}; resolve the sequences with this table first"
    )]
    ItemRows {
        /// Items in the table.
        table: usize,
        /// Items in the history.
        history: usize,
    },
    /// Singular vectors could not be computed.
    #[error("truncated SVD of the user × item matrix failed")]
    Svd(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// libtorch refused an operation.
    #[error("a tensor operation failed; is there memory enough for one block of scores?")]
    Torch(#[from] tch::TchError),
}

impl Fault for EvaluationError {
    fn kind(&self) -> FaultKind {
        match self {
            Self::EmptyLog | Self::NoUsers | Self::NotANumber { .. } => FaultKind::Data,
            Self::Shape { .. }
            | Self::UnknownUser { .. }
            | Self::Size { .. }
            | Self::ItemRows { .. }
            | Self::Svd(_)
            | Self::Torch(_) => FaultKind::Internal,
        }
    }
}
