//! Measures a model beside the baselines on the days after the cut-off, and writes its best items for others to score.

use std::collections::HashSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow};
use arrow_array::{ArrayRef, Float32Array, RecordBatch, StringArray, UInt32Array};
use dayvec_core::{Day, IdColumn, ItemTable};
use dayvec_evaluation::baselines::Popularity;
use dayvec_evaluation::{EvalOptions, Interests, Outcomes, Scorer, Truth, retrieve, top};
use dayvec_model::{Model, load_spec};
use dayvec_report::{Evaluation, Report, Table};
use dayvec_runtime::{Exit, OrExit};
use dayvec_sequences::split::is_held_out;
use parquet::arrow::ArrowWriter;
use serde::Deserialize;
use serde_json::json;
use tch::Device;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::data::{Log, Resolved};
use crate::items::FeaturedItems;
use crate::publish::fetch;
use crate::report::report;
use crate::scorers::{baselines, model_scorer};
use crate::service::Contest;
use crate::store::Store;

/// The measurement was told to stop; nothing of it is kept.
#[derive(Debug, thiserror::Error)]
#[error("told to stop")]
pub(crate) struct Interrupted;

/// Measure a model and the baselines.
///
/// # Errors
/// [`Interrupted`], between two scorers, once `shutdown` is cancelled.
pub(crate) fn measure(
    config: &Config,
    model: &Model,
    items: &ItemTable,
    data: &Resolved,
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
            retrieve(scorer, &data.history, &truth, &options).with_context(|| format!("evaluate {name}"))?,
        );
        // Before the next one is built, which for the larger ones takes longest.
        Ok(go_on()?)
    };
    run(&model_scorer(model, &data.history, &truth.users)?)?;
    baselines(config, items, data, &mut run)?;
    let is_held_out = |user: usize| is_held_out(data.history.users.get(user));
    let window = format!("{} days from {}", data.window.n_days, data.window.cut_off);
    let table = |users: &str, keep: &dyn Fn(usize) -> bool| Table {
        title: format!("{users}, {window}"),
        rows: outcomes.iter().map(|outcome| outcome.metrics(keep)).collect(),
    };
    let held_out = truth.users.iter().any(|&user| is_held_out(user));
    Ok(Evaluation {
        all_users: table("All users", &|_| true),
        held_out: held_out.then(|| table("Held-out users", &is_held_out)),
    })
}

fn truth(data: &Resolved) -> anyhow::Result<Truth> {
    Truth::build(&data.history, &data.future).context("find test users").or_exit(Exit::BadData)
}

/// A checkpoint with its items and the log split where it was trained until.
struct Loaded {
    model: Model,
    items: FeaturedItems,
    data: Resolved,
    events: serde_json::Value,
    folder: PathBuf,
    store: Store,
}

impl Loaded {
    fn load(config: &Config, checkpoint: &str) -> anyhow::Result<Self> {
        let store = Store::open(&config.bucket, config.raw.single_publisher)?;
        let folder = fetch(&store, checkpoint, &config.work_dir)?;
        let spec =
            load_spec(&folder.join("spec.yaml")).context("read the checkpoint").or_exit(Exit::BadData)?;
        let items = FeaturedItems::fetch(&store, &spec.items_version, &config.work_dir.join("items"))?;
        let model =
            Model::load(&spec, &items.table, &folder.join("model.safetensors"), Device::cuda_if_available());
        let model = model.context("load the checkpoint").or_exit(Exit::BadData)?;
        let mut config = config.clone();
        let trained_until = trained_until(&folder)?;
        let cut_off = config.raw.split.cut_off.get_or_insert(trained_until);
        if *cut_off < trained_until {
            let cut_off = *cut_off;
            return Err(anyhow!(
                "split.cut_off {cut_off} is before {trained_until}, where the training of {} ended: it would be tested \
                 on what it was trained on; choose a later day, or null",
                spec.model_id
            ))
            .or_exit(Exit::BadConfig);
        }
        let log = Log::read(&config, &spec.events)?;
        let events = json!(log.report);
        let data = log.resolve(&items.table, &spec);
        Ok(Self { model, items, data, events, folder, store })
    }
}

/// First day that the training did not see, from what lies beside the weights.
fn trained_until(folder: &Path) -> anyhow::Result<Day> {
    #[derive(Deserialize)]
    struct CutOff {
        cut_off: Day,
    }
    let path = ["metrics.json", "state.json"].map(|name| folder.join(name));
    let path = path.iter().find(|path| path.is_file()).unwrap_or(&path[0]);
    let read = || -> anyhow::Result<CutOff> { Ok(serde_json::from_slice(&fs::read(path)?)?) };
    Ok(read().with_context(|| format!("read {}", path.display())).or_exit(Exit::BadData)?.cut_off)
}

