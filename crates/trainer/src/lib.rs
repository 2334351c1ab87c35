//! The program `trainer`: trains on the command line, or as a service with a queue of runs, and promotes models.
//!
//! `dayvec_experiment` does the training; here are the command line ([`Cli`], [`run`]) and the service ([`serve`]): runs
//! are requested over gRPC and recorded in the bucket, one thread trains them, gates decide on promotion.

mod cli;
mod commands;
mod config;
mod report;
mod service;
#[cfg(test)]
#[allow(dead_code, reason = "what the tests of several crates share")]
#[path = "../../experiment/tests/it/shop.rs"]
mod shop;
mod trials;

pub use cli::{Cli, Command};
pub use commands::run;
pub use config::{Config, ServiceSettings};
pub use service::serve;
