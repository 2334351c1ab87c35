//! What every program of dayvec does the same way: take a command line and signals ([`program`]), read its
//! configuration ([`config`]), log ([`logging`]), listen ([`Listeners`]), let in who may call ([`authentication`]),
//! answer `/metrics`, `/livez` and `/readyz` ([`admin`]), stop when told ([`shutdown`]), and exit with a code that says
//! what the caller can do ([`exit`]).
//!
//! Nothing here knows about embeddings.

pub mod admin;
pub mod authentication;
pub mod config;
pub mod exit;
pub mod logging;
pub mod program;
pub mod shutdown;

mod listeners;

pub use exit::{Exit, OrExit};
pub use listeners::Listeners;
