//! One training, top to bottom: configuration → data → model → loop → evaluation beside popularity → publication. The
//! other baselines follow it ([`crate::evaluate()`]): a model need not wait for them.
//!
//! All that changes in the loop is in [`Fit`] and the step number, so a training that is resumed from a checkpoint ends
//! with the same weights as one that was never stopped. A kill at any moment loses at most the steps since the last
//! resumable checkpoint, and readers of the bucket never see half a checkpoint.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use dayvec_core::{FaultKind, ItemTable, ModelSpec, Sequences};
use dayvec_evaluation::baselines::Which;
use dayvec_model::{
    Fit, Model, ModelError, NegativeConfig, OptimizerConfig, Sampler, SamplerConfig, StepStats, load_spec,
    save_spec,
};
use dayvec_registry::checkpoint::{CARD, CONFIG, METRICS, OPTIMIZER, SPEC, WEIGHTS};
use dayvec_report::{Report, TrainingSummary};
use dayvec_runtime::fault::{OrFault as _, WithFault as _};
use dayvec_sequences::log::digest;
use serde_json::json;
use tch::Device;
use tokio_util::sync::CancellationToken;

use crate::batches::Batches;
use crate::card::card;
use crate::clock::TrainingClock;
use crate::config::Config;
use crate::data::SplitLog;
use crate::evaluate::{Evaluate, evaluate_model, is_stop, truth};
use crate::free_cores::FreeCores;
use crate::items::ItemFeatures;
use crate::progress::{Observer, Stages, TrainingProgress};
use crate::progress_display::ProgressDisplay;
use crate::publish::{publish, published_report};
use crate::report::report;
use crate::store::Store;
use crate::training_folder::{ResumeState, StepCheckpoint, TrainingFolder};

/// How a training ended.
#[derive(Debug)]
pub enum Outcome {
    /// The checkpoint is in the bucket.
    Trained(Box<Report>),
    /// It was there already: the same configuration, data and seed have been trained before.
    AlreadyTrained(Box<Report>),
    /// Stopped on request; `resume` continues from this checkpoint.
    Stopped(StepCheckpoint),
}

/// Train, evaluate beside popularity and upload; or stop with a resumable checkpoint when `shutdown` is cancelled.
///
/// With `resume` it continues from the newest whole checkpoint in the work folder, where there is one.
///
/// # Errors
/// With the exit code that says what the caller can do.
pub fn train(
    config: &Config,
    store: &Store,
    resume: bool,
    shutdown: &CancellationToken,
    observe: Observer<'_>,
) -> anyhow::Result<Outcome> {
    let mut stages = Stages::new(observe);
    store.probe()?;

    // Data: the log, split at the cut-off, and features of its items.
    let log = stages.time("read_events", || SplitLog::read(config, store, config.schema()))?;
    log.check_test_days()?;
    let items = stages.time("items", || ItemFeatures::prepare(config, store, &log.history))?;
    let cut_off = log.split.cut_off;
    let config_yaml = config.resolved_yaml(cut_off);
    let mut spec = config.spec(log.facts(&items));
    spec.model_id = model_id(config, &spec, &log)?;
    spec.tower_pair_id = "unfinished".to_owned();
    tracing::info!(model_id = spec.model_id, %cut_off, "model");
    observe(TrainingProgress::Named { model_id: spec.model_id.clone(), cut_off });
    if let Some(report) = published_report(store, &spec.model_id)? {
        tracing::info!(model_id = spec.model_id, "already trained: the checkpoint is in the bucket");
        return Ok(Outcome::AlreadyTrained(Box::new(report)));
    }
    let folder = TrainingFolder::open(&config.work_dir, &spec.model_id)?;
    let read_summary = log.report.clone();
    let data = log.resolve(&items.table, &spec);
    truth(&data)?; // a test without users is known before hours of training

    // Model and loop.
    let training = Training { config, spec: &spec, folder: &folder, config_yaml: &config_yaml, observe };
    let first = ResumeState::first(&spec.model_id, cut_off);
    let trained = stages.time("train", || {
        let (fit, state) = training.model(&items.table, first, resume)?;
        training.run(fit, state, data.training(), shutdown)
    })?;
    let Trained { mut model, checkpoint, summary } = match trained {
        Ok(trained) => trained,
        Err(Stopped(checkpoint)) => return Ok(Outcome::Stopped(checkpoint)),
    };
    model.rename(&spec.model_id, &tower_pair_id(&checkpoint.model())?);

    // Evaluation beside popularity, which the gate of a promotion needs.
    let how = Evaluate { which: Which::Popularity, stop: &|| shutdown.is_cancelled() };
    let evaluated = stages.time("evaluate", || evaluate_model(config, &model, &items.table, &data, &how));
    let evaluation = match evaluated {
        Err(error) if is_stop(&error) => return Ok(Outcome::Stopped(checkpoint)),
        evaluated => evaluated?,
    };

    // Publication.
    let mut report = report(&model, &data, evaluation, store.checkpoint_url(&spec.model_id));
    report.events = json!(read_summary);
    report.training = Some(summary);
    report.stages = stages.seconds;
    write_results(&checkpoint.path, &report, &model, &card(&report, model.spec(), &config_yaml))?;
    publish(store, &spec.model_id, &checkpoint.path)?;
    tracing::info!(checkpoint = report.checkpoint, "published");
    Ok(Outcome::Trained(Box::new(report)))
}

