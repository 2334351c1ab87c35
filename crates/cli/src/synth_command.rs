//! `dayvec synth`: the arguments, a progress bar, and the figures at the end.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context as _;
use clap::Args;
use dayvec_core::Day;
use dayvec_runtime::OrFault as _;
use indicatif::{ProgressBar, ProgressStyle};

use crate::synth::{SynthError, SynthOptions, TruthOptions, generate_with_progress, measure_truth};

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
    /// Interests that a user has at any time.
    #[arg(long, default_value_t = 3)]
    pub tastes: u32,
    /// Share of actions that leave the user's own interests for any other.
    #[arg(long, default_value_t = 0.05, value_name = "SHARE")]
    pub explore: f64,
    /// Share of choices that fall on one of the user's favourites: what makes users come back to their items.
    #[arg(long, default_value_t = 0.2, value_name = "SHARE")]
    pub favourite_share: f64,
    /// Favourites that a user has in every interest.
    #[arg(long, default_value_t = 4)]
    pub favourites: u32,
    /// Keep only a user's first event on an item, as in a log of reviews; the log has fewer events then.
    #[arg(long)]
    pub no_repeats: bool,
    /// Days after an event on an item within which its user has no other on it; the gaps between repeats are these days
    /// and an exponential wait.
    #[arg(long, default_value_t = 0, value_name = "DAYS")]
    pub repeat_gap: u32,
    /// Exponent of the items' popularity within an interest: 0 makes all items equal, 1 is Zipf's law.
    #[arg(long, default_value_t = 1.0, value_name = "EXPONENT")]
    pub popularity_exponent: f64,
    /// Share of a user's days that are in a burst: twice as many sessions, most of them about one interest.
    #[arg(long, default_value_t = 0.0, value_name = "SHARE")]
    pub bursts: f64,
    /// Days of a burst.
    #[arg(long, default_value_t = 5, value_name = "DAYS")]
    pub burst_days: u32,
    /// Share of an interest's choices, favourites aside, that fall on an item which is a hit for some days.
    #[arg(long, default_value_t = 0.0, value_name = "SHARE")]
    pub hits: f64,
    /// Days that an item stays a hit.
    #[arg(long, default_value_t = 3, value_name = "DAYS")]
    pub hit_days: u32,
    /// Share of the catalogue that is born during the log.
    #[arg(long, default_value_t = 0.0, value_name = "SHARE")]
    pub new_items: f64,
    /// Days after which an item is half as popular, as news; 0: items do not age. Needs new items.
    #[arg(long, default_value_t = 0.0, value_name = "DAYS")]
    pub item_half_life: f64,
    /// Share of users who act a tenth as often as the others.
    #[arg(long, default_value_t = 0.0, value_name = "SHARE")]
    pub thin_users: f64,
    /// Timestamps are midnight (UTC) of their day.
    #[arg(long)]
    pub day_precision: bool,
    /// First day of the test that the best achievable recall is computed for; the trainer's default if not given, the day
    /// of the last event less the test days.
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub cut_off: Option<Day>,
    /// Days of that test.
    #[arg(long, default_value_t = 14, value_name = "DAYS")]
    pub test_days: u32,
    /// Futures of each user's drifting taste behind the best achievable recall.
    #[arg(long, default_value_t = 32, value_name = "COUNT")]
    pub futures: u32,
    /// Best items of each test user in truth.parquet; 0: no such file.
    #[arg(long, default_value_t = 10, value_name = "COUNT")]
    pub truth_top: usize,
    /// Do not compute the best achievable recall.
    #[arg(long)]
    pub no_truth: bool,
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
            n_tastes: args.tastes,
            explore: args.explore,
            favourite_share: args.favourite_share,
            n_favourites: args.favourites,
            no_repeats: args.no_repeats,
            repeat_gap_days: args.repeat_gap,
            popularity_exponent: args.popularity_exponent,
            burst_share: args.bursts,
            burst_days: args.burst_days,
            hit_share: args.hits,
            hit_days: args.hit_days,
            new_items: args.new_items,
            half_life_days: args.item_half_life,
            thin_users: args.thin_users,
            day_precision: args.day_precision,
            embedding_dim: args.embedding_dim,
            seed: args.seed,
            threads: args.threads,
        }
    }
}

impl From<&SynthArgs> for TruthOptions {
    fn from(args: &SynthArgs) -> Self {
        Self {
            cut_off: args.cut_off,
            test_days: args.test_days,
            n_futures: args.futures,
            n_top: args.truth_top,
        }
    }
}

/// Make the log, and measure the best recall that is possible on it.
///
/// # Errors
/// 64 for wrong arguments, 69 when a file can't be written.
pub fn run(args: &SynthArgs) -> anyhow::Result<()> {
    let options = SynthOptions::from(args);
    let faults = if args.no_truth { Vec::new() } else { TruthOptions::from(args).faults(&options) };
    if !faults.is_empty() {
        return Err(SynthError::Options(faults)).or_fault();
    }
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
    .context("write to stdout")?;
    if args.no_truth { Ok(()) } else { measure(args, &options) }
}

/// Write and print the best achievable recall.
fn measure(args: &SynthArgs, options: &SynthOptions) -> anyhow::Result<()> {
    let truth = TruthOptions::from(args);
    if !truth.has_history(options) {
        return writeln!(
            std::io::stdout(),
            "no best achievable recall: {} days and {} test days leave no history",
            options.n_days,
            truth.test_days
        )
        .context("write to stdout");
    }
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} users, {msg}{eta} left")
        .context("lay out the bar")?;
    let bar = ProgressBar::new(options.n_users).with_style(style);
    let started = Instant::now();
    let measured = measure_truth(options, &truth, &args.out, &|n_users| bar.inc(n_users));
    bar.finish_and_clear();
    let truth =
        measured.or_fault().context("compute the best achievable recall (--no-truth leaves it out)")?;
    let mut out = std::io::stdout();
    writeln!(
        out,
        "Recall@10 on {} days from {}, {} users, {} items, in {:.1} s:",
        args.test_days,
        truth.cut_off,
        truth.n_users,
        truth.n_items,
        started.elapsed().as_secs_f64()
    )
    .context("write to stdout")?;
    for (name, allowed, filtered) in [
        ("best achievable", truth.best, truth.best_unseen),
        ("popularity", truth.popularity, truth.popularity_unseen),
    ] {
        writeln!(
            out,
            "  {name:<16} seen allowed: micro {:.4}, macro {:.4}; seen filtered: micro {:.4}, macro {:.4}",
            allowed.micro(),
            allowed.macro_(),
            filtered.micro(),
            filtered.macro_()
        )
        .context("write to stdout")?;
    }
    Ok(())
}
