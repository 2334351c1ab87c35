//! Measures a model beside the baselines on the days after the cut-off.
//!
//! Popularity, which the gate of a promotion needs, takes seconds; the other baselines take minutes on a large log. So a
//! checkpoint is published with the first, and [`evaluate`] makes the whole table later: under `evaluations/`, because
//! nothing that is published is overwritten.

use std::fs;

use anyhow::Context;
use dayvec_core::{FaultKind, ItemTable, Sequences};
use dayvec_evaluation::baselines::{self, BaselineInput, Limits, Which};
use dayvec_evaluation::{
    Embeddings, EvalOptions, EvaluationError, Interests, Outcomes, Scorer, Truth, retrieve,
};
use dayvec_parts::Embedder;
use dayvec_registry::checkpoint::{CARD, CONFIG, METRICS};
use dayvec_registry::evaluation;
use dayvec_report::{Evaluation, Report, Table, TaskRecall};
use dayvec_runtime::fault::{OrFault as _, WithFault as _};
use serde_json::json;

use crate::card::card;
use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::data::ModelData;
use crate::progress::{Stages, no_observer};
use crate::publish::published_report;
use crate::report::report;
use crate::store::Store;

/// Measure a checkpoint (a folder, or the id of a model in the bucket) and all baselines.
///
/// The report is written to `evaluations/` in the work folder, and for a model of the bucket also to
/// `evaluations/<model_id>/` there, unless an earlier one of the same days is. `None` when `stop` said so, which it is
/// asked between two scorers; then nothing is kept.
///
/// # Errors
/// With the exit code that says what the caller can do.
pub fn evaluate(
    config: &Config,
    store: &Store,
    checkpoint: &str,
    stop: &dyn Fn() -> bool,
) -> anyhow::Result<Option<Report>> {
    let mut stages = Stages::new(&no_observer);
    let loaded = Checkpoint::load(config, store, checkpoint)?;
    let (model, data) = (&loaded.model, &loaded.data);
    let evaluated = stages.time("evaluate_all", || {
        evaluate_model(config, model, &loaded.items, data, &Evaluate { which: Which::All, stop })
    });
    let evaluation = match evaluated {
        Err(error) if is_stop(&error) => return Ok(None),
        evaluated => evaluated?,
    };
    let mut report = report(model, data, evaluation, loaded.folder.display().to_string());
    report.events = json!(loaded.read_summary);
    let published = published_report(store, &report.model_id)?;
    if let Some(published) = &published {
        report.checkpoint.clone_from(&published.checkpoint);
        report.training.clone_from(&published.training);
        report.stages = published.stages.clone();
    }
    for (stage, seconds) in stages.seconds.iter() {
        report.stages.add(stage, seconds);
    }
    let metrics = serde_json::to_vec_pretty(&report).context("write metrics.json")?;
    let folder = config.work_dir.join("evaluations");
    let path = folder.join(format!("{}-{}.json", report.model_id, report.cut_off));
    fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    fs::write(&path, &metrics).with_context(|| format!("write {}", path.display()))?;
    if published.is_some_and(|published| published.tower_pair_id == report.tower_pair_id) {
        let config_yaml = fs::read_to_string(loaded.folder.join(CONFIG)).context("read the configuration")?;
        let card = card(&report, model.spec(), &config_yaml);
        for (file, content) in [(CARD, card.into_bytes()), (METRICS, metrics)] {
            store.write_new(&key_of(&report, file), content)?;
        }
    }
    Ok(Some(report))
}

/// The report with all baselines on the same days as `published`, the report of a checkpoint; `None` where it has not
/// been made yet.
///
/// # Errors
/// When the bucket cannot be read, or the report there is damaged.
pub fn full_report(store: &Store, published: &Report) -> anyhow::Result<Option<Report>> {
    read_report(store, &key_of(published, METRICS))
}

/// A report in the bucket; `None` where there is none.
pub(crate) fn read_report(store: &Store, key: &str) -> anyhow::Result<Option<Report>> {
    let Some(bytes) = store.read(key)? else { return Ok(None) };
    let report = serde_json::from_slice(&bytes).with_context(|| format!("read {}", store.url(key)));
    report.map(Some).fault(FaultKind::Data)
}

fn key_of(report: &Report, file: &str) -> String {
    evaluation::key(&report.model_id, report.cut_off, report.test_days, file)
}

/// Which baselines are measured beside a model, and what ends that early.
pub(crate) struct Evaluate<'a> {
    pub(crate) which: Which,
    /// Asked between two scorers, and between two trials of a setting.
    pub(crate) stop: &'a dyn Fn() -> bool,
}

/// Whether an error of [`evaluate_model`] says that it was stopped.
pub(crate) fn is_stop(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(EvaluationError::Stopped))
}

