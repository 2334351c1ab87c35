//! The daily run: a day's events, the last state and a checkpoint become a published snapshot of every user.
//!
//! ```text
//! log ──events──▶ events ┐
//! state_store ──▶ state ─┼─encode──▶ today's state, rows ──▶ state_store, snapshot parts   (bucket by bucket)
//! last snapshot ─▶ rows ─┘                                        │
//! checkpoint ─▶ item rows ─────────────────────────────▶ items part │──commit──▶ gates, manifest, announcement
//! ```
//!
//! [`run`] is all that the program calls. It is one function of the day, the log, the checkpoint and the bucket: no
//! clock is asked, so a rerun finds its own work and goes on, and a finished run does nothing.
//! It must never let readers see a snapshot that is not whole, or that failed a gate and was not forced.

pub mod config;
pub mod gates;
mod item_table;

mod buckets;
mod checkpoint;
mod cli;
mod commit;
mod cron;
mod daily;
mod encode;
mod events;
mod meter;
mod plan;
mod progress;
mod rank;
mod request;
mod schedule;
mod share;
mod state_store;
mod summary;

pub use cli::{Cli, Command, RunArgs, main};
pub use daily::run;
pub use request::DailyRequest;
pub use schedule::{Scheduler, schedule};
pub use summary::{DailySummary, Outcome, Start};
