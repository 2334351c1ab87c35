//! The program `console`: bind, then hand over to the library.

use std::process::ExitCode;

use clap::Parser;
use dayvec_console::Config;
use dayvec_runtime::Listeners;
use dayvec_runtime::program::{self, ConfigArgs};

/// Serve a read-only status page: what is announced, served, trained, and what is behind one user's embedding.
#[derive(Debug, Parser)]
#[command(version)]
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
