//! `/`: the pipeline at a glance.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::page;
use super::parts::{DiskRow, Mark};
use crate::outage::Outage;
use crate::server::Sources;
use crate::words::{Moment, now_s};

mod bucket;
mod services;
mod verdicts;

use bucket::BucketPart;
use services::{DailyPart, ReplicaRow, RunRow, TrafficRow};

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview {
    now: Moment,
    verdicts: Vec<Mark>,
    bucket: Result<BucketPart, Outage>,
    replicas: Vec<ReplicaRow>,
    traffic: Vec<TrafficRow>,
    /// `None` where no trainer is configured.
    runs: Option<Result<Vec<RunRow>, Outage>>,
    /// `None` where no schedule is configured.
    daily: Option<Result<DailyPart, Outage>>,
    disks: Vec<DiskRow>,
}

/// Answer `/`.
pub(crate) async fn overview(State(sources): State<Arc<Sources>>) -> Response {
    let trainer = async {
        match &sources.trainer {
            Some(trainer) => Some(trainer.runs().await),
            None => None,
        }
    };
    let schedule = async {
        match &sources.schedule {
            Some(schedule) => Some(schedule.scrape().await),
            None => None,
        }
    };
    let (published, looks, runs, scrape) =
        futures::join!(sources.reader.published(), sources.replicas.look(), trainer, schedule);
    let now_s = now_s();
    let bucket = published.map(|published| BucketPart::new(&published, now_s));
    let current = bucket.as_ref().ok().and_then(|bucket| bucket.current());
    let replicas: Vec<ReplicaRow> = looks.iter().map(|look| ReplicaRow::new(look, current, now_s)).collect();
    let runs = runs.map(|runs| runs.map(|runs| runs.iter().map(|shown| RunRow::new(shown, now_s)).collect()));
    let daily = scrape.map(|scrape| scrape.map(|scrape| DailyPart::new(&scrape, now_s)));
    let disks = services::disk_rows(&looks, daily.as_ref());
    let status = if bucket.is_ok() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let mut overview = Overview {
        now: Moment::new(now_s, now_s),
        verdicts: Vec::new(),
        bucket,
        replicas,
        traffic: looks.iter().filter_map(TrafficRow::new).collect(),
        runs,
        daily,
        disks,
    };
    overview.verdicts = verdicts::of(&overview, now_s);
    page(status, &overview)
}
