//! One training, top to bottom: configuration → data → model → loop → evaluation beside popularity → publication. The
//! other baselines follow it ([`crate::evaluate()`]): a model need not wait for them.
//!
//! A kill at any moment loses at most the steps since the last resumable checkpoint, and readers of the bucket never see half
//! a checkpoint.

use std::fs;
use std::path::Path;

use anyhow::Context;
use dayvec_core::ModelSpec;
use dayvec_evaluation::baselines::Which;
use dayvec_model::{NegativeConfig, save_spec};
use dayvec_parts::Embedder;
use dayvec_registry::checkpoint::{CARD, METRICS, SPEC};
use dayvec_report::Report;
use dayvec_sequences::log::digest;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::card::card;
use crate::config::Config;
use crate::data::SplitLog;
use crate::evaluate::{Evaluate, evaluate_model, is_stop, truth};
use crate::items::ItemFeatures;
use crate::progress::{Observer, Stages, TrainingProgress};
use crate::publish::{publish, published_report};
use crate::report::report;
use crate::store::Store;
use crate::tower::{Start, Stopped, Trained, Training};
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
    let training =
        Training { config, store, spec: &spec, folder: &folder, config_yaml: &config_yaml, observe };
    let first = ResumeState::first(&spec.model_id, cut_off);
    let trained = stages.time("train", || {
        if config.parts.is_empty() {
            training.tower(&items.table, data.training(), Start { first, resume }, shutdown)
        } else {
            training.parts(&items.table, &data, first, shutdown)
        }
    })?;
    let Trained { mut model, checkpoint, summary, parts, alignment } = match trained {
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
    report.parts = parts;
    report.alignment = alignment;
    report.training = Some(summary);
    report.stages = stages.seconds;
    write_results(&checkpoint.path, &report, &model, &card(&report, model.spec(), &config_yaml))?;
    publish(store, &spec.model_id, &checkpoint.path)?;
    tracing::info!(checkpoint = report.checkpoint, "published");
    Ok(Outcome::Trained(Box::new(report)))
}

/// Name of a training: a digest of everything that decides the weights, and nothing else (no date, folder or thread
/// count).
fn model_id(config: &Config, spec: &ModelSpec, log: &SplitLog) -> anyhow::Result<String> {
    let raw = &config.raw;
    let run = json!([raw.run.steps, raw.run.seed]);
    let NegativeConfig { random, in_batch } = config.sizes.negatives;
    let negatives = json!([random, in_batch, raw.negatives.correction]);
    let parts = json!([config.parts, raw.parts]);
    let settings =
        json!([spec, parts, raw.batch, negatives, raw.optimizer, run, raw.split.protocol, log.split.cut_off]);
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
fn write_results(folder: &Path, report: &Report, model: &Embedder, card: &str) -> anyhow::Result<()> {
    save_spec(model.spec(), &folder.join(SPEC)).context("write the spec")?;
    let metrics = serde_json::to_vec_pretty(report).context("write metrics.json")?;
    for (name, content) in [(METRICS, &metrics[..]), (CARD, card.as_bytes())] {
        let path = folder.join(name);
        fs::write(&path, content).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}
