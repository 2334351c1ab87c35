//! The sections of the overview, made from what the sources said.

use std::sync::Arc;

use super::bucket::BucketSection;
use super::services::{DailyRuns, ReplicaRow, TrafficRow, TrainingRow, disk_rows};
use crate::bucket_reader::Contents;
use crate::outage::Outage;
use crate::pages::marks::DiskRow;
use crate::replicas::ReplicaView;
use crate::scrape::Scrape;
use crate::training::TrainingRun;

/// What the sources said; `None` for a source that is not configured.
pub(super) struct Seen {
    pub(super) contents: Result<Arc<Contents>, Outage>,
    pub(super) replicas: Arc<Vec<ReplicaView>>,
    pub(super) runs: Option<Result<Arc<Vec<TrainingRun>>, Outage>>,
    pub(super) schedule: Option<Result<Arc<Scrape>, Outage>>,
}

/// All sections of the page; `None` for a source that is not configured.
pub(super) struct Sections {
    pub(super) bucket: Result<BucketSection, Outage>,
    pub(super) replicas: Vec<ReplicaRow>,
    pub(super) traffic: Vec<TrafficRow>,
    pub(super) training: Option<Result<Vec<TrainingRow>, Outage>>,
    pub(super) daily: Option<Result<DailyRuns, Outage>>,
    pub(super) disks: Vec<DiskRow>,
}

impl Sections {
    pub(super) fn new(seen: &Seen, now_s: i64) -> Self {
        let bucket =
            seen.contents.as_ref().map(|contents| BucketSection::new(contents, now_s)).map_err(Clone::clone);
        let current = bucket.as_ref().ok().and_then(BucketSection::current);
        let replicas = seen.replicas.iter().map(|view| ReplicaRow::new(view, current, now_s)).collect();
        let training = seen.runs.as_ref().map(|runs| {
            let runs = runs.as_ref().map_err(Clone::clone)?;
            Ok(runs.iter().map(|run| TrainingRow::new(run, now_s)).collect())
        });
        let daily = seen.schedule.as_ref().map(|scrape| {
            let scrape = scrape.as_ref().map_err(Clone::clone)?;
            Ok(DailyRuns::new(scrape, now_s))
        });
        let disks =
            disk_rows(&seen.replicas, seen.schedule.as_ref().and_then(|scrape| scrape.as_deref().ok()));
        let traffic = seen.replicas.iter().filter_map(TrafficRow::new).collect();
        Self { bucket, replicas, traffic, training, daily, disks }
    }
}
