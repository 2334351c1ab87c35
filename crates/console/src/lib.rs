//! The status page: the state of the bucket, the lookup replicas and the trainer, as HTML, for people.
//!
//! ```text
//! bucket    ─▶ bucket_reader (announcements, snapshots, models) ─┐
//! replicas  ─▶ replicas (GetServingStatus, /metrics) ────────────┼─ sources ─▶ pages ─askama─▶ HTML
//! trainer   ─▶ training (ListRuns) ──────────────────────────────┤
//! bucket    ─▶ users (a user's actions, nearest items) ──────────┘
//! ```
//!
//! [`run`] takes bound listeners and a token, and serves until the token is cancelled. Each source is read on its own and
//! with a deadline, so a source that is down costs only its part of the page. The page must never write to the bucket nor
//! request a change from a service, and it links neither torch nor polars.

mod bucket_reader;
mod cached;
mod calls;
pub mod config;
mod format;
mod outage;
mod pages;
mod replicas;
mod scrape;
mod server;
mod sources;
mod tables;
mod training;
mod users;

pub use config::Config;
pub use server::run;
