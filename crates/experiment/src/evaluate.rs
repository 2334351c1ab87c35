//! Measures a model beside the baselines on the days after the cut-off.

use std::fs;

use anyhow::Context;
use dayvec_core::{ItemTable, Sequences};
use dayvec_evaluation::baselines::{self, BaselineInput};
use dayvec_evaluation::{Embeddings, EvalOptions, Interests, Outcomes, Scorer, Truth, retrieve};
use dayvec_model::Model;
use dayvec_report::{Evaluation, Report, Table};
use dayvec_runtime::fault::OrFault as _;
use dayvec_sequences::split::is_held_out;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::data::ModelData;
use crate::report::report;
use crate::store::Store;

/// The evaluation was stopped on request; nothing of it is kept.
#[derive(Debug, thiserror::Error)]
#[error("the evaluation was stopped")]
pub(crate) struct Interrupted;

/// Measure a checkpoint (a folder, or the id of a model in the bucket) and the baselines; the report is also written
/// to `evaluations/` in the work folder.
///
/// # Errors
/// With the exit code that says what the caller can do.
pub fn evaluate(config: &Config, store: &Store, checkpoint: &str) -> anyhow::Result<Report> {
    let loaded = Checkpoint::load(config, store, checkpoint)?;
    let evaluation =
        evaluate_model(config, &loaded.model, &loaded.items, &loaded.data, &CancellationToken::new())?;
    let mut report = report(&loaded.model, &loaded.data, evaluation, loaded.folder.display().to_string());
    report.events = json!(loaded.read_summary);
    let folder = config.work_dir.join("evaluations");
    let path = folder.join(format!("{}-{}.json", report.model_id, report.cut_off));
    fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    fs::write(&path, serde_json::to_vec_pretty(&report)?)
        .with_context(|| format!("write {}", path.display()))?;
    Ok(report)
}

/// Measure a model and the baselines.
///
/// # Errors
/// [`Interrupted`], between two scorers, once `shutdown` is cancelled.
pub(crate) fn evaluate_model(
    config: &Config,
    model: &Model,
    items: &ItemTable,
    data: &ModelData,
    shutdown: &CancellationToken,
) -> anyhow::Result<Evaluation> {
    let truth = truth(data)?;
    let options = EvalOptions {
        interests: Interests::of(items),
        n_resamples: config.raw.evaluation.bootstrap,
        seed: config.raw.run.seed,
    };
    let mut outcomes: Vec<Outcomes> = Vec::new();
    let go_on = || if shutdown.is_cancelled() { Err(Interrupted) } else { Ok(()) };
    let mut run = |scorer: &dyn Scorer| -> anyhow::Result<()> {
        go_on()?;
        let name = scorer.name().to_owned();
        tracing::info!(scorer = name, "evaluating");
        outcomes.push(
            retrieve(scorer, &data.history, &truth, &options)
                .or_fault()
                .with_context(|| format!("evaluate {name}"))?,
        );
        // Before the next one is built, which for the larger ones takes longest.
        Ok(go_on()?)
    };
    run(&model_scorer(model, &data.history, &truth.users)?)?;
    let input = BaselineInput {
        history: &data.history,
        items,
        cut_off: data.split.cut_off,
        ease_items: config.raw.evaluation.ease_items,
        pinnersage: config.raw.evaluation.pinnersage.as_ref().map(|settings| settings.threshold),
        seed: config.raw.run.seed,
    };
    baselines::each(&input, &mut run)?;
    let is_held_out = |user: usize| is_held_out(data.history.users.get(user));
    let days = format!("{} days from {}", data.split.n_days, data.split.cut_off);
    let table = |users: &str, keep: &dyn Fn(usize) -> bool| Table {
        title: format!("{users}, {days}"),
        rows: outcomes.iter().map(|outcome| outcome.metrics(keep)).collect(),
    };
    let has_held_out = truth.users.iter().any(|&user| is_held_out(user));
    Ok(Evaluation {
        all_users: table("All users", &|_| true),
        held_out: has_held_out.then(|| table("Held-out users", &is_held_out)),
    })
}

/// The test users and their relevant items.
pub(crate) fn truth(data: &ModelData) -> anyhow::Result<Truth> {
    Truth::build(&data.history, &data.future).or_fault().context("find test users")
}

/// The model as a scorer, on the histories of `users`.
pub(crate) fn model_scorer(
    model: &Model,
    history: &Sequences,
    users: &[usize],
) -> anyhow::Result<Embeddings> {
    let user_values = model.encode_users(history, users).or_fault().context("encode users")?;
    let item_values = model.encode_items().or_fault().context("encode items")?;
    Embeddings::new("model", users, &user_values, model.spec().n_items, &item_values).or_fault()
}
