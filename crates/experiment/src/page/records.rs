//! The records of a model: in the bucket, beside its weights, and in the work folder.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use dayvec_core::FaultKind;
use dayvec_evaluation::baselines::Which;
use dayvec_registry::checkpoint::METRICS;
use dayvec_registry::evaluation;
use dayvec_report::{AblationTable, FreshnessReport, Missing, Report, TrainingCurve};
use dayvec_runtime::fault::WithFault as _;
use serde::de::DeserializeOwned;

use super::request::PageRequest;
use crate::checkpoint::Checkpoint;
use crate::config::{Config, SplitProtocol};
use crate::evaluate::{Evaluate, evaluate_model, read_report};
use crate::publish::published_report;
use crate::report::report;
use crate::store::Store;
use crate::tensorboard::read_tensorboard;
use crate::trials::{BEST, RECORDS, TABLE};

/// Scalars of TensorBoard that are drawn: tag, name, unit.
const SCALARS: [(&str, &str, &str); 4] = [
    ("train/learning_rate", "Learning rate", "per step"),
    ("train/gradient_norm", "Gradient norm", "length, before clipping"),
    ("train/temperature", "Temperature", "of the softmax"),
    ("speed/tokens_per_s", "Speed", "actions a second"),
];

/// The tables of matrices, or why there are none.
type Tables = Result<Vec<AblationTable>, Missing>;

/// Where the records of a model are looked for.
pub(super) struct Records<'a> {
    pub(super) config: &'a Config,
    pub(super) store: &'a Store,
    pub(super) request: &'a PageRequest,
    pub(super) loaded: &'a Checkpoint,
}

impl Records<'_> {
    /// The model beside all baselines, or beside popularity with the command for the others. Where no record is of these
    /// weights and days, the model and popularity are measured now.
    pub(super) fn report(&self) -> anyhow::Result<(Report, Option<Missing>)> {
        let (spec, data) = (self.loaded.model.spec(), &self.loaded.data);
        let is_same = |report: &Report| {
            report.tower_pair_id == spec.tower_pair_id
                && report.cut_off == data.split.cut_off
                && report.test_days == data.split.n_days
                && report.leave_one_out != is_by_time(self.loaded)
        };
        let published = published_report(self.store, &spec.model_id)?;
        let beside = read_json::<Report>(&self.loaded.folder.join(METRICS))?;
        let trained = published.iter().chain(&beside).find(|it| it.tower_pair_id == spec.tower_pair_id);
        let training = trained.and_then(|report| report.training.clone());
        let name = format!("{}-{}.json", spec.model_id, data.split.cut_off);
        let local = self.config.work_dir.join("evaluations").join(name);
        let key = self.evaluation_key();
        let full = read_report(self.store, &key)?.filter(is_same);
        let full = if full.is_none() { read_json(&local)?.filter(is_same) } else { full };
        if let Some(mut report) = full {
            report.training = report.training.or(training);
            return Ok((report, None));
        }
        let missing = self.request.missing_of_checkpoint(
            format!(
                "The other baselines were not measured on these days: neither {} nor {} is there.",
                self.store.url(&key),
                local.display()
            ),
            "evaluate",
            &spec.model_id,
        );
        let known = published.into_iter().chain(beside).find(is_same);
        let mut report = known.map_or_else(|| self.measure(), Ok)?;
        report.training = report.training.or(training);
        Ok((report, Some(missing)))
    }

    fn evaluation_key(&self) -> String {
        let split = self.loaded.data.split;
        evaluation::key(&self.loaded.model.spec().model_id, split.cut_off, split.n_days, METRICS)
    }

    fn measure(&self) -> anyhow::Result<Report> {
        let Checkpoint { model, items, data, folder, .. } = self.loaded;
        let how = Evaluate { which: Which::Popularity, stop: &|| false };
        let evaluation = evaluate_model(self.config, model, items, data, &how)?;
        Ok(report(model, data, evaluation, folder.display().to_string()))
    }

    /// Recall by age, where it was measured.
    pub(super) fn freshness(&self) -> anyhow::Result<Result<FreshnessReport, Missing>> {
        let model_id = &self.loaded.model.spec().model_id;
        if !is_by_time(self.loaded) {
            let what = "Freshness is measured on days, so not with split.protocol: leave_one_out.".to_owned();
            return Ok(Err(self.request.missing_of_checkpoint(what, "freshness", model_id)));
        }
        let split = self.loaded.data.split;
        let name = format!("{model_id}-{}-freshness.json", split.cut_off);
        let path = self.config.work_dir.join("evaluations").join(name);
        let report = read_json::<FreshnessReport>(&path)?.filter(|report| report.test_days == split.n_days);
        Ok(report.ok_or_else(|| {
            let what = format!(
                "What the embeddings lose with their age was not measured: there is no {}.",
                path.display()
            );
            self.request.missing_of_checkpoint(what, "freshness", model_id)
        }))
    }

    /// The loss, and where the work folder has this training's TensorBoard files, what they hold; with a sentence on what
    /// is left out.
    pub(super) fn curves(&self, report: &Report) -> (Result<Vec<TrainingCurve>, Missing>, String) {
        let model_id = &self.loaded.model.spec().model_id;
        let points = report.training.as_ref().map_or_else(Vec::new, |training| training.curve.clone());
        let loss = TrainingCurve { name: "Loss".into(), unit: "nats, mean of about 50 steps".into(), points };
        let mut curves = vec![loss];
        let board = self.config.work_dir.join("runs").join(model_id).join("tensorboard");
        let (scalars, note) = scalars(&board);
        curves.extend(scalars);
        curves.retain(|curve| curve.points.len() > 1);
        if curves.is_empty() {
            let what =
                format!("Neither the checkpoint nor {} has a curve of this training.", board.display());
            return (Err(self.request.missing(what, "train")), note);
        }
        (Ok(curves), note)
    }

    /// The tables of matrices, and those that are not finished.
    pub(super) fn ablations(&self) -> anyhow::Result<(Tables, Vec<Missing>)> {
        let default = [self.config.work_dir.join("trials")];
        let roots =
            if self.request.ablations.is_empty() { &default[..] } else { &self.request.ablations[..] };
        let (mut tables, mut unfinished) = (Vec::new(), Vec::new());
        for folder in roots.iter().map(|root| matrices(root)).collect::<anyhow::Result<Vec<_>>>()?.concat() {
            let again = |what| self.request.missing(what, "ablate --matrix FILE");
            match read_json::<AblationTable>(&folder.join(TABLE))? {
                Some(table) => {
                    let (done, of) = table.n_trials;
                    if done < of {
                        let name = &table.name;
                        unfinished
                            .push(again(format!("Of the matrix {name}, {done} of {of} trials are done.")));
                    }
                    tables.push(table);
                }
                None => {
                    let folder = folder.display();
                    unfinished
                        .push(again(format!("{folder} has trials and no {TABLE}; no trial is done twice.")));
                }
            }
        }
        let found = if tables.is_empty() {
            let places: Vec<String> = roots.iter().map(|root| root.display().to_string()).collect();
            let what = format!("No ablation was run: there is no {TABLE} below {}.", places.join(", "));
            Err(self.request.missing(what, "ablate --matrix config/ablations/*.yaml"))
        } else {
            Ok(tables)
        };
        Ok((found, unfinished))
    }
}

