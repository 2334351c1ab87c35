//! The program `dayvec`.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    dayvec_runtime::logging::init();
    dayvec_runtime::exit::report(dayvec_cli::run(dayvec_cli::Cli::parse()))
}
