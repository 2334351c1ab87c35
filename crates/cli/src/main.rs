//! The program `dayvec`.

use std::process::ExitCode;

use clap::Parser as _;

use dayvec_runtime::{Exit, exit, logging};

fn main() -> ExitCode {
    logging::init();
    match dayvec_cli::Cli::try_parse() {
        Ok(cli) => exit::report(dayvec_cli::run(cli)),
        Err(error) => {
            let _nowhere_left_to_tell = error.print();
            if error.use_stderr() { ExitCode::from(Exit::BadConfig as u8) } else { ExitCode::SUCCESS }
        }
    }
}