/// Measure a model and baselines.
///
/// # Errors
/// One for which [`is_stop`] holds, once it was stopped.
pub(crate) fn evaluate_model(
    config: &Config,
    model: &Embedder,
    items: &ItemTable,
    data: &ModelData,
    how: &Evaluate<'_>,
) -> anyhow::Result<Evaluation> {
    let truth = truth(data)?;
    let options = EvalOptions {
        interests: Interests::of(items),
        n_resamples: config.raw.evaluation.bootstrap,
        seed: config.raw.run.seed,
    };
    let mut outcomes: Vec<Outcomes> = Vec::new();
    let mut run = |scorer: &dyn Scorer| -> anyhow::Result<()> {
        if (how.stop)() {
            return Err(EvaluationError::Stopped).or_fault();
        }
        let name = scorer.name().to_owned();
        tracing::info!(scorer = name, "evaluating");
        outcomes.push(
            retrieve(scorer, &data.history, &truth, &options)
                .or_fault()
                .with_context(|| format!("evaluate {name}"))?,
        );
        Ok(())
    };
    let scorer = model_scorer(model, data, &truth.users)?;
    run(&scorer)?;
    let choices = baselines::each(&baseline_input(config, items, data), how.which, how.stop, &mut run)?;
    let by_task = by_task(&scorer, model, data, &options)?;
    let (all_users, held_out) = tables(data, &truth, &outcomes);
    Ok(Evaluation { all_users, held_out, by_task, choices })
}

/// The tables of all users, and of the held-out ones where there are any.
pub(crate) fn tables(data: &ModelData, truth: &Truth, outcomes: &[Outcomes]) -> (Table, Option<Table>) {
    let is_held_out = |user: usize| data.is_held_out(user);
    let tested = data.test();
    let table = |users: &str, keep: &dyn Fn(usize) -> bool| Table {
        title: format!("{users}, {tested}"),
        rows: outcomes.iter().map(|outcome| outcome.metrics(keep)).collect(),
    };
    let has_held_out = truth.users.iter().any(|&user| is_held_out(user));
    (table("All users", &|_| true), has_held_out.then(|| table("Held-out users", &is_held_out)))
}

/// The recall of the model for each action that has positives, where there are several.
fn by_task(
    scorer: &Embeddings,
    model: &Embedder,
    data: &ModelData,
    options: &EvalOptions,
) -> anyhow::Result<Vec<TaskRecall>> {
    let schema = &model.spec().events;
    let is_task = |(_, action): &(u8, &String)| schema.positives.iter().any(|rule| rule.action == **action);
    let tasks: Vec<(u8, &String)> = (0..).zip(&schema.actions).filter(is_task).collect();
    let mut by_task = Vec::new();
    for (action_type, task) in tasks.iter().filter(|_| tasks.len() > 1) {
        let truth = match Truth::of_task(&data.history, &data.future, *action_type) {
            Err(EvaluationError::NoUsers) => continue, // nobody did it on the test days
            truth => truth.or_fault().context("find test users")?,
        };
        let outcomes = retrieve(scorer, &data.history, &truth, options).or_fault();
        let allowed = outcomes.with_context(|| format!("evaluate {task}"))?.metrics(&|_| true).seen_allowed;
        by_task.push(TaskRecall { task: (*task).clone(), n_pairs: allowed.n_pairs, recall: allowed.recall });
    }
    Ok(by_task)
}

/// What the baselines of a configuration are built from.
pub(crate) fn baseline_input<'a>(
    config: &Config,
    items: &'a ItemTable,
    data: &'a ModelData,
) -> BaselineInput<'a> {
    let settings = &config.raw.evaluation;
    let limits =
        Limits { ease_items: settings.ease_items, memory_bytes: settings.memory_mib.saturating_mul(1 << 20) };
    BaselineInput {
        history: &data.history,
        items,
        split: data.split,
        limits,
        pinnersage: settings.pinnersage.as_ref().map(|settings| settings.threshold),
        seed: config.raw.run.seed,
    }
}

/// The test users and their relevant items.
pub(crate) fn truth(data: &ModelData) -> anyhow::Result<Truth> {
    Truth::build(&data.history, &data.future)
        .or_fault()
        .with_context(|| format!("find test users: {}", data.test()))
}

/// The model as a scorer, with users and items as they are at the cut-off.
pub(crate) fn model_scorer(
    model: &Embedder,
    data: &ModelData,
    users: &[usize],
) -> anyhow::Result<Embeddings> {
    scorer_as_of(model, &data.history, users, data.split.cut_off.start_s())
}

/// The model as a scorer, with `users` as they are in `history`, and items as of `until_s` (Unix seconds).
pub(crate) fn scorer_as_of(
    model: &Embedder,
    history: &Sequences,
    users: &[usize],
    until_s: i64,
) -> anyhow::Result<Embeddings> {
    let user_values = model.encode_users(history, users).or_fault().context("encode users")?;
    let item_values =
        model.encode_items(&model.item_counts(history, until_s)).or_fault().context("encode items")?;
    Embeddings::new("model", users, &user_values, model.spec().n_items, &item_values).or_fault()
}
