//! Daily runs over a small shop, on local disk.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod carrying;
mod parts;
mod program;
mod refusals;
mod resuming;
mod scheduling;
mod sharing;
mod shop;
