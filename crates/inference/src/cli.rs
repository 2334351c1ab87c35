//! The command line, and what the program does with it.

#![expect(clippy::print_stdout, reason = "a program's result goes to stdout")]

use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use clap::{Args, Parser, Subcommand};
use dayvec_core::Day;
use dayvec_runtime::{Exit, OrExit as _, shutdown};

use crate::config::Config;
use crate::daily::{Request, run};
use crate::report::{Outcome, Report};

/// Encode users day by day and publish the snapshots that the lookup serves.
#[derive(Debug, Parser)]
#[command(name = "inference", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// One day's run: read its events, encode the users that acted, carry the others, publish, announce.
    ///
    /// A finished run does nothing when it is run again; an interrupted one goes on where it was.
    Run(RunArgs),
}

/// Arguments of `run`.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// Settings; without it the shipped ones (config/inference.yaml).
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Check the settings, print them as they were understood, and stop.
    #[arg(long)]
    pub check_config: bool,
    /// The UTC day to run for: events until its end count.
    #[arg(long, value_name = "YYYY-MM-DD", required_unless_present = "check_config")]
    pub day: Option<Day>,
    /// Run this model instead of the one in the settings: an id, or `newest`.
    #[arg(long, value_name = "ID")]
    pub model: Option<String>,
    /// Announce although a gate failed, or a later day is announced already. The announcement records it.
    #[arg(long)]
    pub force: bool,
    /// Rebuild every sequence from the whole log and encode everybody.
    #[arg(long)]
    pub full: bool,
    /// Write what the run did to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
}

/// Do what the command line says.
///
/// # Errors
/// With the exit code that says what the caller can do.
pub fn main(cli: Cli) -> anyhow::Result<()> {
    let Command::Run(args) = cli.command;
    let config = Config::load(args.config.as_deref()).or_exit(Exit::BadConfig)?;
    let as_yaml = dayvec_runtime::config::to_yaml(&config);
    if args.check_config {
        println!("{as_yaml}");
        return Ok(());
    }
    tracing::info!(config = as_yaml, "configuration");
    let day = args.day.ok_or_else(|| anyhow!("--day is missing")).or_exit(Exit::BadConfig)?;
    if config.threads > 0 {
        tch::set_num_threads(i32::try_from(config.threads).unwrap_or(i32::MAX));
    }
    let signals = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let signals = signals.context("start the thread that listens to signals")?;
    let shutdown = {
        let _entered = signals.enter();
        shutdown::on_signal()
    };
    let request = Request { day, model: args.model.map(Into::into), force: args.force, full: args.full };
    let report = run(&config, &request, &shutdown)?;
    if let Some(path) = &args.report {
        report.write(path)?;
    }
    report.verdict()?;
    println!("{}", summary(&report));
    Ok(())
}

/// The run in a line.
fn summary(report: &Report) -> String {
    let Report { day, snapshot_id, users, encoded, carried, items, seconds, .. } = report;
    let outcome = match report.outcome {
        Outcome::Announced if report.forced => "announced by force",
        Outcome::Announced => "announced",
        Outcome::AlreadyAnnounced => "finished and announced before, nothing to do",
        Outcome::GatesFailed => "not announced",
    };
    format!(
        "{day}: {users} users ({encoded} encoded, {carried} carried), {items} items in {seconds:.1} s; \
         snapshot {snapshot_id} {outcome}"
    )
}
