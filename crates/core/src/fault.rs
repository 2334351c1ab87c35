//! The kind of fault of an error, so that one table decides exit codes and gRPC codes for every program.

use ::core::error::Error;

/// What the caller can do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FaultKind {
    /// Settings, arguments or credentials are wrong; a retry fails in the same way.
    Configuration,
    /// Input or stored data is wrong, missing, or refused by a gate; a retry fails in the same way.
    Data,
    /// Another process did the same work first; look at its result before trying again.
    LostRace,
    /// A store, a service or a disk is unavailable; retry later.
    Unavailable,
    /// A fault of this program.
    Internal,
}

/// An error of a library, which knows its kind.
pub trait Fault: Error {
    /// The kind of this error.
    fn kind(&self) -> FaultKind;
}
