//! Metrics and baselines against figures worked out by hand, on logs of a few lines, and by NumPy.

#![allow(missing_docs, clippy::unwrap_used, reason = "tests: what they build is known to be whole")]

mod baselines;
mod fixture;
mod freshness;
mod memory;
mod metrics;
mod numpy;
mod pinnersage;
mod python;
mod truth;
