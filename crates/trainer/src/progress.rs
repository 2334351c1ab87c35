//! Tells how a training goes: a bar on a terminal, a log line every few seconds elsewhere, scalars for TensorBoard.

use std::io::IsTerminal;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;
use dayvec_model::StepStats;
use indicatif::{ProgressBar, ProgressStyle};

use crate::tensorboard::EventWriter;
use crate::told::Standing;

const LOG_EVERY: Duration = Duration::from_secs(5);
/// Steps that one TensorBoard point stands for.
const BOARD_STEPS: u64 = 10;
/// Weight of the newest step in the loss that is shown: about the mean of the last fifty.
const NEWEST_WEIGHT: f64 = 0.02;

/// Sums over some steps.
#[derive(Debug)]
struct Window {
    since: Instant,
    steps: u64,
    loss: f64,
    users: usize,
    tokens: usize,
}

impl Window {
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

/// How a training goes.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    board: EventWriter,
    total_steps: u64,
    loss: Option<f64>,
    shown: Window,
    drawn: Window,
    whole: Window,
}

impl Progress {
    /// A progress from `first_step` to `total_steps`; TensorBoard's files go to `board`.
    pub(crate) fn new(first_step: u64, total_steps: u64, board: &Path) -> anyhow::Result<Self> {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{bar:30} {pos}/{len} steps  {msg}  {eta} left");
            let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(total_steps).with_style(style).with_position(first_step)
        });
        let writer = EventWriter::create(board, first_step)
            .with_context(|| format!("write TensorBoard files in {}", board.display()))?;
        let (shown, drawn, whole) = (Window::new(), Window::new(), Window::new());
        Ok(Self { bar, board: writer, total_steps, loss: None, shown, drawn, whole })
    }

    /// `step` steps are done; the newest one went like this.
    pub(crate) fn step(&mut self, step: u64, stats: &StepStats) -> anyhow::Result<Standing> {
        let loss = self.loss.map_or(stats.loss, |loss| loss + NEWEST_WEIGHT * (stats.loss - loss));
        self.loss = Some(loss);
        for window in [&mut self.shown, &mut self.drawn, &mut self.whole] {
            window.add(stats);
        }
        if step.is_multiple_of(BOARD_STEPS) || step == self.total_steps {
            self.draw(step, stats)?;
        }
        let is_last = step == self.total_steps;
        let standing = Standing {
            step,
            steps: self.total_steps,
            loss,
            users_per_s: self.shown.per_second(self.shown.users),
            tokens_per_s: self.shown.per_second(self.shown.tokens),
        };
        match &self.bar {
            Some(bar) => {
                bar.set_position(step);
                if self.shown.since.elapsed() >= Duration::from_millis(500) || is_last {
                    let Standing { users_per_s, tokens_per_s, .. } = standing;
                    bar.set_message(format!(
                        "loss {loss:.3}  {users_per_s:.0} users/s  {tokens_per_s:.0} tokens/s"
                    ));
                    self.shown = Window::new();
                }
            }
            None if self.shown.since.elapsed() >= LOG_EVERY || is_last => self.log(&standing),
            None => {}
        }
        Ok(standing)
    }

    fn log(&mut self, standing: &Standing) {
        let per_step =
            self.shown.since.elapsed() / u32::try_from(self.shown.steps.max(1)).unwrap_or(u32::MAX);
        let left_s = per_step.as_secs_f64() * (standing.steps - standing.step) as f64;
        tracing::info!(
            step = standing.step,
            steps = standing.steps,
            loss = rounded(standing.loss, 3),
            users_per_s = standing.users_per_s.round(),
            tokens_per_s = standing.tokens_per_s.round(),
            left_s = left_s.round(),
            "training"
        );
        self.shown = Window::new();
    }

    fn draw(&mut self, step: u64, stats: &StepStats) -> anyhow::Result<()> {
        let drawn = &self.drawn;
        let scalars = [
            ("train/loss", drawn.loss / drawn.steps as f64),
            ("train/learning_rate", stats.learning_rate),
            ("train/temperature", stats.temperature),
            ("train/gradient_norm", stats.grad_norm),
            ("train/pairs", stats.n_pairs as f64),
            ("speed/users_per_s", drawn.per_second(drawn.users)),
            ("speed/tokens_per_s", drawn.per_second(drawn.tokens)),
        ];
        let path = self.board.path().to_owned();
        self.board.scalars(step, &scalars).with_context(|| format!("write {}", path.display()))?;
        self.drawn = Window::new();
        Ok(())
    }

    /// End the bar; returns the loss shown last and the mean tokens per second.
    pub(crate) fn finish(self) -> (Option<f64>, f64) {
        if let Some(bar) = &self.bar {
            bar.finish();
        }
        (self.loss, self.whole.per_second(self.whole.tokens))
    }
}

/// `value` with so many decimals.
fn rounded(value: f64, decimals: i32) -> f64 {
    let scale = 10_f64.powi(decimals);
    (value * scale).round() / scale
}
