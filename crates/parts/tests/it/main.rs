//! Integration tests of the parts.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod encode;
mod fixture;
mod reference;
mod training;
