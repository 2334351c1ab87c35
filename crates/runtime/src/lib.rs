//! What every program of dayvec does the same way: take a command line and signals ([`program`]), read its
//! configuration ([`config`]), log ([`logging`]), listen ([`Listeners`]), check who may call
//! ([`authentication`]), answer `/metrics`, `/livez` and `/readyz` ([`admin`]), serve gRPC ([`service`]) and call it
//! ([`client`]), stop on a signal ([`shutdown`]),
//! print what others wrote without obeying it ([`terminal`]), and turn a fault into the exit code or gRPC code that says what to do
//! about it ([`fault`], [`exit`]).
//!
//! Nothing here knows about embeddings.

pub mod admin;
pub mod authentication;
pub mod client;
pub mod config;
pub mod exit;
pub mod fault;
pub mod logging;
pub mod program;
pub mod service;
pub mod shutdown;
pub mod terminal;

mod listeners;
mod metrics_help;

pub use dayvec_core::{Fault, FaultKind};
pub use fault::{OrFault, WithFault};
pub use listeners::{Listeners, bound};
