//! One suite for every kind of store, and what a bucket says when it cannot do its work.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod conformance;
mod failures;
