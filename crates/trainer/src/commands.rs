//! The command line as a call: configuration, signals, one of the commands, what is printed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use dayvec_core::FaultKind;
use dayvec_experiment::{
    Config as ExperimentConfig, Outcome, Report, Store, evaluate, evaluate_predictions, freshness,
    full_report, no_observer, set_threads, train, write_split, write_top_items,
};
use dayvec_runtime::fault::WithFault as _;
use dayvec_runtime::program::{ConfigArgs, signals};
use dayvec_runtime::{Listeners, exit, shutdown};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::cli::{Cli, Command};
use crate::config::Config;
use crate::report::{ReportFiles, report};
use crate::service::serve;
use crate::trials;

/// How torchrun, or a cluster's Job that imitates it, says how many processes train together.
const WORLD_SIZE: &str = "WORLD_SIZE";

/// Run the command of the command line.
///
/// # Errors
/// With the exit code that says what the caller can do.
pub fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Command::Train { config, resume } => {
            let Some(Config { experiment: config, .. }) = prepare(&config)? else { return Ok(()) };
            check_world_size(std::env::var(WORLD_SIZE).ok().as_deref()).fault(FaultKind::Configuration)?;
            let (runtime, shutdown) = signals()?;
            let store = Store::open(&config, runtime.handle())?;
            match train(&config, &store, resume, &shutdown, &no_observer)? {
                Outcome::Trained(report) | Outcome::AlreadyTrained(report) => {
                    print_table(&config, &store, &report, &shutdown)?;
                }
                Outcome::Stopped(saved) => {
                    exit::print(&format!("stopped at step {}: {}\n", saved.step, saved.path.display()))?;
                }
            }
        }
        Command::Serve { config } => {
            let Some(config) = prepare(&config)? else { return Ok(()) };
            check_world_size(std::env::var(WORLD_SIZE).ok().as_deref()).fault(FaultKind::Configuration)?;
            let (runtime, stopped) = signals()?;
            runtime.block_on(async {
                shutdown::end_when_overdue(stopped.clone());
                let listeners = Listeners::bind(config.service.listen, config.service.admin_listen).await?;
                serve(config, listeners, stopped).await
            })?;
        }
        Command::Evaluate { config, checkpoint, top, predictions, out } => {
            let Some(Config { experiment: config, .. }) = prepare(&config)? else { return Ok(()) };
            // No handler of signals: there is nothing to save, so a signal ends it at once.
            let runtime = Runtime::new().context("start the thread that reads the bucket")?;
            let store = Store::open(&config, runtime.handle())?;
            let lists = Lists { top, predictions, out };
            evaluate_lists(&config, &store, checkpoint.as_deref(), &lists)?;
        }
        Command::Split { config, out } => {
            let Some(Config { experiment: config, .. }) = prepare(&config)? else { return Ok(()) };
            let runtime = Runtime::new().context("start the thread that reads the bucket")?;
            print_split(&config, &Store::open(&config, runtime.handle())?, &out)?;
        }
        Command::Ablate { config, matrix, seeds } => {
            let Some(Config { experiment: config, .. }) = prepare(&config)? else { return Ok(()) };
            trials::ablate_all(&config, &matrix, &seeds)?;
        }
        Command::Tune { config, space, budget } => {
            let Some(Config { experiment: config, .. }) = prepare(&config)? else { return Ok(()) };
            trials::search(&config, &space, Duration::from_secs(60 * budget))?;
        }
        Command::Report { config: args, checkpoint, out, ablations, pictures } => {
            let Some(Config { experiment, .. }) = prepare(&args)? else { return Ok(()) };
            report(&experiment, &args, &checkpoint, &ReportFiles { out, ablations, pictures })?;
        }
        Command::Freshness { config, checkpoint, delay_days, max_age_days } => {
            let Some(Config { experiment: config, .. }) = prepare(&config)? else { return Ok(()) };
            print_freshness(&config, &checkpoint, (delay_days, max_age_days))?;
        }
    }
    Ok(())
}

