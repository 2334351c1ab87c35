//! Why a call is refused, and the one mapping from reasons to gRPC statuses.

use tonic::Status;

/// A call that gets no answer. Each message names the field or the limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// The request contradicts `lookup.proto`.
    #[error("{field}: {reason}")]
    BadInput { field: String, reason: String },
    /// The request is larger than this server allows.
    #[error("{field}: {count} exceeds {limit} = {allowed}; split the request")]
    OverLimit { field: &'static str, count: usize, limit: &'static str, allowed: usize },
    /// Another pair of towers is served.
    #[error("options.require_tower_pair: `{required}` is required, but snapshot {snapshot} has `{served}`")]
    OtherTowerPair { required: String, served: String, snapshot: String },
    /// The client does not read what it asked for before.
    #[error(
        "replies on this connection, or on all of them, are not read (limits.max_buffered_bytes); read them, or ask for less at once"
    )]
    Unread,
    /// Nothing is loaded.
    #[error("no snapshot is loaded yet; try again")]
    NoSnapshot,
}

impl Refusal {
    pub(crate) fn bad_input(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::BadInput { field: field.into(), reason: reason.into() }
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        let message = refusal.to_string();
        match refusal {
            Refusal::BadInput { .. } => Self::invalid_argument(message),
            Refusal::OverLimit { .. } | Refusal::Unread => Self::resource_exhausted(message),
            Refusal::OtherTowerPair { .. } => Self::failed_precondition(message),
            Refusal::NoSnapshot => Self::unavailable(message),
        }
    }
}
