//! The command line, and what the program does with it.

use std::net::TcpListener;
use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use clap::{Args, Parser, Subcommand};
use dayvec_core::{Day, ParseDayError, Shard};
use dayvec_runtime::program::{self, ConfigArgs};
use dayvec_runtime::{Exit, OrExit as _, exit};
use jiff::Timestamp;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::daily::{Request, run};
use crate::report::{Outcome, Report};
use crate::schedule::schedule;
use crate::share;

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
    /// Run each day when it is due, by cron or by following the log, until told to stop.
    Schedule(ConfigArgs),
}

/// Arguments of `run`.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// Which settings.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// The UTC day to run for: events until its end count. `yesterday` is the last one that is over.
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = parse_day, required_unless_present = "check_config")]
    pub day: Option<Day>,
    /// Do only the I-th of N shares, counted from 0; whoever finishes last commits. In a Kubernetes Indexed Job,
    /// JOB_COMPLETION_INDEX and DAYVEC_SHARDS say the same.
    #[arg(long, value_name = "I/N")]
    pub shard: Option<Shard>,
    /// Run this model instead of the one in the settings: an id, `serving`, `promoted` or `newest`.
    #[arg(long, value_name = "ID")]
    pub model: Option<String>,
    /// Announce although a gate failed, a later day is announced already, or the log does not reach the day. The
    /// announcement records it.
    #[arg(long)]
    pub force: bool,
    /// Rebuild every sequence from the whole log and encode everybody.
    #[arg(long)]
    pub full: bool,
    /// Write what the run did to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
}

/// A day as typed.
fn parse_day(text: &str) -> Result<Day, ParseDayError> {
    match text {
        "yesterday" => Ok(Day::of_timestamp(Timestamp::now().as_second()).plus(-1)),
        text => text.parse(),
    }
}

/// Do what the command line says.
///
/// # Errors
/// With the exit code that says what the caller can do.
pub fn main(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Command::Run(args) => run_once(&args),
        Command::Schedule(args) => match prepare(&args)? {
            Some((config, _signals, shutdown)) => {
                let address = config.schedule.admin_listen;
                let admin = TcpListener::bind(address).with_context(|| format!("listen on {address}"));
                schedule(&config, admin.or_exit(Exit::BadConfig)?, &shutdown)
            }
            None => Ok(()),
        },
    }
}

fn run_once(args: &RunArgs) -> anyhow::Result<()> {
    let Some((config, _signals, shutdown)) = prepare(&args.config)? else {
        return Ok(());
    };
    let day = args.day.ok_or_else(|| anyhow!("--day is missing")).or_exit(Exit::BadConfig)?;
    let share = match args.shard {
        Some(share) => share,
        None => share::of_environment(|name| std::env::var(name).ok())
            .map_err(|fault| anyhow!(fault))
            .or_exit(Exit::BadConfig)?,
    };
    let model = args.model.clone().map(Into::into);
    let request = Request { day, model, force: args.force, full: args.full, share };
    let report = run(&config, &request, &shutdown)?;
    if let Some(path) = &args.report {
        report.write(path)?;
    }
    report.verdict()?;
    Ok(exit::print(&format!("{}\n", summary(&report, share)))?)
}

/// The settings, logged, and a token that signals cancel, with the runtime that listens; `None` when the settings were
/// only to be checked.
fn prepare(args: &ConfigArgs) -> anyhow::Result<Option<(Config, Runtime, CancellationToken)>> {
    let Some(config) = args.load(Config::load)? else { return Ok(None) };
    if config.threads > 0 {
        tch::set_num_threads(i32::try_from(config.threads).unwrap_or(i32::MAX));
    }
    let (signals, shutdown) = program::signals()?;
    Ok(Some((config, signals, shutdown)))
}

/// The run in a line.
fn summary(report: &Report, share: Shard) -> String {
    let Report { day, snapshot_id, users, encoded, carried, items, seconds, .. } = report;
    let outcome = match report.outcome {
        Outcome::Announced if report.forced => "announced by force",
        Outcome::Announced => "announced",
        Outcome::AlreadyAnnounced => "finished and announced before, nothing to do",
        Outcome::GatesFailed => "not announced",
        Outcome::ShareDone => {
            return format!("{day}: share {share} is done in {seconds:.1} s; the last of the others commits");
        }
    };
    format!(
        "{day}: {users} users ({encoded} encoded, {carried} carried), {items} items in {seconds:.1} s; \
         snapshot {snapshot_id} {outcome}"
    )
}
