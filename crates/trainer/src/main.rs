//! The program `trainer`; see the library.

use std::process::ExitCode;

use clap::Parser;
use dayvec_runtime::{Exit, exit, logging};
use dayvec_trainer::Cli;

fn main() -> ExitCode {
    dayvec_model::wait_briefly();
    logging::init();
    dayvec_model::keep_freed_memory();
    match Cli::try_parse() {
        Ok(cli) => exit::report(dayvec_trainer::run(cli)),
        Err(error) => {
            let _nowhere_left_to_tell = error.print();
            if error.use_stderr() { ExitCode::from(Exit::BadConfig as u8) } else { ExitCode::SUCCESS }
        }
    }
}
