//! The model from outside: leaks, padding, norms, resuming.
#![allow(clippy::unwrap_used, reason = "tests")]

mod fixture;
mod numerics;
mod training;
