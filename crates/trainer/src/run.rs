//! The command line as a call: configuration, signals, one of the commands, what is printed.

use anyhow::Context;
use dayvec_runtime::{Exit, OrExit, exit, shutdown};
use tokio_util::sync::CancellationToken;

use crate::cli::{Cli, Command, ConfigArgs};
use crate::config::Config;
use crate::service::{Listeners, serve};
use crate::told::nobody;
use crate::train::Outcome;

/// Do what the command line says.
///
/// # Errors
/// With the exit code that says what the caller can do.
pub fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Command::Train { config, resume } => {
            let Some(config) = prepare(&config)? else { return Ok(()) };
            let (_signals, shutdown) = listen()?;
            match crate::train(&config, resume, &shutdown, &nobody)? {
                Outcome::Trained(report) | Outcome::AlreadyTrained(report) => {
                    exit::print(&format!("{}\n{}\n", report.table(), report.checkpoint))?;
                }
                Outcome::Stopped(saved) => {
                    exit::print(&format!("stopped at step {}: {}\n", saved.step, saved.path.display()))?;
                }
            }
        }
        Command::Serve { config } => {
            let Some(config) = prepare(&config)? else { return Ok(()) };
            let (runtime, shutdown) = listen()?;
            runtime.block_on(async {
                let listeners = Listeners::bind(&config).await?;
                serve(config, listeners, shutdown).await
            })?;
        }
        Command::Evaluate { config, checkpoint, top, out } => {
            let Some(config) = prepare(&config)? else { return Ok(()) };
            match top.zip(out) {
                Some((k, out)) => {
                    let rows = crate::write_top(&config, &checkpoint, k as usize, &out)?;
                    exit::print(&format!("{rows} rows: {}\n", out.display()))?;
                }
                None => exit::print(&format!("{}\n", crate::evaluate(&config, &checkpoint)?.table()))?,
            }
        }
    }
    Ok(())
}

/// The configuration, logged; `None` when it was only to be checked.
fn prepare(args: &ConfigArgs) -> anyhow::Result<Option<Config>> {
    let config = Config::load(args.config.as_deref()).or_exit(Exit::BadConfig)?;
    if args.check_config {
        exit::print(&format!("{}\n", config.to_yaml()))?;
        return Ok(None);
    }
    dayvec_runtime::config::log(&config.raw);
    if let Some(threads) = i32::try_from(config.raw.run.threads).ok().filter(|&threads| threads > 0) {
        tch::set_num_threads(threads);
    }
    Ok(Some(config))
}

/// A token that a signal cancels, and the runtime that listens.
fn listen() -> anyhow::Result<(tokio::runtime::Runtime, CancellationToken)> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("start the thread that listens to signals")?;
    let shutdown = {
        let _entered = runtime.enter();
        shutdown::on_signal()
    };
    Ok((runtime, shutdown))
}