/// What all steps of a training share.
struct Training<'a> {
    config: &'a Config,
    spec: &'a ModelSpec,
    folder: &'a TrainingFolder,
    /// The configuration as it is saved beside the weights.
    config_yaml: &'a str,
    observe: Observer<'a>,
}

/// The result of a whole training loop.
struct Trained {
    model: Box<Model>,
    checkpoint: StepCheckpoint,
    summary: TrainingSummary,
}

/// A training loop that was stopped, and the checkpoint to continue from.
struct Stopped(StepCheckpoint);

impl Training<'_> {
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
        Ok(Ok(Trained { model: Box::new(fit.into_model()), checkpoint, summary }))
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

/// Name of a training: a digest of everything that decides the weights, and nothing else (no date, folder or thread
/// count).
fn model_id(config: &Config, spec: &ModelSpec, log: &SplitLog) -> anyhow::Result<String> {
    let raw = &config.raw;
    let run = json!([raw.run.steps, raw.run.seed]);
    let NegativeConfig { random, in_batch } = config.sizes.negatives;
    let negatives = json!([random, in_batch, raw.negatives.correction]);
    let settings =
        json!([spec, raw.batch, negatives, raw.optimizer, run, raw.split.protocol, log.split.cut_off]);
    let mut hasher = blake3::Hasher::new();
    hasher.update(env!("CARGO_PKG_VERSION").as_bytes());
    hasher.update(serde_json::to_string(&settings).context("name the model")?.as_bytes());
    hasher.update(digest(&log.history).as_bytes());
    Ok(format!("{}-{}", raw.model.preset, &hasher.finalize().to_hex()[..12]))
}

/// Name of a pair of towers: a digest of their weights.
fn tower_pair_id(weights: &Path) -> anyhow::Result<String> {
    let bytes = fs::read(weights).with_context(|| format!("read {}", weights.display()))?;
    Ok(blake3::hash(&bytes).to_hex()[..16].to_owned())
}

/// Complete the last resumable checkpoint: spec with its final names, metrics, card.
fn write_results(folder: &Path, report: &Report, model: &Model, card: &str) -> anyhow::Result<()> {
    save_spec(model.spec(), &folder.join(SPEC)).context("write the spec")?;
    let metrics = serde_json::to_vec_pretty(report).context("write metrics.json")?;
    for (name, content) in [(METRICS, &metrics[..]), (CARD, card.as_bytes())] {
        let path = folder.join(name);
        fs::write(&path, content).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}
