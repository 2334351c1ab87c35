//! The program `console`: bind the ports, then serve.

use std::process::ExitCode;

use clap::Parser;
use dayvec_console::Config;
use dayvec_runtime::Listeners;
use dayvec_runtime::program::{self, ConfigArgs};

/// Serve a read-only status page: what is announced, served and trained, and what one user's embedding is based on.
#[derive(Debug, Parser)]
#[command(name = "console", version)]
struct Cli {
    #[command(flatten)]
    config: ConfigArgs,
}

fn main() -> ExitCode {
    program::start(|cli: Cli| {
        let Some(config) = cli.config.load(Config::load)? else { return Ok(()) };
        program::serve(|shutdown| async {
            let listeners = Listeners::bind(config.listen, config.admin_listen).await?;
            dayvec_console::run(config, listeners, shutdown).await
        })
    })
}
