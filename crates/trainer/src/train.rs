//! One training from the log to the bucket.

use std::fs;
use std::path::Path;

use anyhow::Context;
use dayvec_core::ModelSpec;
use dayvec_model::{Model, save_spec};
use dayvec_report::{Report, StageSeconds};
use dayvec_runtime::{Exit, OrExit};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::card::card;
use crate::config::Config;
use crate::data::{Log, featured_items};
use crate::evaluate::{Interrupted, measure};
use crate::publish::{publish, published_metrics};
use crate::report::report;
use crate::run_folder::{RunFolder, Saved};
use crate::stages::time;
use crate::store::Store;
use crate::told::{Told, Watcher};
use crate::training::{Ended, Training};

/// How a run ended.
#[derive(Debug)]
pub enum Outcome {
    /// The checkpoint is in the bucket.
    Trained(Box<Report>),
    /// It was there already: the same configuration, data and seed have been trained before.
    AlreadyTrained(Box<Report>),
    /// Told to stop; `--resume` goes on from here.
    Stopped(Saved),
}

/// Train, evaluate and upload, or stop with a resumable checkpoint when `shutdown` is cancelled.
///
/// With `resume` it goes on from the newest whole checkpoint in the work folder, where there is one. `tell` hears how it
/// goes, on the thread that trains, so it must be quick.
///
/// # Errors
/// With the exit code that says what the caller can do.
pub fn train(
    config: &Config,
    resume: bool,
    shutdown: &CancellationToken,
    tell: Watcher<'_>,
) -> anyhow::Result<Outcome> {
    let mut stages = StageSeconds::default();
    let store = Store::open(&config.bucket, config.raw.single_publisher)?;
    store.probe()?;
    let log = time(&mut stages, "read_events", tell, || Log::read(config, config.schema()))?;
    let items = time(&mut stages, "items", tell, || featured_items(config, &store, &log))?;
    let mut resolved_config = config.raw.clone();
    resolved_config.split.cut_off = Some(log.window.cut_off);
    let config_yaml = dayvec_runtime::config::to_yaml(&resolved_config);
    let mut spec = config.spec(log.facts(&items));
    spec.model_id = model_id(config, &spec, &log)?;
    spec.tower_pair_id = "unfinished".to_owned();
    tracing::info!(model_id = spec.model_id, cut_off = %log.window.cut_off, "model");
    tell(Told::Named { model_id: spec.model_id.clone(), cut_off: log.window.cut_off });
    if let Some(metrics) = published_metrics(&store, &spec.model_id)? {
        let report = serde_json::from_slice(&metrics).context("read metrics.json").or_exit(Exit::BadData)?;
        tracing::info!(model_id = spec.model_id, "this very training is in the bucket already");
        return Ok(Outcome::AlreadyTrained(report));
    }
    let folder = RunFolder::open(&config.work_dir, &spec.model_id)?;
    let events = log.report.clone();
    let data = log.resolve(&items.table, &spec);
    let training = Training {
        config,
        spec: &spec,
        items: &items.table,
        folder: &folder,
        cut_off: data.window.cut_off,
        config_yaml: &config_yaml,
        tell,
    };
    let ended = time(&mut stages, "train", tell, || training.run(data.training(), resume, shutdown))?;
    let (mut model, saved, figures) = match ended {
        Ended::Stopped(saved) => return Ok(Outcome::Stopped(saved)),
        Ended::Done { model, saved, figures } => (model, saved, figures),
    };
    model.rename(&spec.model_id, &tower_pair_id(&saved.model())?);
    let measured =
        time(&mut stages, "evaluate", tell, || measure(config, &model, &items.table, &data, shutdown));
    let tables = match measured {
        Err(error) if error.is::<Interrupted>() => return Ok(Outcome::Stopped(saved)),
        measured => measured?,
    };
    let mut report = report(&model, &data, tables, store.place(&format!("checkpoints/{}", spec.model_id)));
    report.events = json!(events);
    report.training = Some(figures);
    report.stages = stages;
    write_results(&saved.path, &report, &model, &card(&report, model.spec(), &config_yaml))?;
    publish(&store, &spec.model_id, &saved.path)?;
    tracing::info!(checkpoint = report.checkpoint, "published");
    Ok(Outcome::Trained(Box::new(report)))
}

/// Name of a training: everything that decides the weights, and nothing else (no date, no folder, no thread count).
fn model_id(config: &Config, spec: &ModelSpec, log: &Log) -> anyhow::Result<String> {
    let raw = &config.raw;
    let run = json!([raw.run.steps, raw.run.seed]);
    let settings = json!([spec, raw.batch, raw.negatives, raw.optimizer, run, log.window.cut_off]);
    let mut hasher = blake3::Hasher::new();
    hasher.update(env!("CARGO_PKG_VERSION").as_bytes());
    hasher.update(serde_json::to_string(&settings).context("name the model")?.as_bytes());
    hasher.update(log.digest().as_bytes());
    Ok(format!("{}-{}", raw.model.preset, &hasher.finalize().to_hex()[..12]))
}

/// Name of a pair of towers: a digest of their weights.
fn tower_pair_id(weights: &Path) -> anyhow::Result<String> {
    let bytes = fs::read(weights).with_context(|| format!("read {}", weights.display()))?;
    Ok(blake3::hash(&bytes).to_hex()[..16].to_owned())
}

/// Complete the last resumable checkpoint: named spec, metrics, card.
fn write_results(folder: &Path, report: &Report, model: &Model, card: &str) -> anyhow::Result<()> {
    save_spec(model.spec(), &folder.join("spec.yaml")).context("write the spec")?;
    let metrics = serde_json::to_vec_pretty(report).context("write metrics.json")?;
    for (name, content) in [("metrics.json", &metrics[..]), ("card.md", card.as_bytes())] {
        let path = folder.join(name);
        fs::write(&path, content).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}
