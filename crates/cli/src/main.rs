//! The program `dayvec`.

use std::process::ExitCode;

fn main() -> ExitCode {
    dayvec_runtime::program::start(dayvec_cli::run)
}
