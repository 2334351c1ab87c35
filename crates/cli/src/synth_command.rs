//! `dayvec synth`: the arguments, a progress bar, and the figures at the end.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context as _;
use clap::Args;
use dayvec_core::Day;
use dayvec_runtime::OrFault as _;
use indicatif::{ProgressBar, ProgressStyle};

use crate::synth::{SynthOptions, generate_with_progress};

/// Generate a synthetic log of events with known interests; deterministic for a seed.
#[derive(Debug, Args)]
pub struct SynthArgs {
    /// Output folder; it must not contain events yet.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Number of users.
    #[arg(long, default_value_t = 10_000)]
    pub users: u64,
    /// Number of items.
    #[arg(long, default_value_t = 5_000)]
    pub items: u32,
    /// Number of interests.
    #[arg(long, default_value_t = 24)]
    pub interests: u32,
    /// First day.
    #[arg(long, default_value = "2026-01-01", value_name = "YYYY-MM-DD")]
    pub first_day: Day,
    /// Number of days.
    #[arg(long, default_value_t = 90)]
    pub days: u32,
    /// Mean number of events per user and day.
    #[arg(long, default_value_t = 2.0, value_name = "MEAN")]
    pub events_per_user_day: f64,
    /// Probability that one of a user's interests changes in a week.
    #[arg(long, default_value_t = 0.1, value_name = "PROBABILITY")]
    pub drift: f64,
    /// Also write items.parquet, with embeddings of this width.
    #[arg(long, default_value_t = 0, value_name = "WIDTH")]
    pub embedding_dim: usize,
    /// Seed.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Number of threads; 0 uses all cores.
    #[arg(long, default_value_t = 0)]
    pub threads: usize,
}

impl From<&SynthArgs> for SynthOptions {
    fn from(args: &SynthArgs) -> Self {
        Self {
            n_users: args.users,
            n_items: args.items,
            n_interests: args.interests,
            first_day: args.first_day,
            n_days: args.days,
            events_per_user_day: args.events_per_user_day,
            drift_per_week: args.drift,
            embedding_dim: args.embedding_dim,
            seed: args.seed,
            threads: args.threads,
        }
    }
}

/// Make the log.
///
/// # Errors
/// 64 for wrong arguments, 69 when a file can't be written.
pub fn run(args: &SynthArgs) -> anyhow::Result<()> {
    let options = SynthOptions::from(args);
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} parts, {msg}{eta} left")
        .context("lay out the bar")?;
    let bar = ProgressBar::new(options.n_parts()).with_style(style);
    let started = Instant::now();
    let made = generate_with_progress(&options, &args.out, &|_| bar.inc(1));
    bar.finish_and_clear();
    let n_events = made.or_fault()?;
    let seconds = started.elapsed().as_secs_f64();
    let rate = n_events as f64 / seconds;
    writeln!(
        std::io::stdout(),
        "{n_events} events of {} users on {} items over {} days in {seconds:.1} s ({rate:.0} events/s): {}",
        options.n_users,
        options.n_items,
        options.n_days,
        args.out.display()
    )
    .context("write to stdout")
}
