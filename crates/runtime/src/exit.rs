//! Exit codes, and the one place where a program's error chain is printed.

use std::io::{self, Write as _};
use std::process::ExitCode;

use crate::fault;

/// Why a program ends early, as its caller sees it: the exit code. Anything else ends with 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[repr(u8)]
pub enum Exit {
    /// 64: the configuration or the arguments are wrong; a retry fails the same way.
    #[error("wrong configuration or arguments")]
    BadConfig = 64,
    /// 65: the data is wrong, or a gate refused it; a retry fails the same way.
    #[error("bad data")]
    BadData = 65,
    /// 69: the store or a service could not be reached; retry.
    #[error("unavailable, try again later")]
    Unavailable = 69,
    /// 75: another process is already at it, or was first; retry later, if still needed.
    #[error("another process was first")]
    LostRace = 75,
}

/// Give an error its exit code.
pub trait OrExit<T> {
    /// Attach `exit` to the error; the outermost code wins.
    ///
    /// # Errors
    /// The error of `self`, with the code attached.
    fn or_exit(self, exit: Exit) -> anyhow::Result<T>;
}

impl<T, E: Into<anyhow::Error>> OrExit<T> for Result<T, E> {
    fn or_exit(self, exit: Exit) -> anyhow::Result<T> {
        self.map_err(|error| error.into().context(exit))
    }
}

/// Exit code of an error: that of its kind, or of an [`Exit`] where a program still names one.
#[must_use]
pub fn code(error: &anyhow::Error) -> u8 {
    error.downcast_ref::<Exit>().map_or_else(|| fault::exit_code(fault::kind(error)), |&exit| exit as u8)
}

/// Print the chain of an error once, to stderr, and turn the result into the process's exit code.
#[must_use]
pub fn report(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprint!("{}", render(&error));
            ExitCode::from(code(&error))
        }
    }
}

/// Print a program's result to stdout. A reader that has gone away, as `head` does, is no error.
///
/// # Errors
/// When stdout fails in another way.
pub fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        printed => printed,
    }
}

/// The chain, outermost first. A cause that its parent's text already ends with is not told twice.
fn render(error: &anyhow::Error) -> String {
    let mut text = format!("error: {error}\n");
    let mut told = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        if !told.ends_with(&cause) {
            text.push_str(&format!("  because: {cause}\n"));
        }
        told = cause;
    }
    text
}

#[cfg(test)]
mod tests {
    use anyhow::{Context as _, anyhow};

    use super::*;

    #[test]
    fn the_outermost_code_wins_and_the_chain_is_told_once() {
        let error = Err::<(), _>(anyhow!("connection refused"))
            .or_exit(Exit::Unavailable)
            .context("open bucket s3://b")
            .unwrap_err();
        assert_eq!(code(&error), 69);
        let told = "error: open bucket s3://b\n  because: unavailable, try again later\n  because: connection refused\n";
        assert_eq!(render(&error), told);
        assert_eq!(code(&Err::<(), _>(error).or_exit(Exit::BadData).unwrap_err()), 65);
        assert_eq!(code(&anyhow!("anything else")), 1);
    }
}
