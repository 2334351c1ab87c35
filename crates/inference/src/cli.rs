//! The command line, and what the program does with it.

use std::net::TcpListener;
use std::path::PathBuf;

use anyhow::anyhow;
use clap::{Args, Parser, Subcommand};
use dayvec_core::{Day, FaultKind, ParseDayError, Shard};
use dayvec_runtime::fault::WithFault as _;
use dayvec_runtime::program::{self, ConfigArgs};
use dayvec_runtime::{bound, exit, shutdown};
use jiff::Timestamp;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::daily::run;
use crate::request::DailyRequest;
use crate::schedule::schedule;
use crate::share;
use crate::summary::{DailySummary, Outcome};

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
    /// Run one day: read its events, encode the users who acted, carry the others over, publish, announce.
    ///
    /// Running a finished day again does nothing; an interrupted run is resumed.
    Run(RunArgs),
    /// Run each day when it is due, by cron or by following the log, until stopped.
    Schedule(ConfigArgs),
}

/// Arguments of `run`.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// Which settings.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// The UTC day to run for: events up to its end are used. `yesterday` is the last complete day.
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = parse_day, required_unless_present = "check_config")]
    pub day: Option<Day>,
    /// Do only share I of N, counted from 0; the worker that finishes last publishes. In a Kubernetes Indexed Job,
    /// JOB_COMPLETION_INDEX and DAYVEC_SHARDS set it.
    #[arg(long, value_name = "I/N")]
    pub shard: Option<Shard>,
    /// Use this model instead of the configured one: an id, `serving`, `promoted` or `newest`.
    #[arg(long, value_name = "ID")]
    pub model: Option<String>,
    /// Announce even if a gate failed, a later day is already announced, or the log does not reach the day. The
    /// announcement records it.
    #[arg(long)]
    pub force: bool,
    /// Rebuild all sequences from the whole log and encode every user.
    #[arg(long)]
    pub full: bool,
    /// Write a summary of the run to this file, as JSON.
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
            Some((config, signals, stopped)) => {
                {
                    let _entered = signals.enter();
                    shutdown::end_when_overdue(stopped.clone());
                }
                let address = config.schedule.admin_listen;
                let admin = bound("schedule.admin_listen", address, TcpListener::bind(address))?;
                schedule(&config, admin, &stopped)
            }
            None => Ok(()),
        },
    }
}

fn run_once(args: &RunArgs) -> anyhow::Result<()> {
    let Some((config, _signals, shutdown)) = prepare(&args.config)? else {
        return Ok(());
    };
    let day = args.day.ok_or_else(|| anyhow!("--day is missing")).fault(FaultKind::Configuration)?;
    let share = match args.shard {
        Some(share) => share,
        None => share::of_environment(|name| std::env::var(name).ok())
            .map_err(|fault| anyhow!(fault))
            .fault(FaultKind::Configuration)?,
    };
    let model = args.model.clone().map(Into::into);
    let request = DailyRequest { day, model, force: args.force, full: args.full, share };
    let summary = run(&config, &request, &shutdown)?;
    if let Some(path) = &args.report {
        summary.write(path)?;
    }
    summary.check_gates()?;
    Ok(exit::print(&format!("{}\n", in_a_line(&summary, share)))?)
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
fn in_a_line(summary: &DailySummary, share: Shard) -> String {
    let DailySummary { day, snapshot_id, users, encoded, carried, items, seconds, .. } = summary;
    let outcome = match summary.outcome {
        Outcome::Announced if summary.forced => "announced by force",
        Outcome::Announced => "announced",
        Outcome::AlreadyAnnounced => "was announced before, nothing to do",
        Outcome::GatesFailed => "not announced",
        Outcome::ShareDone => {
            return format!(
                "{day}: share {share} done in {seconds:.1} s; the worker that finishes last publishes"
            );
        }
    };
    format!(
        "{day}: {users} users ({encoded} encoded, {carried} carried), {items} items in {seconds:.1} s; \
         snapshot {snapshot_id} {outcome}"
    )
}
