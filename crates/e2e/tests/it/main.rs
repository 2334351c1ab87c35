//! The whole road, on local disk and on S3.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod client;
mod direct;
mod killed;
mod metrics;
mod road;
mod world;