/// Whether users are tested on days.
fn is_by_time(loaded: &Checkpoint) -> bool {
    loaded.data.protocol == SplitProtocol::Time
}

/// The folders of matrices: `root` itself, or folders in it. A search has trials as well, and is none.
fn matrices(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let is_matrix = |folder: &PathBuf| {
        folder.join(TABLE).is_file() || (folder.join(RECORDS).is_file() && !folder.join(BEST).is_file())
    };
    let mut folders = vec![root.to_owned()];
    match fs::read_dir(root) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        entries => {
            for entry in entries.with_context(|| format!("list {}", root.display()))? {
                folders.push(entry?.path());
            }
        }
    }
    folders.retain(is_matrix);
    folders.sort();
    Ok(folders)
}

/// The scalars in a folder of TensorBoard files, and a sentence where there are none or some cannot be read. A resumed
/// training has several files; of a step that was done twice, the newer one counts.
fn scalars(folder: &Path) -> (Vec<TrainingCurve>, String) {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().contains("tfevents")))
        .collect();
    files.sort();
    if files.is_empty() {
        let folder = folder.display();
        return (
            Vec::new(),
            format!(
                "Learning rate, gradient norm, temperature and speed are not shown: there is no TensorBoard file in {folder}."
            ),
        );
    }
    let mut by_tag: BTreeMap<String, BTreeMap<u64, f64>> = BTreeMap::new();
    let mut notes = Vec::new();
    for path in files {
        let records = match read_tensorboard(&path) {
            Ok(records) => records,
            Err(error) => {
                notes.push(format!("Left out: {error}."));
                continue;
            }
        };
        for record in records {
            for scalar in record.summary.into_iter().flat_map(|summary| summary.value) {
                let step = record.step.max(0) as u64;
                by_tag.entry(scalar.tag).or_default().insert(step, f64::from(scalar.simple_value));
            }
        }
    }
    let curve = |(tag, name, unit): (&str, &str, &str)| {
        let points = by_tag.get(tag)?.iter().map(|(&step, &value)| (step, value)).collect();
        Some(TrainingCurve { name: name.into(), unit: unit.into(), points })
    };
    (SCALARS.into_iter().filter_map(curve).collect(), notes.join(" "))
}

/// A JSON file; `None` where there is none.
fn read_json<T: DeserializeOwned>(path: &Path) -> anyhow::Result<Option<T>> {
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        bytes => bytes.with_context(|| format!("read {}", path.display()))?,
    };
    let advice = || format!("read {}; if it is damaged or of another version, remove it", path.display());
    serde_json::from_slice(&bytes).with_context(advice).map(Some).fault(FaultKind::Data)
}
