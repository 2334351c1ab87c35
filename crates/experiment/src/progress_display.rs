//! Shows the progress of a training: a bar on a terminal, a log line every few seconds elsewhere, scalars for
//! TensorBoard.

use std::io::IsTerminal;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use dayvec_model::StepStats;
use indicatif::{ProgressBar, ProgressStyle};

use crate::progress::StepProgress;
use crate::tensorboard::TensorboardWriter;

const LOG_EVERY: Duration = Duration::from_secs(5);
/// Steps per TensorBoard point.
const BOARD_STEPS: u64 = 10;
/// Weight of the newest step in the loss that is shown: about the mean of the last fifty.
const NEWEST_WEIGHT: f64 = 0.02;

/// Sums over the steps since some moment.
#[derive(Debug)]
struct StepSums {
    since: Instant,
    steps: u64,
    loss: f64,
    users: usize,
    tokens: usize,
}

impl StepSums {
    fn new() -> Self {
        Self { since: Instant::now(), steps: 0, loss: 0.0, users: 0, tokens: 0 }
    }

    fn add(&mut self, stats: &StepStats) {
        self.steps += 1;
        self.loss += stats.loss;
        self.users += stats.n_users;
        self.tokens += stats.n_tokens;
    }

    fn per_second(&self, count: usize) -> f64 {
        count as f64 / self.since.elapsed().as_secs_f64().max(1e-9)
    }
}

/// Where the progress of a training is shown.
#[derive(Debug)]
pub(crate) struct ProgressDisplay {
    bar: Option<ProgressBar>,
    board: TensorboardWriter,
    total_steps: u64,
    loss: Option<f64>,
    since_shown: StepSums,
    since_point: StepSums,
    since_start: StepSums,
}

impl ProgressDisplay {
    /// A display of steps from `first_step` to `total_steps`; TensorBoard's files go to the folder `board`.
    pub(crate) fn new(first_step: u64, total_steps: u64, board: &Path) -> anyhow::Result<Self> {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{bar:30} {pos}/{len} steps  {msg}  {eta} left");
            let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(total_steps).with_style(style).with_position(first_step)
        });
        let writer = TensorboardWriter::create(board, first_step)
            .with_context(|| format!("write TensorBoard files in {}", board.display()))?;
        let since_shown = StepSums::new();
        let (since_point, since_start) = (StepSums::new(), StepSums::new());
        Ok(Self { bar, board: writer, total_steps, loss: None, since_shown, since_point, since_start })
    }

    /// `step` steps are done; the newest one went like this.
    pub(crate) fn step(&mut self, step: u64, stats: &StepStats) -> anyhow::Result<StepProgress> {
        let loss = self.loss.map_or(stats.loss, |loss| loss + NEWEST_WEIGHT * (stats.loss - loss));
        self.loss = Some(loss);
        for sums in [&mut self.since_shown, &mut self.since_point, &mut self.since_start] {
            sums.add(stats);
        }
        if step.is_multiple_of(BOARD_STEPS) || step == self.total_steps {
            self.add_point(step, stats)?;
        }
        let is_last = step == self.total_steps;
        let progress = StepProgress {
            step,
            steps: self.total_steps,
            loss,
            users_per_s: self.since_shown.per_second(self.since_shown.users),
            tokens_per_s: self.since_shown.per_second(self.since_shown.tokens),
        };
        match &self.bar {
            Some(bar) => {
                bar.set_position(step);
                if self.since_shown.since.elapsed() >= Duration::from_millis(500) || is_last {
                    let StepProgress { users_per_s, tokens_per_s, .. } = progress;
                    bar.set_message(format!(
                        "loss {loss:.3}  {users_per_s:.0} users/s  {tokens_per_s:.0} tokens/s"
                    ));
                    self.since_shown = StepSums::new();
                }
            }
            None if self.since_shown.since.elapsed() >= LOG_EVERY || is_last => self.log(&progress),
            None => {}
        }
        Ok(progress)
    }

    fn log(&mut self, progress: &StepProgress) {
        let per_step = self.since_shown.since.elapsed()
            / u32::try_from(self.since_shown.steps.max(1)).unwrap_or(u32::MAX);
        let left_s = per_step.as_secs_f64() * (progress.steps - progress.step) as f64;
        tracing::info!(
            step = progress.step,
            steps = progress.steps,
            loss = rounded(progress.loss, 3),
            users_per_s = progress.users_per_s.round(),
            tokens_per_s = progress.tokens_per_s.round(),
            left_s = left_s.round(),
            "training"
        );
        self.since_shown = StepSums::new();
    }

    fn add_point(&mut self, step: u64, stats: &StepStats) -> anyhow::Result<()> {
        let sums = &self.since_point;
        let scalars = [
            ("train/loss", sums.loss / sums.steps as f64),
            ("train/learning_rate", stats.learning_rate),
            ("train/temperature", stats.temperature),
            ("train/gradient_norm", stats.grad_norm),
            ("train/pairs", stats.n_pairs as f64),
            ("speed/users_per_s", sums.per_second(sums.users)),
            ("speed/tokens_per_s", sums.per_second(sums.tokens)),
        ];
        let path = self.board.path().to_owned();
        self.board.scalars(step, &scalars).with_context(|| format!("write {}", path.display()))?;
        self.since_point = StepSums::new();
        Ok(())
    }

    /// End the bar; returns the loss shown last and the mean tokens per second.
    pub(crate) fn finish(self) -> (Option<f64>, f64) {
        if let Some(bar) = &self.bar {
            bar.finish();
        }
        (self.loss, self.since_start.per_second(self.since_start.tokens))
    }
}

/// `value` with so many decimals.
fn rounded(value: f64, decimals: i32) -> f64 {
    let scale = 10_f64.powi(decimals);
    (value * scale).round() / scale
}