/// Measure a checkpoint (a folder, or the id of a model in the bucket) and the baselines; the report is also written
/// to `evaluations/` in the work folder.
///
/// # Errors
/// With the exit code that says what the caller can do.
pub fn evaluate(config: &Config, checkpoint: &str) -> anyhow::Result<Report> {
    let loaded = Loaded::load(config, checkpoint)?;
    let tables =
        measure(config, &loaded.model, &loaded.items.table, &loaded.data, &CancellationToken::new())?;
    let mut report = report(&loaded.model, &loaded.data, tables, loaded.folder.display().to_string());
    report.events = loaded.events;
    let folder = config.work_dir.join("evaluations");
    let path = folder.join(format!("{}-{}.json", report.model_id, report.cut_off));
    fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    fs::write(&path, serde_json::to_vec_pretty(&report)?)
        .with_context(|| format!("write {}", path.display()))?;
    Ok(report)
}

/// Write the `k` best items of each test user to a Parquet file: user_id, rank (from 1), item_id, score; seen items
/// allowed. Returns the number of rows.
///
/// # Errors
/// With the exit code that says what the caller can do.
pub fn write_top(config: &Config, checkpoint: &str, k: usize, out: &Path) -> anyhow::Result<usize> {
    let loaded = Loaded::load(config, checkpoint)?;
    let history = &loaded.data.history;
    let truth = truth(&loaded.data)?;
    let scorer = model_scorer(&loaded.model, history, &truth.users)?;
    let rows = top(&scorer, &truth.users, &truth.eligible, k).context("find the best items")?;
    let users = rows.user.iter().map(|&user| history.users.get(user));
    let items = rows.item.iter().map(|&item| history.items.ids().get(item as usize));
    let columns: [(&str, ArrayRef); 4] = [
        ("user_id", Arc::new(StringArray::from_iter_values(users))),
        ("rank", Arc::new(UInt32Array::from(rows.rank))),
        ("item_id", Arc::new(StringArray::from_iter_values(items))),
        ("score", Arc::new(Float32Array::from(rows.score))),
    ];
    let write = || -> anyhow::Result<usize> {
        let batch =
            RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, false)))?;
        let mut writer = ArrowWriter::try_new(File::create(out)?, batch.schema(), None)?;
        writer.write(&batch)?;
        writer.close()?;
        Ok(batch.num_rows())
    };
    write().with_context(|| format!("write {}", out.display()))
}

/// A model that wants to serve, measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Contender {
    pub(crate) recall_at_10: f64,
    /// Where its training ended.
    pub(crate) cut_off: Day,
}

/// Measure a model, popularity and the serving model (where there is one) on the test days of the former, over the users
/// that both models can encode.
pub(crate) fn contend(config: &Config, candidate: &str, serving: Option<&str>) -> anyhow::Result<Contest> {
    let mut config = config.clone();
    config.raw.split.cut_off = None;
    let candidate = Loaded::load(&config, candidate)?;
    let cut_off = candidate.data.window.cut_off;
    let ours = candidate.outcomes()?;
    let mut contest = Contest {
        candidate: Contender { recall_at_10: recall(&ours.model, &|_| true), cut_off },
        popularity: recall(&ours.popularity, &|_| true),
        serving: None,
        serving_cut_off: None,
    };
    let Some(serving) = serving else { return Ok(contest) };
    let serving_cut_off = trained_until(&fetch(&candidate.store, serving, &config.work_dir)?)?;
    contest.serving_cut_off = Some(serving_cut_off);
    if serving_cut_off > cut_off {
        return Ok(contest);
    }
    config.raw.split.cut_off = Some(cut_off);
    let serving = Loaded::load(&config, serving)?;
    let theirs = serving.outcomes()?;
    let (ids, other_ids) = (&candidate.data.history.users, &serving.data.history.users);
    let has = |outcomes: &ModelOutcomes, ids: &IdColumn| -> HashSet<String> {
        outcomes.users.iter().map(|&user| ids.get(user).to_owned()).collect()
    };
    let (mine, other) = (has(&ours, ids), has(&theirs, other_ids));
    contest.candidate.recall_at_10 = recall(&ours.model, &|user| other.contains(ids.get(user)));
    contest.popularity = recall(&ours.popularity, &|user| other.contains(ids.get(user)));
    contest.serving = Some(recall(&theirs.model, &|user| mine.contains(other_ids.get(user))));
    Ok(contest)
}

fn recall(outcomes: &Outcomes, keep: &dyn Fn(usize) -> bool) -> f64 {
    outcomes.metrics(keep).seen_allowed.recall.micro.value
}

/// What a model and popularity retrieved for the test users.
struct ModelOutcomes {
    users: Vec<usize>,
    model: Outcomes,
    popularity: Outcomes,
}

impl Loaded {
    fn outcomes(&self) -> anyhow::Result<ModelOutcomes> {
        let history = &self.data.history;
        let truth = truth(&self.data)?;
        let options = EvalOptions { interests: None, n_resamples: 1, ..EvalOptions::default() };
        let run = |scorer: &dyn Scorer| {
            retrieve(scorer, history, &truth, &options).with_context(|| format!("evaluate {}", scorer.name()))
        };
        let model = run(&model_scorer(&self.model, history, &truth.users)?)?;
        let popularity = run(&Popularity::new(history))?;
        Ok(ModelOutcomes { users: truth.users, model, popularity })
    }
}
