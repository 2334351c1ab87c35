//! `/`: the pipeline at a glance.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use futures::future::OptionFuture;

use super::answer::page;
use super::marks::Mark;
use crate::format::{Moment, now_s};
use crate::sources::{Schedule, Sources};
use crate::training::Trainer;

mod bucket;
mod sections;
mod services;
mod verdicts;

use sections::{Sections, Seen};

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview {
    now: Moment,
    verdicts: Vec<Mark>,
    sections: Sections,
}

/// Answer `/`.
pub(crate) async fn overview(State(sources): State<Arc<Sources>>) -> Response {
    let (contents, replicas, runs, schedule) = futures::join!(
        sources.bucket.contents(),
        sources.replicas.views(),
        OptionFuture::from(sources.trainer.as_ref().map(Trainer::runs)),
        OptionFuture::from(sources.schedule.as_ref().map(Schedule::scrape)),
    );
    let now_s = now_s();
    let sections = Sections::new(&Seen { contents, replicas, runs, schedule }, now_s);
    let status = if sections.bucket.is_ok() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let verdicts = verdicts::of(&sections, now_s);
    page(status, &Overview { now: Moment::new(now_s, now_s), verdicts, sections })
}
