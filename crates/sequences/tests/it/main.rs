#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]
//! Reads real files, as a caller does.

mod bad_input;
mod daily_state;
mod log;
mod order;
mod reading;
