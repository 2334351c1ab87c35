//! Snapshots over in-memory, local and S3 stores; killed at every write; damaged; and read from Python.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod conformance;
mod crash;
mod damage;
mod python;
mod shop;
mod watched;
