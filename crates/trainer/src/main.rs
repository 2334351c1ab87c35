//! The program `trainer`; see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    dayvec_model::wait_briefly();
    dayvec_model::keep_freed_memory();
    dayvec_model::load_cuda();
    dayvec_runtime::program::start(dayvec_trainer::run)
}
