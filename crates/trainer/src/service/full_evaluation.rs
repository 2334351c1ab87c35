//! The evaluation of a published model beside all baselines, when no run waits. **It never touches what is published.**

use std::fs;

use dayvec_experiment::{Config, Store, evaluate, full_report, published_report};

/// Folder in the work folder for the copies of this evaluation: a client may have a model promoted meanwhile, whose
/// measuring stages its own copies.
const FOLDER: &str = "full-evaluation";

/// Measure a model of the bucket beside all baselines, unless that has been done; `false` when `stop` ended it early.
///
/// # Errors
/// When the bucket, the log or the checkpoint cannot be read.
pub(crate) fn measure(
    config: &Config,
    store: &Store,
    model_id: &str,
    stop: &dyn Fn() -> bool,
) -> anyhow::Result<bool> {
    // A checkpoint that was removed needs no table.
    let Some(published) = published_report(store, model_id)? else { return Ok(true) };
    if full_report(store, &published)?.is_some() {
        return Ok(true);
    }
    tracing::info!(model_id, "measuring the model beside all baselines");
    let mut config = config.clone();
    config.work_dir.push(FOLDER);
    let evaluated = evaluate(&config, store, model_id, stop);
    if let Err(error) = fs::remove_dir_all(&config.work_dir) {
        tracing::warn!(folder = %config.work_dir.display(), %error, "could not remove the folder of an evaluation");
    }
    let Some(report) = evaluated? else {
        tracing::info!(model_id, "stopped measuring the model beside all baselines");
        return Ok(false);
    };
    let mut baselines = report.recall_by_scorer.seen_allowed;
    let model = baselines.remove("model");
    let best = baselines.into_iter().max_by(|a, b| a.1.total_cmp(&b.1));
    tracing::info!(model_id, recall = model, best_baseline = ?best, "measured the model beside all baselines");
    Ok(true)
}
