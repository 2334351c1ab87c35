//! The program `dayvec`: looks at what the other programs made ([`get`], [`snapshots`]), asks the trainer for runs
//! ([`train`]), and makes up logs to try them all on ([`synth`]).

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
    /// Ask a running lookup for one user's embedding.
    Get(get::Args),
    /// List the announced snapshots, oldest first; the last one is current.
    Snapshots(snapshots::Args),
    /// Ask a running trainer service for runs, watch them, promote what they made.
    Train(train::Args),
    /// Make up a log of events with a known truth: deterministic by seed, of any size.
    Synth(synth_command::SynthArgs),
}

/// Do what the command line asks.
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
