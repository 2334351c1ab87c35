//! The page of an experiment, rendered from hand-made figures.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod page;
mod sample;
