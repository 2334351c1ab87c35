//! The status page: what the bucket, the lookup replicas and the trainer say, as HTML, for people.
//!
//! ```text
//! bucket    ─▶ published (announcements, runs, models) ─┐
//! replicas  ─▶ replicas (GetServingStatus, /metrics) ───┼─▶ pages ─askama─▶ HTML
//! trainer   ─▶ training (ListRuns) ─────────────────────┤
//! bucket    ─▶ people (a user's actions, nearest items) ┘
//! ```
//!
//! [`run`] takes bound listeners and a token, and serves until the token is cancelled. Each source is asked for itself
//! and with a deadline, so one that is down costs its own part of the page. It must never write to the bucket nor ask a
//! service to change anything, and it links neither torch nor polars.

pub mod config;
mod fresh;
mod outage;
mod pages;
mod people;
mod published;
mod replicas;
mod report;
mod scrape;
mod server;
mod tables;
mod training;
mod words;

pub use config::Config;
pub use server::run;
