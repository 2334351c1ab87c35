//! What a checkpoint's embeddings lose with their age, beside baselines that can be aged.

use std::cell::RefCell;
use std::fs;
use std::rc::Rc;

use anyhow::{Context, anyhow};
use dayvec_core::{FaultKind, Sequences};
use dayvec_evaluation::freshness::{Aged, FreshnessOptions, Labels, baselines, measure};
use dayvec_evaluation::{Embeddings, EvaluationError, Scorer, TimeSplit};
use dayvec_parts::Embedder;
use dayvec_report::FreshnessReport;
use dayvec_runtime::fault::{OrFault as _, WithFault as _};

use crate::checkpoint::{Checkpoint, fetch, trained_until};
use crate::config::{Config, SplitProtocol};
use crate::evaluate::scorer_as_of;
use crate::store::Store;

/// Measure a checkpoint (a folder, or the id of a model in the bucket) under the protocols of freshness, on the test
/// days after its training; the report is also written to `evaluations/` in the work folder.
///
/// # Errors
/// With their kind of fault; configuration when there is no such checkpoint.
pub fn freshness(
    config: &Config,
    store: &Store,
    checkpoint: &str,
    (delay_days, max_age_days): (u32, u32),
) -> anyhow::Result<FreshnessReport> {
    if config.raw.split.protocol != SplitProtocol::Time {
        let wrong = anyhow!("split.protocol: freshness is measured on days, so it must be time");
        return Err(wrong).fault(FaultKind::Configuration);
    }
    let n_days = config.raw.split.test_days as i32;
    let cut_off = match config.raw.split.cut_off {
        Some(cut_off) => cut_off,
        None => trained_until(&fetch(store, checkpoint, &config.work_dir)?)?,
    };
    // States of the test days are wanted too, so the log is split after them.
    let split = TimeSplit { cut_off, n_days };
    let mut config = config.clone();
    config.raw.split.cut_off = Some(cut_off.plus(n_days));
    let loaded = Checkpoint::load(&config, store, checkpoint)?;
    let (log, model) = (&loaded.data.history, &loaded.model);

    let options = FreshnessOptions {
        delay_days: delay_days as i32,
        max_age_days: max_age_days as i32,
        n_resamples: config.raw.evaluation.bootstrap,
        seed: config.raw.run.seed,
    };
    let labels = Labels::of(log, split, &options.protocols()).or_fault().context("find the labels")?;
    let aged_model = AgedModel { model, log, items: RefCell::new(None) };
    let aged_baselines = baselines(log, &loaded.items);
    let all = std::iter::once(&aged_model as &dyn Aged).chain(aged_baselines.iter().map(|it| &**it));
    let mut rows = Vec::new();
    for scorer in all {
        tracing::info!(scorer = scorer.name(), labels = labels.labels.len(), "measuring freshness");
        let row = measure(scorer, log, &labels, &options).or_fault();
        rows.push(row.with_context(|| format!("measure {}", scorer.name()))?);
    }
    let report = FreshnessReport {
        model_id: model.spec().model_id.clone(),
        cut_off,
        test_days: n_days,
        delay_days: options.delay_days,
        n_users: labels.users().len(),
        n_labels: labels.labels.len(),
        n_outside: labels.n_outside,
        n_too_young: labels.n_too_young,
        rows,
    };
    let folder = config.work_dir.join("evaluations");
    let path = folder.join(format!("{}-{cut_off}-freshness.json", report.model_id));
    fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    fs::write(&path, serde_json::to_vec_pretty(&report)?)
        .with_context(|| format!("write {}", path.display()))?;
    Ok(report)
}

/// A model: users are encoded as they were, and so are items where they are the day's.
struct AgedModel<'a> {
    model: &'a Embedder,
    log: &'a Sequences,
    /// Item embeddings, without users, as of the time that was asked for last.
    items: RefCell<Option<(i64, Rc<Embeddings>)>>,
}

impl AgedModel<'_> {
    fn items_as_of(&self, until_s: i64) -> anyhow::Result<Rc<Embeddings>> {
        let mut last = self.items.borrow_mut();
        match &*last {
            Some((of, items)) if *of == until_s || !self.items_change() => Ok(Rc::clone(items)),
            _ => {
                let items = Rc::new(scorer_as_of(self.model, self.log, &[], until_s)?);
                *last = Some((until_s, Rc::clone(&items)));
                Ok(items)
            }
        }
    }
}

impl Aged for AgedModel<'_> {
    fn name(&self) -> &str {
        "model"
    }

    fn items_change(&self) -> bool {
        self.model.reads_item_counts()
    }

    fn scorer(
        &self,
        states: &Sequences,
        items_until_s: i64,
    ) -> Result<Box<dyn Scorer + '_>, EvaluationError> {
        let rows: Vec<usize> = (0..states.n_users()).collect();
        let users = self.model.encode_users(states, &rows);
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| EvaluationError::Encode {
            scorer: self.name().to_owned(),
            source,
        };
        let users = users.map_err(|error| failed(Box::new(error)))?;
        let items = self.items_as_of(items_until_s).map_err(|error| failed(error.into()))?;
        Ok(Box::new(items.with_users(&rows, &users)?))
    }
}
