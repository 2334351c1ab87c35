//! The program `lookup`: bind, then hand over to the library.

use std::process::ExitCode;

use clap::Parser;
use dayvec_lookup::Config;
use dayvec_runtime::Listeners;
use dayvec_runtime::program::{self, ConfigArgs};

/// Serve the newest announced snapshot of user and item embeddings over gRPC.
#[derive(Debug, Parser)]
#[command(name = "lookup", version)]
struct Cli {
    #[command(flatten)]
    config: ConfigArgs,
}

fn main() -> ExitCode {
    program::start(|cli: Cli| {
        let Some(config) = cli.config.load(Config::load)? else { return Ok(()) };
        program::serve(|shutdown| async {
            let listeners = Listeners::bind(config.listen, config.admin_listen).await?;
            dayvec_lookup::run(config, listeners, shutdown).await
        })
    })
}
