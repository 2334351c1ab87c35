//! Metrics and baselines against figures worked out by hand, on logs of a few lines.

#![allow(missing_docs, reason = "tests")]

mod baselines;
mod fixture;
mod metrics;
mod truth;
