//! The program `lookup`: bind, then hand over to the library.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use dayvec_lookup::{Config, Listeners};
use dayvec_runtime::{Exit, OrExit as _, exit, logging, shutdown};

/// Serve the newest announced snapshot of user and item embeddings over gRPC.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Settings; the shipped ones without it.
    #[arg(long, value_name = "PATH")]
    config: Option<PathBuf>,
    /// Check the settings, print them as they resolve, and stop.
    #[arg(long)]
    check_config: bool,
}

fn main() -> ExitCode {
    logging::init();
    exit::report(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let config = Config::load(arguments.config.as_deref()).or_exit(Exit::BadConfig)?;
    if arguments.check_config {
        return Ok(exit::print(&dayvec_runtime::config::to_yaml(&config))?);
    }
    let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
    runtime.block_on(async {
        let listeners = Listeners::bind(&config).await.or_exit(Exit::BadConfig)?;
        dayvec_lookup::run(config, listeners, shutdown::on_signal()).await
    })
}