/// Write the split, and say what is in it.
fn print_split(config: &ExperimentConfig, store: &Store, out: &Path) -> anyhow::Result<()> {
    let about = write_split(config, store, out)?;
    exit::print(&format!(
        "{} events of {} users, {} of them tested, {} items: {}\n",
        about.events,
        about.users,
        about.test_users,
        about.candidates,
        out.display()
    ))?;
    Ok(())
}

/// What `trainer evaluate` does other than measure a checkpoint beside the baselines.
struct Lists {
    top: Option<u32>,
    predictions: Vec<PathBuf>,
    out: Option<PathBuf>,
}

/// Write lists, score some, or else measure the checkpoint.
fn evaluate_lists(
    config: &ExperimentConfig,
    store: &Store,
    checkpoint: Option<&str>,
    lists: &Lists,
) -> anyhow::Result<()> {
    if !lists.predictions.is_empty() {
        let report = evaluate_predictions(config, store, checkpoint, &lists.predictions)?;
        if let Some(out) = &lists.out {
            let json = serde_json::to_vec_pretty(&report).context("write the table")?;
            std::fs::write(out, json).with_context(|| format!("write {}", out.display()))?;
        }
        exit::print(&format!("{report}\n"))?;
        return Ok(());
    }
    let checkpoint = checkpoint.expect("the command line requires it without --predictions");
    if let Some((k, out)) = lists.top.zip(lists.out.as_ref()) {
        let rows = write_top_items(config, store, checkpoint, k as usize, out)?;
        exit::print(&format!("{rows} rows: {}\n", out.display()))?;
    } else if let Some(report) = evaluate(config, store, checkpoint, &|| false)? {
        exit::print(&format!("{}\n", report.evaluation))?;
    }
    Ok(())
}

/// Measure what embeddings lose with their age, and print it.
fn print_freshness(config: &ExperimentConfig, checkpoint: &str, days: (u32, u32)) -> anyhow::Result<()> {
    let runtime = Runtime::new().context("start the thread that reads the bucket")?;
    let store = Store::open(config, runtime.handle())?;
    let report = freshness(config, &store, checkpoint, days)?;
    Ok(exit::print(&format!("{report}\n"))?)
}

/// The table of a published model with all baselines, made now unless it is there. The model is published: a signal
/// loses nothing but the table.
fn print_table(
    config: &ExperimentConfig,
    store: &Store,
    published: &Report,
    shutdown: &CancellationToken,
) -> anyhow::Result<()> {
    let Report { model_id, checkpoint, .. } = published;
    let full = match full_report(store, published)? {
        Some(full) => Some(full),
        None => evaluate(config, store, model_id, &|| shutdown.is_cancelled())?,
    };
    match full {
        Some(full) => exit::print(&format!("{}\n{checkpoint}\n", full.evaluation))?,
        None => exit::print(&format!(
            "{}\nstopped before the other baselines; for those: trainer evaluate --checkpoint {model_id}\n{checkpoint}\n",
            published.evaluation
        ))?,
    }
    Ok(())
}

/// The configuration; `None` when it was only to be checked.
fn prepare(args: &ConfigArgs) -> anyhow::Result<Option<Config>> {
    let config = args.load(Config::load)?;
    if let Some(config) = &config {
        set_threads(config.experiment.raw.run.threads);
    }
    Ok(config)
}

/// Refuse to be one of several processes: each would train its own model on all users.
fn check_world_size(world_size: Option<&str>) -> anyhow::Result<()> {
    match world_size {
        None | Some("" | "1") => Ok(()),
        Some(size) => anyhow::bail!(
            "{WORLD_SIZE}={size}: the trainer runs as a single process on one GPU; start one, with {WORLD_SIZE}=1 or unset"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_several_processes_is_refused() {
        for size in [None, Some("1"), Some("")] {
            check_world_size(size).unwrap();
        }
        for size in ["2", "0", "many"] {
            assert!(
                check_world_size(Some(size)).unwrap_err().to_string().contains(&format!("WORLD_SIZE={size}"))
            );
        }
    }
}
