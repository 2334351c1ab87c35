//! The program from outside: its command line, and the service with its queue and promotions.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod program;
mod service;
#[allow(dead_code, reason = "what the tests of several crates share")]
#[path = "../../../experiment/tests/it/shop.rs"]
mod shop;
