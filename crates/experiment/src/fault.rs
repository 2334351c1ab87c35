//! Keeps the kind of a library's error as an exit code.

use dayvec_core::{Fault, FaultKind};
use dayvec_runtime::{Exit, OrExit as _};

/// Keeps the kind of a library's error.
pub trait OrFault<T> {
    /// The same result, with the exit code of the error's kind.
    ///
    /// # Errors
    /// The error of `self`.
    fn or_fault(self) -> anyhow::Result<T>;
}

impl<T, E: Fault + Send + Sync + 'static> OrFault<T> for Result<T, E> {
    fn or_fault(self) -> anyhow::Result<T> {
        let exit = match &self {
            Ok(_) => return self.map_err(Into::into),
            Err(error) => match error.kind() {
                FaultKind::Configuration => Exit::BadConfig,
                FaultKind::Data => Exit::BadData,
                FaultKind::LostRace => Exit::LostRace,
                FaultKind::Unavailable => Exit::Unavailable,
                FaultKind::Internal => return self.map_err(Into::into),
            },
        };
        self.or_exit(exit)
    }
}
