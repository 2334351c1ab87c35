//! The program `inference`; see the library.

use std::process::ExitCode;

use clap::Parser as _;
use dayvec_inference::Cli;
use dayvec_runtime::{Exit, exit, logging};

fn main() -> ExitCode {
    dayvec_model::wait_briefly();
    logging::init();
    dayvec_model::keep_freed_memory();
    match Cli::try_parse() {
        Ok(cli) => exit::report(dayvec_inference::main(cli)),
        Err(error) => {
            let _nowhere_left_to_tell = error.print();
            if error.use_stderr() { ExitCode::from(Exit::BadConfig as u8) } else { ExitCode::SUCCESS }
        }
    }
}
