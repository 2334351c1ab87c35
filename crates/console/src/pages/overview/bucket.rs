//! The bucket's section of the overview: announced snapshots, snapshots that were not announced, models, promotions.

use std::sync::Arc;

use dayvec_core::Day;
use dayvec_registry::Promotion;
use dayvec_report::{Report, SnapshotStatistics};
use dayvec_snapshot::{Announcement, Manifest, Reason};

use crate::bucket_reader::{Contents, Model};
use crate::format::{Moment, figure};
use crate::outage::Outage;
use crate::pages::marks::{Count, Gates, Share};

/// Names of scorers in a report.
const MODEL: &str = "model";
const POPULARITY: &str = "popularity";

/// What is in the bucket, as it is shown.
pub(super) struct BucketSection {
    pub(super) announced: Vec<AnnouncedRow>,
    pub(super) unannounced: Vec<Result<SnapshotFacts, Outage>>,
    pub(super) models: Vec<ModelRow>,
    pub(super) promotions: Vec<PromotionRow>,
    /// Records that every program passes over, and why.
    pub(super) damaged: Vec<String>,
    /// Recall of the model of the current snapshot, where that model is listed.
    pub(super) recall: Option<Share>,
    /// `Recall@10`, with the list length of the listed models' reports; `Recall` where they differ.
    pub(super) recall_name: String,
}

/// An announcement.
pub(super) struct AnnouncedRow {
    pub(super) number: u64,
    pub(super) at: Moment,
    pub(super) at_s: i64,
    pub(super) reason: &'static str,
    pub(super) by: String,
    pub(super) forced: bool,
    /// Key of the manifest.
    pub(super) manifest: String,
    pub(super) facts: Result<SnapshotFacts, Outage>,
}

/// A snapshot, by its manifest.
pub(super) struct SnapshotFacts {
    pub(super) snapshot_id: String,
    pub(super) day: Day,
    pub(super) model_id: String,
    pub(super) users: Count,
    pub(super) items: Count,
    pub(super) encoded: Option<Count>,
    pub(super) carried: Option<Count>,
    pub(super) gates: Gates,
}

/// A model.
pub(super) struct ModelRow {
    pub(super) model_id: String,
    pub(super) written: Moment,
    /// Empty where the report cannot be read.
    pub(super) cut_off: String,
    pub(super) recall: Share,
    pub(super) popularity: Share,
    /// `1.22 ×`; empty where it is not known.
    pub(super) ratio: String,
    pub(super) is_serving: bool,
    pub(super) is_promoted: bool,
    pub(super) outage: Option<Outage>,
}

/// A promotion.
pub(super) struct PromotionRow {
    pub(super) number: u64,
    pub(super) at: Moment,
    pub(super) model_id: String,
    pub(super) previous: String,
    pub(super) by: String,
    pub(super) forced: bool,
    pub(super) gates: Gates,
}

impl BucketSection {
    pub(super) fn new(contents: &Contents, now_s: i64) -> Self {
        let announced: Vec<AnnouncedRow> = contents
            .announced
            .iter()
            .map(|one| AnnouncedRow::new(&one.announcement, &one.manifest, now_s))
            .collect();
        let promoted = contents.promotions.first().map(|promotion| promotion.model_id.as_str());
        let serving = contents.serving_model.as_deref();
        let models: Vec<ModelRow> =
            contents.models.iter().map(|model| ModelRow::new(model, (serving, promoted), now_s)).collect();
        let current_model =
            announced.first().and_then(|row| row.facts.as_ref().ok()).map(|facts| &facts.model_id);
        let recall =
            models.iter().find(|row| Some(&row.model_id) == current_model).map(|row| row.recall.clone());
        Self {
            unannounced: contents.unannounced.iter().map(facts).collect(),
            promotions: contents.promotions.iter().map(|one| PromotionRow::new(one, now_s)).collect(),
            damaged: contents.damaged.clone(),
            announced,
            models,
            recall,
            recall_name: recall_name(contents),
        }
    }

    /// The newest announcement, which is the one that counts.
    pub(super) fn current(&self) -> Option<&AnnouncedRow> {
        self.announced.first()
    }
}

fn recall_name(contents: &Contents) -> String {
    let mut lengths: Vec<usize> = contents
        .models
        .iter()
        .flat_map(|model| &model.report)
        .map(|report| report.recall_by_scorer.k)
        .collect();
    lengths.dedup();
    match lengths[..] {
        [k] => format!("Recall@{k}"),
        _ => "Recall".to_owned(),
    }
}

impl AnnouncedRow {
    fn new(announcement: &Announcement, manifest: &Result<Arc<Manifest>, Outage>, now_s: i64) -> Self {
        Self {
            number: announcement.sequence,
            at: Moment::new(announcement.at_s, now_s),
            at_s: announcement.at_s,
            reason: match announcement.reason {
                Reason::Publish => "publish",
                Reason::Rollback => "rollback",
                Reason::Canary => "canary",
            },
            by: announcement.by.clone(),
            forced: announcement.forced,
            manifest: announcement.manifest.clone(),
            facts: facts(manifest),
        }
    }
}

fn facts(manifest: &Result<Arc<Manifest>, Outage>) -> Result<SnapshotFacts, Outage> {
    let manifest = manifest.as_ref().map_err(Clone::clone)?;
    // A manifest of another version of dayvec may have other statistics.
    let statistics: Option<SnapshotStatistics> = serde_json::from_value(manifest.statistics.clone()).ok();
    Ok(SnapshotFacts {
        snapshot_id: manifest.snapshot_id.clone(),
        day: manifest.run.day,
        model_id: manifest.run.model_id.clone(),
        users: Count(manifest.totals.users),
        items: Count(manifest.totals.items),
        encoded: statistics.as_ref().map(|statistics| Count(statistics.encoded)),
        carried: statistics.as_ref().map(|statistics| Count(statistics.carried)),
        gates: Gates::new(&manifest.gates),
    })
}

impl ModelRow {
    fn new(model: &Model, (serving, promoted): (Option<&str>, Option<&str>), now_s: i64) -> Self {
        let report = model.report.as_ref().ok();
        let (of_model, of_popularity) = (
            report.and_then(|report| recall(report, MODEL)),
            report.and_then(|report| recall(report, POPULARITY)),
        );
        let ratio = match (of_model, of_popularity) {
            (Some(model), Some(popularity)) if popularity > 0.0 => {
                format!("{} ×", figure(model / popularity))
            }
            _ => String::new(),
        };
        Self {
            model_id: model.model_id.clone(),
            written: Moment::new(model.written_s, now_s),
            cut_off: report.map(|report| report.cut_off.to_string()).unwrap_or_default(),
            recall: Share::new(of_model),
            popularity: Share::new(of_popularity),
            ratio,
            is_serving: serving == Some(model.model_id.as_str()),
            is_promoted: promoted == Some(model.model_id.as_str()),
            outage: model.report.as_ref().err().cloned(),
        }
    }
}

/// Recall of a scorer, seen items allowed.
fn recall(report: &Report, scorer: &str) -> Option<f64> {
    report.recall_by_scorer.seen_allowed.get(scorer).copied()
}

impl PromotionRow {
    fn new(promotion: &Promotion, now_s: i64) -> Self {
        Self {
            number: promotion.sequence,
            at: Moment::new(promotion.at.as_second(), now_s),
            model_id: promotion.model_id.clone(),
            previous: promotion.previous.clone().unwrap_or_default(),
            by: promotion.by.clone(),
            forced: promotion.forced,
            gates: Gates::new(&promotion.gates),
        }
    }
}
