//! What can go wrong in an evaluation, each with what, where and what to do.

use dayvec_core::{Fault, FaultKind};

/// Errors of this crate.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are what the message says")]
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
    #[error("{scorer}: scores have the shape {got:?}, but must have {expected:?} (users, items)")]
    Shape { scorer: String, got: Vec<i64>, expected: Vec<i64> },
    /// A score is not a number.
    #[error("{scorer}: a score of user row {user} is NaN; look for NaN in the embeddings or item features")]
    NotANumber { scorer: String, user: usize },
    /// A scorer has no embedding of an evaluated user.
    #[error("{scorer}: no embedding for user row {user}; encode every user of the truth")]
    UnknownUser { scorer: String, user: usize },
    /// The length of a matrix is not its rows times its width.
    #[error("{what}: {got} values, but {rows} rows of width {dim} need {}", rows * dim)]
    Size { what: String, got: usize, rows: usize, dim: usize },
    /// The history and the item table count items differently.
    #[error(
        "the item table has {table} items and the history {history}; resolve the sequences with this table first"
    )]
    ItemRows { table: usize, history: usize },
    /// Singular vectors could not be computed.
    #[error("truncated SVD of the user × item matrix failed")]
    Svd(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A model could not encode.
    #[error("{scorer}: the users can't be encoded")]
    Encode {
        scorer: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It was stopped on request.
    #[error("the evaluation was stopped; nothing of it is kept")]
    Stopped,
    /// libtorch refused an operation.
    #[error("a tensor operation failed; is there memory enough for one block of scores?")]
    Torch(#[from] tch::TchError),
}

impl Fault for EvaluationError {
    fn kind(&self) -> FaultKind {
        match self {
            Self::EmptyLog | Self::NoUsers | Self::NotANumber { .. } => FaultKind::Data,
            Self::Stopped => FaultKind::Unavailable,
            Self::Shape { .. }
            | Self::UnknownUser { .. }
            | Self::Size { .. }
            | Self::ItemRows { .. }
            | Self::Svd(_)
            | Self::Encode { .. }
            | Self::Torch(_) => FaultKind::Internal,
        }
    }
}
