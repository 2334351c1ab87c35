//! The command line as typed.

use std::path::PathBuf;

use clap::{ArgGroup, Parser, Subcommand};
use dayvec_runtime::program::ConfigArgs;

/// Train user and item embeddings on a log of events, evaluate them, and publish a checkpoint to the bucket.
#[derive(Debug, Parser)]
#[command(name = "trainer", version)]
pub struct Cli {
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Train once: build item features, train, evaluate, upload the checkpoint.
    Train {
        /// The configuration.
        #[command(flatten)]
        config: ConfigArgs,
        /// Resume from the newest checkpoint in the work folder; start afresh if there is none.
        #[arg(long)]
        resume: bool,
    },
    /// Run as a service: train on request over gRPC, one run at a time, and promote models that pass their gates; see
    /// proto/dayvec/trainer/v1.
    Serve {
        /// The configuration.
        #[command(flatten)]
        config: ConfigArgs,
    },
    /// Measure what a checkpoint's embeddings lose with their age, on the days after the cut-off: computed once, daily or
    /// in real time, and by age in days, beside baselines.
    Freshness {
        /// The configuration.
        #[command(flatten)]
        config: ConfigArgs,
        /// The checkpoint: a folder, or the id of a model in the bucket.
        #[arg(long)]
        checkpoint: String,
        /// Days until an embedding that is computed daily is used.
        #[arg(long, default_value_t = 1, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(..=365))]
        delay_days: u32,
        /// Largest age of the curves.
        #[arg(long, default_value_t = 14, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(..=365))]
        max_age_days: u32,
    },
    /// Make one HTML file of all that is known of a checkpoint: tables beside the paper's figures, training curves, recall
    /// by activity, popularity and age, ablations, a map, example users. Nothing is trained; what was not measured yet is
    /// named with the command that does it.
    Report {
        /// The configuration.
        #[command(flatten)]
        config: ConfigArgs,
        /// The checkpoint: a folder, or the id of a model in the bucket.
        #[arg(long)]
        checkpoint: String,
        /// The file; by default `<work_dir>/reports/<model>-<cut-off>.html`.
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// Folders of finished matrices, or folders of such folders; by default <work_dir>/trials.
        #[arg(long, num_args = 1.., value_name = "FOLDER")]
        ablations: Vec<PathBuf>,
        /// Also write every chart to this folder, as an SVG file of its own.
        #[arg(long, value_name = "FOLDER")]
        pictures: Option<PathBuf>,
    },
    /// Train and measure every row of one or more matrices with every seed, and make their tables. What is done already is
    /// not done again, so the same command goes on after a stop or a kill. Nothing goes to the bucket.
    Ablate {
        /// The configuration.
        #[command(flatten)]
        config: ConfigArgs,
        /// The matrices; config/ablations/ has those of the paper.
        #[arg(long, required = true, num_args = 1.., value_name = "FILE")]
        matrix: Vec<PathBuf>,
        /// Seeds instead of those of the matrices.
        #[arg(long, value_delimiter = ',', value_name = "SEED")]
        seeds: Vec<u64>,
    },
    /// Search for better settings on the days before the test days, so that the test decides nothing. What is done already
    /// is not done again. Nothing goes to the bucket.
    Tune {
        /// The configuration to start from.
        #[command(flatten)]
        config: ConfigArgs,
        /// Which settings to try, and which values; config/tune.yaml is one.
        #[arg(long, value_name = "FILE")]
        space: PathBuf,
        /// No trial begins after this time.
        #[arg(long, default_value_t = 60, value_name = "MINUTES")]
        budget: u64,
    },
    /// Evaluate a checkpoint and the baselines on the days after the cut-off, or score what other programs predicted for
    /// the same users.
    #[command(group(ArgGroup::new("lists").args(["top", "predictions"])))]
    Evaluate {
        /// The configuration.
        #[command(flatten)]
        config: ConfigArgs,
        /// The checkpoint: a folder, or the id of a model in the bucket.
        #[arg(long, required_unless_present = "predictions")]
        checkpoint: Option<String>,
        /// Write this many best items of each test user instead of evaluating.
        #[arg(long, requires = "out", value_parser = clap::value_parser!(u32).range(1..))]
        top: Option<u32>,
        /// Score the lists of these files instead, each a row, beside the model if --checkpoint is given: Parquet or CSV with
        /// user_id, item_id, and rank (from 1) or score.
        #[arg(long, num_args = 1.., value_name = "FILE")]
        predictions: Vec<PathBuf>,
        /// File for --top: Parquet with user_id, rank (from 1), item_id, score; for --predictions: the table as JSON.
        #[arg(long, requires = "lists")]
        out: Option<PathBuf>,
    },
    /// Write the split of the log as files, for other programs to train on and predict for: the events before the test,
    /// the users who are tested, the items that may be predicted. What is tested is not in them.
    Split {
        /// The configuration.
        #[command(flatten)]
        config: ConfigArgs,
        /// The folder.
        #[arg(long, value_name = "FOLDER")]
        out: PathBuf,
    },
}
