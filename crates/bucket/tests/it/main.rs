//! One suite for every kind of store, and the errors of a bucket that cannot do its work.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod conformance;
mod failures;
