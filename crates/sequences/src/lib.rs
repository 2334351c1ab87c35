//! Events become per-user sequences.
//!
//! [`log::EventLog`] finds a log's files and fetches them → [`SequenceBuilder`] streams them through polars, in bounded batches,
//! and keeps each good event as a row of plain columns → `finish` sorts, removes duplicates and truncates →
//! [`dayvec_core::Sequences`], newest first. The daily run keeps its own [`state`] and merges a day into it.
//!
//! **Order.** A user's actions are ordered by time, newest first. Actions of equal time are ordered by the hash of
//! their event id, descending, where the log has event ids; else the later row of the input comes first, so
//! that a sequence read backwards is the input in stable order of time.
//!
//! **Duplicates.** Rows of one user with the same event id, or, without one, with the same item, action and
//! timestamp (in seconds), are one action; the first of them in the order above stays. So keeping the newest M
//! of what is kept so far never changes what a read of everything would have kept.
//!
//! **Bad rows** never stop a read: they are counted by reason and sampled into a quarantine file, and the read
//! fails at its end when their share passes the limit.
//!
//! Sequences for training and for the daily run come out of this one path (the `arrange` module), and nothing
//! here may depend on the clock of the run.

mod arrange;
mod bad_rows;
mod batch;
mod builder;
mod columns;
mod error;
mod intern;
pub mod log;
mod parallel;
mod positive;
mod scan;
pub mod split;
pub mod state;
mod store;
mod summary;
mod time_text;

pub use arrange::Keep;
pub use bad_rows::BadRow;
pub use builder::{ReadOptions, SequenceBuilder};
pub use error::{Result, SequencesError};
pub use log::event_files;
pub use summary::ReadSummary;
