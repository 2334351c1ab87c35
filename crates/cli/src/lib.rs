//! The program `dayvec`: shows what the other programs produced ([`get`], [`snapshots`]), controls the trainer's runs
//! ([`train`]), and generates synthetic logs to try everything on ([`synth`]).

pub mod get;
pub mod snapshots;
pub mod synth;
pub mod synth_command;
pub mod train;

mod address;
mod table;

use clap::{Parser, Subcommand};

/// Look at user embeddings and the snapshots that hold them.
#[derive(Debug, Parser)]
#[command(name = "dayvec", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Get one user's embedding from a running lookup.
    Get(get::Args),
    /// List the announced snapshots, oldest first; the last one is current.
    Snapshots(snapshots::Args),
    /// Start and watch runs of a trainer service, and promote their models.
    Train(train::Args),
    /// Generate a synthetic log of events with a known truth: deterministic for a seed, of any size.
    Synth(synth_command::SynthArgs),
}

/// Run the command.
///
/// # Errors
/// With the exit code attached; see [`dayvec_runtime::exit`].
pub fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Command::Get(args) => get::run(&args),
        Command::Snapshots(args) => snapshots::run(&args),
        Command::Train(args) => train::run(&args),
        Command::Synth(args) => synth_command::run(&args),
    }
}
