//! What surrounds a program: its command line, its signals, its exit code.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Parser};
use serde::Serialize;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::config::{self, ConfigError};
use crate::{FaultKind, WithFault as _, exit, fault, logging, shutdown};

/// Start logging, read the command line, do what it says, and print an error once.
///
/// A wrong command line ends with 64 ([`FaultKind::Configuration`]); `--help` and `--version` are not errors.
pub fn start<Cli: Parser>(run: impl FnOnce(Cli) -> anyhow::Result<()>) -> ExitCode {
    logging::init();
    match Cli::try_parse() {
        Ok(cli) => exit::report(run(cli)),
        Err(error) => {
            let _stderr_is_closed = error.print();
            let wrong = ExitCode::from(fault::exit_code(FaultKind::Configuration));
            if error.use_stderr() { wrong } else { ExitCode::SUCCESS }
        }
    }
}

/// Which settings: the arguments that every program with settings has.
#[derive(Debug, Clone, Args)]
pub struct ConfigArgs {
    /// YAML file of settings, which override the shipped ones of config/.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Check the settings, print them as the program resolved them, and exit. Files and services that they name are not
    /// opened.
    #[arg(long)]
    pub check_config: bool,
}

impl ConfigArgs {
    /// The settings that `load` reads, logged; `None` when they were only to be checked, and are printed.
    ///
    /// # Errors
    /// With exit code 64 and every fault of the settings.
    pub fn load<C: Serialize>(
        &self,
        load: impl FnOnce(Option<&Path>) -> Result<C, ConfigError>,
    ) -> anyhow::Result<Option<C>> {
        let config = load(self.config.as_deref()).fault(FaultKind::Configuration)?;
        if self.check_config {
            exit::print(&config::to_yaml(&config))?;
            return Ok(None);
        }
        config::log(&config);
        Ok(Some(config))
    }
}

/// Run a service: `serve` is given the token that a signal cancels, on a runtime with a thread for each core.
///
/// # Errors
/// Those of `serve`.
pub fn serve<F: Future<Output = anyhow::Result<()>>>(
    serve: impl FnOnce(CancellationToken) -> F,
) -> anyhow::Result<()> {
    let runtime = Runtime::new().context("start the runtime")?;
    let served = runtime.block_on(async { serve(shutdown::on_signal()).await });
    // Not waiting for a thread that reads a disk or unpacks a part: nobody will use what it makes.
    runtime.shutdown_background();
    served
}

/// For a program that computes on threads of its own: a runtime of one thread, which listens to signals and waits for
/// the network, and the token that a signal cancels.
///
/// # Errors
/// When the thread can't be started.
pub fn signals() -> anyhow::Result<(Runtime, CancellationToken)> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.context("start the thread that listens to signals")?;
    let shutdown = {
        let _entered = runtime.enter();
        shutdown::on_signal()
    };
    Ok((runtime, shutdown))
}
