//! The command line as a call: configuration, signals, one of the commands, what is printed.

use dayvec_runtime::program::{ConfigArgs, signals};
use dayvec_runtime::{Exit, Listeners, OrExit as _, exit};

use crate::cli::{Cli, Command};
use crate::config::Config;
use crate::service::serve;
use crate::told::nobody;
use crate::train::Outcome;

/// Where torchrun, and a cluster's Job after its manner, says how many processes train together.
const WORLD_SIZE: &str = "WORLD_SIZE";

/// Do what the command line says.
///
/// # Errors
/// With the exit code that says what the caller can do.
pub fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Command::Train { config, resume } => {
            let Some(config) = prepare(&config)? else { return Ok(()) };
            alone(std::env::var(WORLD_SIZE).ok().as_deref()).or_exit(Exit::BadConfig)?;
            let (_runtime, shutdown) = signals()?;
            match crate::train(&config, resume, &shutdown, &nobody)? {
                Outcome::Trained(report) | Outcome::AlreadyTrained(report) => {
                    exit::print(&format!("{}\n{}\n", report.evaluation, report.checkpoint))?;
                }
                Outcome::Stopped(saved) => {
                    exit::print(&format!("stopped at step {}: {}\n", saved.step, saved.path.display()))?;
                }
            }
        }
        Command::Serve { config } => {
            let Some(config) = prepare(&config)? else { return Ok(()) };
            alone(std::env::var(WORLD_SIZE).ok().as_deref()).or_exit(Exit::BadConfig)?;
            let (runtime, shutdown) = signals()?;
            runtime.block_on(async {
                let listeners =
                    Listeners::bind(config.raw.service.listen, config.raw.service.admin_listen).await?;
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
                None => exit::print(&format!("{}\n", crate::evaluate(&config, &checkpoint)?.evaluation))?,
            }
        }
    }
    Ok(())
}

/// The configuration; `None` when it was only to be checked.
fn prepare(args: &ConfigArgs) -> anyhow::Result<Option<Config>> {
    let config = args.load(Config::load)?;
    let threads = config.as_ref().and_then(|config| i32::try_from(config.raw.run.threads).ok());
    if let Some(threads) = threads.filter(|&threads| threads > 0) {
        tch::set_num_threads(threads);
    }
    Ok(config)
}

/// Refuse to be one of several: each would train a model of its own, on all the users, and think itself the only one.
fn alone(world_size: Option<&str>) -> anyhow::Result<()> {
    match world_size {
        None | Some("" | "1") => Ok(()),
        Some(size) => anyhow::bail!(
            "{WORLD_SIZE}={size}: the trainer is one process on one GPU; start one, with {WORLD_SIZE}=1 or unset"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_several_processes_is_refused() {
        for size in [None, Some("1"), Some("")] {
            alone(size).unwrap();
        }
        for size in ["2", "0", "many"] {
            assert!(alone(Some(size)).unwrap_err().to_string().contains(&format!("WORLD_SIZE={size}")));
        }
    }
}
