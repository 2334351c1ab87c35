//! What every program of dayvec does the same way: read its configuration ([`config`]), log ([`logging`]), stop when
//! told ([`shutdown`]), answer `/metrics`, `/livez` and `/readyz` ([`admin`]), and exit with a code that says what
//! the caller can do ([`exit`]).
//!
//! Nothing here knows about embeddings.

pub mod admin;
pub mod config;
pub mod exit;
pub mod logging;
pub mod shutdown;

pub use exit::{Exit, OrExit};
