//! Exit codes, and the one place where a program's error chain is printed.

use std::io::{self, Write as _};
use std::process::ExitCode;

use crate::fault;
use crate::terminal::escaped_lines;

/// Exit code of an error: that of its kind.
#[must_use]
pub fn code(error: &anyhow::Error) -> u8 {
    fault::exit_code(fault::kind(error))
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

/// Print a program's result to stdout. A reader that closes early, as `head` does, is not an error.
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

/// The chain, outermost first, with nothing that a terminal obeys: a message may be another program's. A cause that its
/// parent's text already ends with is not printed twice.
fn render(error: &anyhow::Error) -> String {
    let mut text = format!("error: {error}\n");
    let mut last = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        if !last.ends_with(&cause) {
            text.push_str(&format!("  because: {cause}\n"));
        }
        last = cause;
    }
    escaped_lines(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use anyhow::{Context as _, anyhow};
    use dayvec_core::FaultKind;

    use super::*;
    use crate::fault::WithFault as _;

    #[test]
    fn the_outermost_code_wins_and_the_chain_is_printed_once() {
        let error = Err::<(), _>(anyhow!("connection refused"))
            .fault(FaultKind::Unavailable)
            .context("open bucket s3://b")
            .unwrap_err();
        assert_eq!(code(&error), 69);
        let printed = "error: open bucket s3://b\n  because: unavailable, try again later\n  because: connection refused\n";
        assert_eq!(render(&error), printed);
        assert_eq!(code(&Err::<(), _>(error).fault(FaultKind::Data).unwrap_err()), 65);
        assert_eq!(code(&anyhow!("anything else")), 1);
        assert_eq!(render(&anyhow!("said \u{1b}[2J\nand more")), "error: said \\u{1b}[2J\nand more\n");
    }
}
