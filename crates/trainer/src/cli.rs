//! The command line as typed.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use dayvec_runtime::program::ConfigArgs;

/// Trains the two towers of dayvec on a log of events, measures them, and leaves a checkpoint in the bucket.
#[derive(Debug, Parser)]
#[command(name = "trainer", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Build item features, train, evaluate, upload the checkpoint.
    Train {
        /// The configuration.
        #[command(flatten)]
        config: ConfigArgs,
        /// Go on from the newest whole checkpoint in the work folder; start anew where there is none.
        #[arg(long)]
        resume: bool,
    },
    /// Serve runs of training over gRPC, one at a time, and promote what they make; see proto/dayvec/trainer/v1.
    Serve {
        /// The configuration.
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Measure a checkpoint and the baselines on the days after the cut-off.
    Evaluate {
        /// The configuration.
        #[command(flatten)]
        config: ConfigArgs,
        /// A folder with a checkpoint, or the id of a model in the bucket.
        #[arg(long)]
        checkpoint: String,
        /// Write this many best items of each test user instead of measuring.
        #[arg(long, requires = "out", value_parser = clap::value_parser!(u32).range(1..))]
        top: Option<u32>,
        /// Where to: Parquet with user_id, rank (from 1), item_id, score.
        #[arg(long, requires = "top")]
        out: Option<PathBuf>,
    },
}
