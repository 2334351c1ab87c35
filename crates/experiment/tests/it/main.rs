//! The library from outside: whole trainings on a small made-up shop, stopped, resumed, and given bad input.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod bad_input;
mod checkpoints;
mod page;
mod parts;
mod predictions;
mod shop;
mod training;
mod trials;
