//! The lookup service: the newest announced snapshot, from the bucket to the client.
//!
//! [`run`] takes bound listeners and a token, and serves until the token is cancelled:
//! bucket → `refresh` (announcements, parts, verified) → [`index`] (one mapped file) → `service` (gRPC).
//!
//! It must never answer from a snapshot that was not announced, nor from two in one reply; it links neither torch nor
//! polars, and writes nothing to the bucket.

mod cache;
pub mod config;
mod error;
pub mod index;
mod meter;
mod refresh;
mod refusal;
mod server;
mod service;
mod serving;
mod vector;
mod wire;

pub use config::Config;
pub use error::LookupError;
pub use server::run;
