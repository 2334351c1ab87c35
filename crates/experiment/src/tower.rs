//! The loop that trains the tower: batches, steps, resumable checkpoints.
//!
//! All that changes is in [`Fit`] and the step number, so a training that is resumed from a checkpoint ends with the same
//! weights as one that was never stopped.

use std::fs;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use dayvec_core::{FaultKind, ItemTable, ModelSpec, Sequences};
use dayvec_model::{
    Fit, Model, ModelError, OptimizerConfig, Sampler, SamplerConfig, StepStats, load_spec, save_spec,
};
use dayvec_parts::Embedder;
use dayvec_registry::checkpoint::{CONFIG, OPTIMIZER, SPEC, WEIGHTS};
use dayvec_report::{AlignmentReport, PartsChoice, TrainingSummary};
use dayvec_runtime::fault::{OrFault as _, WithFault as _};
use tch::Device;
use tokio_util::sync::CancellationToken;

use crate::batches::Batches;
use crate::clock::TrainingClock;
use crate::config::Config;
use crate::free_cores::FreeCores;
use crate::progress::{Observer, TrainingProgress};
use crate::progress_display::ProgressDisplay;
use crate::store::Store;
use crate::training_folder::{ResumeState, StepCheckpoint, TrainingFolder};

/// What all steps of a training share.
#[derive(Clone, Copy)]
pub(crate) struct Training<'a> {
    pub(crate) config: &'a Config,
    pub(crate) store: &'a Store,
    pub(crate) spec: &'a ModelSpec,
    pub(crate) folder: &'a TrainingFolder,
    /// The configuration as it is saved beside the weights.
    pub(crate) config_yaml: &'a str,
    pub(crate) observe: Observer<'a>,
}

/// Where a training starts.
pub(crate) struct Start {
    /// The state before the first step.
    pub(crate) first: ResumeState,
    /// Whether to go on from the newest checkpoint instead, where there is one.
    pub(crate) resume: bool,
}

/// The result of a whole training.
pub(crate) struct Trained {
    pub(crate) model: Box<Embedder>,
    pub(crate) checkpoint: StepCheckpoint,
    pub(crate) summary: TrainingSummary,
    /// How its parts were chosen.
    pub(crate) parts: Option<PartsChoice>,
    /// How near its space is to the promoted model's.
    pub(crate) alignment: Option<AlignmentReport>,
}

/// A training that was stopped, and the checkpoint to continue from.
pub(crate) struct Stopped(pub(crate) StepCheckpoint);

