//! The training loop. All that changes is in [`Fit`] and the step number, so a run that goes on from a checkpoint ends
//! with the same weights as one that was never stopped.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use dayvec_core::{Day, ItemTable, ModelSpec, Sequences};
use dayvec_model::{
    Fit, Model, ModelError, NegativeConfig, OptimizerConfig, Sampler, SamplerConfig, StepStats, load_spec,
    save_spec,
};
use dayvec_report::TrainingSummary;
use dayvec_runtime::{Exit, OrExit};
use tch::Device;
use tokio_util::sync::CancellationToken;

use crate::batches::Batches;
use crate::config::Config;
use crate::progress::Progress;
use crate::run_folder::{RunFolder, Saved, State};
use crate::told::{Standing, Told, Watcher};

/// What a training is made of.
pub(crate) struct Training<'a> {
    pub(crate) config: &'a Config,
    pub(crate) spec: &'a ModelSpec,
    pub(crate) items: &'a ItemTable,
    pub(crate) folder: &'a RunFolder,
    pub(crate) cut_off: Day,
    /// The configuration as it is saved beside the weights.
    pub(crate) config_yaml: &'a str,
    /// Who watches.
    pub(crate) tell: Watcher<'a>,
}

/// Points of a loss curve, about.
const CURVE_POINTS: u64 = 200;

/// How a training ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// All steps are done.
    Done { model: Box<Model>, saved: Saved, figures: TrainingSummary },
    /// It was told to stop, and saved.
    Stopped(Saved),
}

