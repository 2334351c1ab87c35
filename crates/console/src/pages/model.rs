//! `/models/<model_id>`: how a model was trained, how good it is, and what uses it.

use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use dayvec_core::Day;
use dayvec_registry::checkpoint;
use dayvec_report::{Interval, Report, ScorerMetrics, Table, TrainingSummary};

use super::answer::{missing, page, unavailable};
use super::marks::{Count, Share};
use crate::bucket_reader::{Contents, Model};
use crate::format::{Moment, figure, now_s, share, span};
use crate::outage::Outage;
use crate::sources::Sources;

mod curve;

use curve::Curve;

#[derive(Template)]
#[template(path = "model.html")]
struct ModelPage {
    model_id: String,
    written: Moment,
    is_serving: bool,
    report: Result<ReportSection, Outage>,
    /// Recent snapshots made with it: the announcement, where there is one, and the snapshot id.
    snapshots: Vec<(Option<u64>, String)>,
    /// Numbers of its promotions.
    promotions: Vec<u64>,
    /// Configuration and spec, where they exist.
    files: Vec<(&'static str, String)>,
}

struct ReportSection {
    tower_pair_id: String,
    items_version: String,
    cut_off: Day,
    test_days: i32,
    users: Count,
    actions: Count,
    tables: Vec<TableSection>,
    /// A line on which settings of the baselines were chosen, then one a choice.
    choices: Vec<String>,
    training: Option<TrainingSection>,
}

struct TableSection {
    title: String,
    users: Count,
    items: Count,
    /// List lengths.
    recall_k: usize,
    entropy_k: Option<usize>,
    coverage_k: usize,
    rows: Vec<ScorerRow>,
}

/// A scorer; the model's own row is highlighted.
struct ScorerRow {
    scorer: String,
    is_model: bool,
    recall: Share,
    interval: String,
    macro_: String,
    unseen: String,
    unseen_interval: String,
    entropy: String,
    coverage: String,
}

struct TrainingSection {
    steps: Count,
    duration: String,
    loss: String,
    /// Tokens per second.
    speed: Count,
    users: Count,
    actions: Count,
    parameters: Count,
    curve: Option<Curve>,
}

/// Answer `/models/<model_id>`.
pub(crate) async fn model(
    State(sources): State<Arc<Sources>>,
    model_id: Result<Path<String>, PathRejection>,
) -> Response {
    let Ok(Path(model_id)) = model_id else { return missing("This model does not exist.") };
    let contents = match sources.bucket.contents().await {
        Ok(contents) => contents,
        Err(outage) => return unavailable(&outage),
    };
    let Some(model) = contents.models.iter().find(|model| model.model_id == model_id) else {
        return missing(&format!(
            "The model {model_id} is not among the newest complete checkpoints of the bucket."
        ));
    };
    let mut files = Vec::new();
    for file in [checkpoint::CONFIG, checkpoint::SPEC] {
        match sources.bucket.text(&model_id, file).await {
            Ok(text) => files.extend(text.map(|text| (file, text))),
            Err(outage) => return unavailable(&outage),
        }
    }
    page(StatusCode::OK, &ModelPage::new(model, &contents, files))
}

impl ModelPage {
    fn new(model: &Model, contents: &Contents, files: Vec<(&'static str, String)>) -> Self {
        let announced = contents
            .announced
            .iter()
            .filter_map(|one| Some((Some(one.announcement.sequence), one.manifest.as_ref().ok()?)));
        let unannounced = contents.unannounced.iter().flatten().map(|manifest| (None, manifest));
        let snapshots = announced
            .chain(unannounced)
            .filter(|(_, manifest)| manifest.run.model_id == model.model_id)
            .map(|(number, manifest)| (number, manifest.snapshot_id.clone()))
            .collect();
        let promotions = contents.promotions.iter().filter(|one| one.model_id == model.model_id);
        Self {
            model_id: model.model_id.clone(),
            written: Moment::new(model.written_s, now_s()),
            is_serving: contents.serving_model.as_deref() == Some(model.model_id.as_str()),
            report: model.report.as_ref().map(|report| ReportSection::new(report)).map_err(Clone::clone),
            snapshots,
            promotions: promotions.map(|one| one.sequence).collect(),
            files,
        }
    }
}

impl ReportSection {
    fn new(report: &Report) -> Self {
        let choices = report.evaluation.choices.to_string();
        Self {
            tower_pair_id: report.tower_pair_id.clone(),
            items_version: report.items_version.clone(),
            cut_off: report.cut_off,
            test_days: report.test_days,
            users: Count(report.users as u64),
            actions: Count(report.actions as u64),
            tables: report.evaluation.tables().filter_map(TableSection::new).collect(),
            choices: choices.lines().map(|line| line.trim_start_matches("- ").to_owned()).collect(),
            training: report.training.as_ref().map(TrainingSection::new),
        }
    }
}

impl TableSection {
    /// `None` for a table without scorers.
    fn new(table: &Table) -> Option<Self> {
        let first = table.rows.first()?;
        let allowed = &first.seen_allowed;
        Some(Self {
            title: table.title.clone(),
            users: Count(first.n_users as u64),
            items: Count(first.n_items as u64),
            recall_k: allowed.recall.k,
            entropy_k: allowed.interest_entropy.map(|entropy| entropy.k),
            coverage_k: allowed.coverage.k,
            rows: table.rows.iter().map(ScorerRow::new).collect(),
        })
    }
}

impl ScorerRow {
    fn new(row: &ScorerMetrics) -> Self {
        let (allowed, filtered) = (&row.seen_allowed, &row.seen_filtered);
        let (micro, unseen) = (&allowed.recall.micro, &filtered.recall.micro);
        Self {
            scorer: row.scorer.clone(),
            is_model: row.scorer == "model",
            recall: Share::new(Some(micro.value)),
            interval: interval(micro),
            macro_: share(allowed.recall.macro_.value),
            unseen: share(unseen.value),
            unseen_interval: interval(unseen),
            entropy: allowed.interest_entropy.map_or_else(|| "–".to_owned(), |entropy| figure(entropy.nats)),
            coverage: share(allowed.coverage.p90),
        }
    }
}

fn interval(interval: &Interval) -> String {
    format!("{:.4}–{:.4}", interval.low, interval.high)
}

impl TrainingSection {
    fn new(training: &TrainingSummary) -> Self {
        Self {
            steps: Count(training.steps),
            duration: span(training.seconds),
            loss: training.loss.map_or_else(|| "–".to_owned(), figure),
            speed: Count(training.tokens_per_s as u64),
            users: Count(training.users as u64),
            actions: Count(training.actions as u64),
            parameters: Count(training.parameters as u64),
            curve: Curve::new(&training.curve),
        }
    }
}
