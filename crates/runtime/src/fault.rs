//! The one map from kinds of faults to exit codes and gRPC codes; docs/runbook.md has it as a table.
//!
//! A library's error says its kind ([`Fault`]); a program keeps it with [`OrFault::or_fault`], or names one for any other
//! error with [`WithFault::fault`]. Context may be added before or after.

use std::fmt;

use dayvec_core::{Fault, FaultKind};
use tonic::{Code, Status};

/// Exit code of a program that ends with a fault of this kind.
#[must_use]
pub const fn exit_code(kind: FaultKind) -> u8 {
    match kind {
        FaultKind::Configuration => 64,
        FaultKind::Data => 65,
        FaultKind::Unavailable => 69,
        FaultKind::LostRace => 75,
        FaultKind::Internal => 1,
    }
}

/// Code of a gRPC call that fails with a fault of this kind. What is wrong with the *request* is the service's to say:
/// `INVALID_ARGUMENT`, `NOT_FOUND`, `RESOURCE_EXHAUSTED`.
#[must_use]
pub const fn grpc_code(kind: FaultKind) -> Code {
    match kind {
        FaultKind::Configuration | FaultKind::Data => Code::FailedPrecondition,
        FaultKind::Unavailable => Code::Unavailable,
        FaultKind::LostRace => Code::Aborted,
        FaultKind::Internal => Code::Internal,
    }
}

/// The kind of an error: the outermost that was named; [`FaultKind::Internal`] when none was.
#[must_use]
pub fn kind(error: &anyhow::Error) -> FaultKind {
    error.downcast_ref().map_or(FaultKind::Internal, |&Named(kind)| kind)
}

/// The status of a call that failed with `error`. An internal error is logged here and not shown to the caller.
#[must_use]
pub fn status(error: &anyhow::Error) -> Status {
    let code = grpc_code(kind(error));
    if code == Code::Internal {
        tracing::error!(error = format!("{error:#}"), "a call failed");
        return Status::internal("internal error; see the log of the service");
    }
    Status::new(code, format!("{error:#}"))
}

/// Keeps the kind of a library's error.
pub trait OrFault<T> {
    /// The same result, with the kind that the error says.
    ///
    /// # Errors
    /// The error of `self`.
    fn or_fault(self) -> anyhow::Result<T>;
}

impl<T, E: Fault + Send + Sync + 'static> OrFault<T> for Result<T, E> {
    fn or_fault(self) -> anyhow::Result<T> {
        self.map_err(|error| {
            let kind = error.kind();
            anyhow::Error::new(error).context(Named(kind))
        })
    }
}

/// Names the kind of any error.
pub trait WithFault<T> {
    /// The same result, with `kind` for its error; it replaces a kind that was named before.
    ///
    /// # Errors
    /// The error of `self`.
    fn fault(self, kind: FaultKind) -> anyhow::Result<T>;
}

impl<T, E: Into<anyhow::Error>> WithFault<T> for Result<T, E> {
    fn fault(self, kind: FaultKind) -> anyhow::Result<T> {
        self.map_err(|error| error.into().context(Named(kind)))
    }
}

/// A kind as it is kept in the chain of an error.
#[derive(Debug)]
struct Named(FaultKind);

impl fmt::Display for Named {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(match self.0 {
            FaultKind::Configuration => "wrong configuration or arguments",
            FaultKind::Data => "bad data",
            FaultKind::Unavailable => "unavailable, try again later",
            FaultKind::LostRace => "another process was first",
            FaultKind::Internal => "internal error",
        })
    }
}

#[cfg(test)]
mod tests {
    use anyhow::{Context as _, anyhow};

    use super::*;

    const KINDS: [FaultKind; 5] = [
        FaultKind::Configuration,
        FaultKind::Data,
        FaultKind::Unavailable,
        FaultKind::LostRace,
        FaultKind::Internal,
    ];

    #[derive(Debug, thiserror::Error)]
    #[error("the disk is full")]
    struct Full;

    impl Fault for Full {
        fn kind(&self) -> FaultKind {
            FaultKind::Unavailable
        }
    }

    #[test]
    fn a_kind_survives_context_and_the_outermost_counts() {
        let error = Err::<(), _>(Full).or_fault().context("write the index").unwrap_err();
        assert_eq!(kind(&error), FaultKind::Unavailable);
        assert!(format!("{error:#}").ends_with("the disk is full"), "{error:#}");
        let renamed = Err::<(), _>(error).fault(FaultKind::Data).context("serve").unwrap_err();
        assert_eq!(kind(&renamed), FaultKind::Data);
        assert_eq!(kind(&anyhow!("anything else")), FaultKind::Internal);
    }

    #[test]
    fn an_internal_error_is_not_shown_to_callers() {
        let status_of = |kind| status(&Err::<(), _>(anyhow!("a secret path")).fault(kind).unwrap_err());
        assert!(status_of(FaultKind::Unavailable).message().contains("a secret path"));
        assert!(!status_of(FaultKind::Internal).message().contains("secret"));
    }

    /// The table of docs/runbook.md: kind, exit code, gRPC code.
    fn documented() -> Vec<(String, String, String)> {
        let text = include_str!("../../../docs/runbook.md");
        let rows = text.lines().skip_while(|line| !line.starts_with("| kind | exit code | gRPC code |"));
        let rows = rows.skip(2).take_while(|line| line.starts_with('|'));
        let cell =
            |row: &str, nth: usize| row.split('|').nth(nth + 1).unwrap().trim().trim_matches('`').to_owned();
        rows.map(|row| (cell(row, 0), cell(row, 1), cell(row, 2))).collect()
    }

    fn grpc_name(code: Code) -> &'static str {
        match code {
            Code::FailedPrecondition => "FAILED_PRECONDITION",
            Code::Unavailable => "UNAVAILABLE",
            Code::Aborted => "ABORTED",
            Code::Internal => "INTERNAL",
            other => panic!("{other:?} has no name here"),
        }
    }

    #[test]
    fn the_runbook_has_every_kind_with_its_codes_and_no_other() {
        let mut documented = documented();
        assert_eq!(documented.remove(0), ("done".to_owned(), "0".to_owned(), "OK".to_owned()));
        let in_code = KINDS.map(|kind| {
            let name = format!("{kind:?}");
            (name, exit_code(kind).to_string(), grpc_name(grpc_code(kind)).to_owned())
        });
        assert_eq!(documented, in_code);
    }
}