impl Training<'_> {
    /// Train to the end, or until `shutdown`.
    pub(crate) fn run(
        &self,
        sequences: Arc<Sequences>,
        resume: bool,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<Ended> {
        let n_actions = sequences.n_actions();
        let sampler = self.sampler(sequences)?;
        let users = sampler.n_users();
        let (mut fit, before) = self.start(resume)?;
        let total = self.config.raw.run.steps;
        let first = before.step;
        tracing::info!(
            users,
            actions = n_actions,
            parameters = fit.model().n_parameters(),
            from_step = first,
            "training"
        );
        let batches = Batches::start(sampler, first..total)?;
        let mut progress = Progress::new(first, total, &self.folder.path().join("tensorboard"))?;
        let mut timer = Timer::new(&before);
        let mut step = first;
        while step < total && !shutdown.is_cancelled() {
            let batch = batches.next()?;
            let stats = fit.step(&batch, step).context("train").or_exit(Exit::BadData)?;
            step += 1;
            let standing = progress.step(step, &stats)?;
            check(&stats, step)?;
            timer.note(&standing);
            (self.tell)(Told::Step(standing));
            if self.is_due(step, &timer) {
                self.save(&fit, timer.state(step))?;
                timer.saved();
            }
        }
        let state = timer.state(step);
        let saved = self.save(&fit, state.clone())?;
        let (loss, tokens_per_s) = progress.finish();
        if step < total {
            tracing::info!(step, checkpoint = %saved.path.display(), "stopped; --resume goes on from here");
            return Ok(Ended::Stopped(saved));
        }
        let model = Box::new(fit.into_model());
        let parameters = model.n_parameters();
        let figures = TrainingSummary {
            steps: total,
            seconds: state.elapsed_s,
            loss,
            tokens_per_s,
            users,
            actions: n_actions,
            parameters,
            curve: state.curve,
        };
        Ok(Ended::Done { model, saved, figures })
    }

    fn is_due(&self, step: u64, timer: &Timer) -> bool {
        let run = &self.config.raw.run;
        step.is_multiple_of(run.checkpoint_steps) || timer.since_saved() >= run.checkpoint_every
    }

    fn sampler(&self, sequences: Arc<Sequences>) -> anyhow::Result<Sampler> {
        let raw = &self.config.raw;
        let config = SamplerConfig {
            seed: raw.run.seed,
            users: raw.batch.users,
            positions: raw.batch.positions_per_user,
            newest_share: raw.batch.newest_share,
            negatives: NegativeConfig { random: raw.negatives.random, in_batch: raw.negatives.in_batch },
            correction: raw.negatives.correction.into(),
        };
        Sampler::new(sequences, self.spec, config).context("prepare training").or_exit(Exit::BadData)
    }

    /// A fresh model, or the newest checkpoint.
    fn start(&self, resume: bool) -> anyhow::Result<(Fit, State)> {
        let optimizer = &self.config.raw.optimizer;
        let config = OptimizerConfig {
            learning_rate: optimizer.learning_rate,
            warm_up_share: optimizer.warm_up_share,
            weight_decay: optimizer.weight_decay,
            clip_norm: optimizer.clip,
            beta1: optimizer.betas[0],
            beta2: optimizer.betas[1],
            dropout: optimizer.dropout,
            steps: self.config.raw.run.steps,
        };
        let device = Device::cuda_if_available();
        let Some(saved) = self.folder.saved()?.pop() else {
            if resume {
                tracing::info!(folder = %self.folder.path().display(), "no checkpoint to resume from; starting anew");
            }
            let model = Model::new(self.spec, self.items, device, self.config.raw.run.seed);
            let state = State {
                model_id: self.spec.model_id.clone(),
                step: 0,
                cut_off: self.cut_off,
                elapsed_s: 0.0,
                curve: Vec::new(),
            };
            return Ok((Fit::new(model.context("build the model").or_exit(Exit::BadConfig)?, config), state));
        };
        if !resume {
            let path = saved.path.display();
            let there = anyhow!(
                "this very training is at step {} already: {path}; go on with --resume, or remove {}",
                saved.step,
                self.folder.path().display()
            );
            return Err(there).or_exit(Exit::BadConfig);
        }
        let load = || -> Result<Fit, ModelError> {
            let spec = load_spec(&saved.path.join("spec.yaml"))?;
            let mut fit = Fit::new(Model::load(&spec, self.items, &saved.model(), device)?, config);
            fit.load_optimizer(&saved.optimizer())?;
            Ok(fit)
        };
        let advice = || {
            let path = saved.path.display();
            format!(
                "resume from {path}; if it is damaged, remove it, and --resume takes the checkpoint before it"
            )
        };
        let fit = load().with_context(advice).or_exit(Exit::BadData)?;
        Ok((fit, saved.state()?))
    }

    fn save(&self, fit: &Fit, state: State) -> anyhow::Result<Saved> {
        let saved = self.folder.save(&state, |folder| {
            fit.model().save(&folder.join("model.safetensors"))?;
            fit.save_optimizer(&folder.join("optimizer.safetensors"))?;
            save_spec(self.spec, &folder.join("spec.yaml"))?;
            Ok(std::fs::write(folder.join("config.yaml"), self.config_yaml)?)
        });
        saved.or_exit(Exit::Unavailable)
    }
}

/// A gradient that is not finite has made the weights useless; better no checkpoint than that one.
fn check(stats: &StepStats, step: u64) -> anyhow::Result<()> {
    if stats.grad_norm.is_finite() {
        return Ok(());
    }
    Err(anyhow!(
        "the gradient of step {step} is not finite (loss {}); lower optimizer.learning_rate",
        stats.loss
    ))
    .or_exit(Exit::BadData)
}

/// Seconds of training, over restarts.
#[derive(Debug)]
struct Timer {
    before: State,
    started: Instant,
    saved: Instant,
}

impl Timer {
    fn new(before: &State) -> Self {
        let now = Instant::now();
        Self { before: before.clone(), started: now, saved: now }
    }

    fn state(&self, step: u64) -> State {
        let elapsed_s = self.before.elapsed_s + self.started.elapsed().as_secs_f64();
        State { step, elapsed_s, ..self.before.clone() }
    }

    /// Keep a point of the curve now and then.
    fn note(&mut self, standing: &Standing) {
        let every = (standing.steps / CURVE_POINTS).max(1);
        if standing.step.is_multiple_of(every) || standing.step == standing.steps {
            self.before.curve.push((standing.step, standing.loss));
        }
    }

    fn saved(&mut self) {
        self.saved = Instant::now();
    }

    fn since_saved(&self) -> Duration {
        self.saved.elapsed()
    }
}