impl Training<'_> {
    /// Train the tower alone: from the start, or from the newest checkpoint.
    pub(crate) fn tower(
        &self,
        items: &ItemTable,
        sequences: Arc<Sequences>,
        start: Start,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<Result<Trained, Stopped>> {
        let (fit, state) = self.model(items, start.first, start.resume)?;
        self.run(fit, state, sequences, shutdown)
    }

    /// A fresh model and the state `first`, or both of the newest checkpoint.
    fn model(
        &self,
        items: &ItemTable,
        first: ResumeState,
        resume: bool,
    ) -> anyhow::Result<(Fit, ResumeState)> {
        let (device, optimizer) = (Device::cuda_if_available(), self.optimizer());
        let Some(saved) = self.folder.saved()?.pop() else {
            if resume {
                tracing::info!(folder = %self.folder.path().display(), "no checkpoint to resume from: starting afresh");
            }
            let model = Model::new(self.spec, items, device, self.config.raw.run.seed);
            let model = model.or_fault().context("build the model")?;
            return Ok((Fit::new(model, optimizer), first));
        };
        if !resume {
            let there = anyhow!(
                "this training is already at step {}: {}; continue it with --resume, or remove {}",
                saved.step,
                saved.path.display(),
                self.folder.path().display()
            );
            return Err(there).fault(FaultKind::Configuration);
        }
        let load = || -> Result<Fit, ModelError> {
            let spec = load_spec(&saved.path.join(SPEC))?;
            let mut fit = Fit::new(Model::load(&spec, items, &saved.model(), device)?, optimizer);
            fit.load_optimizer(&saved.optimizer())?;
            Ok(fit)
        };
        let advice = || {
            let path = saved.path.display();
            format!(
                "resume from {path}; if it is damaged, remove it: --resume then uses the checkpoint before it"
            )
        };
        let fit = load().or_fault().with_context(advice)?;
        Ok((fit, saved.state()?))
    }

    /// The loop: to the end, or until `shutdown`.
    fn run(
        &self,
        mut fit: Fit,
        state: ResumeState,
        sequences: Arc<Sequences>,
        shutdown: &CancellationToken,
    ) -> anyhow::Result<Result<Trained, Stopped>> {
        let (first, steps) = (state.step, self.config.raw.run.steps);
        let actions = sequences.n_actions();
        let sampler = self.sampler(sequences)?;
        let (users, parameters) = (sampler.n_users(), fit.model().n_parameters());
        tracing::info!(users, actions, parameters, from_step = first, "training");
        let batches = Batches::start(sampler, first..steps)?;
        let mut display = ProgressDisplay::new(first, steps, &self.folder.path().join("tensorboard"))?;
        let mut clock = TrainingClock::start(state);
        let mut free_cores = (self.config.raw.run.threads == 0).then(FreeCores::watch).flatten();
        let mut step = first;
        while step < steps && !shutdown.is_cancelled() {
            if let Some(free_cores) = &mut free_cores {
                free_cores.adapt();
            }
            let batch = batches.next()?;
            let stats = fit.step(&batch, step).or_fault().context("train")?;
            step += 1;
            let progress = display.step(step, &stats)?;
            check_gradient(&stats, step)?;
            clock.record(&progress);
            (self.observe)(TrainingProgress::Step(progress));
            if self.is_checkpoint_due(step, &clock) {
                self.save(&fit, &clock.state(step))?;
                clock.saved();
            }
        }
        let state = clock.state(step);
        let checkpoint = self.save(&fit, &state)?;
        let (loss, tokens_per_s) = display.finish();
        if step < steps {
            let path = checkpoint.path.display();
            tracing::info!(step, checkpoint = %path, "stopped; --resume continues from here");
            return Ok(Err(Stopped(checkpoint)));
        }
        let ResumeState { elapsed_s: seconds, curve, .. } = state;
        let summary =
            TrainingSummary { steps, seconds, loss, tokens_per_s, users, actions, parameters, curve };
        let model = Box::new(Embedder::tower(fit.into_model()));
        Ok(Ok(Trained { model, checkpoint, summary, parts: None, alignment: None }))
    }

    fn sampler(&self, sequences: Arc<Sequences>) -> anyhow::Result<Sampler> {
        let raw = &self.config.raw;
        let config = SamplerConfig {
            seed: raw.run.seed,
            users: raw.batch.users,
            positions: raw.batch.positions_per_user,
            newest_share: raw.batch.newest_share,
            negatives: self.config.sizes.negatives,
            correction: raw.negatives.correction,
        };
        Sampler::new(sequences, self.spec, config).or_fault().context("prepare training")
    }

    fn optimizer(&self) -> OptimizerConfig {
        let optimizer = &self.config.raw.optimizer;
        OptimizerConfig {
            learning_rate: optimizer.learning_rate,
            warm_up_share: optimizer.warm_up_share,
            weight_decay: optimizer.weight_decay,
            clip_norm: optimizer.clip,
            beta1: optimizer.betas[0],
            beta2: optimizer.betas[1],
            dropout: optimizer.dropout,
            seed: self.config.raw.run.seed,
            rank: 0,
            steps: self.config.raw.run.steps,
        }
    }

    fn is_checkpoint_due(&self, step: u64, clock: &TrainingClock) -> bool {
        let run = &self.config.raw.run;
        step.is_multiple_of(run.checkpoint_steps) || clock.since_saved() >= run.checkpoint_every
    }

    fn save(&self, fit: &Fit, state: &ResumeState) -> anyhow::Result<StepCheckpoint> {
        let saved = self.folder.save(state, |folder| {
            fit.model().save(&folder.join(WEIGHTS))?;
            fit.save_optimizer(&folder.join(OPTIMIZER))?;
            save_spec(self.spec, &folder.join(SPEC))?;
            Ok(fs::write(folder.join(CONFIG), self.config_yaml)?)
        });
        saved.fault(FaultKind::Unavailable)
    }
}

/// A gradient that is not finite has made the weights useless; better no checkpoint than that one.
fn check_gradient(stats: &StepStats, step: u64) -> anyhow::Result<()> {
    if stats.grad_norm.is_finite() {
        return Ok(());
    }
    let loss = stats.loss;
    Err(anyhow!("the gradient of step {step} is not finite (loss {loss}); lower optimizer.learning_rate"))
        .fault(FaultKind::Configuration)
}
