//! Which models are in a bucket ([`checkpoints`]), and which of them is to serve ([`serving_model`]).
//!
//! A checkpoint becomes *whole* by its `spec.yaml`, which is written last. A model becomes the one to serve by a
//! [`Promotion`]: a record in an append-only log, so that going back is one more record. Where nothing was ever
//! promoted, the newest whole checkpoint serves: a first training needs no second command.
//!
//! It knows names and records, never weights, and it must never call a half-written checkpoint a model.

mod checkpoints;
mod error;
mod promotion;

pub use checkpoints::{CHECKPOINTS, Checkpoint, SPEC, checkpoints, key};
pub use error::RegistryError;
pub use promotion::{NewPromotion, Promotion, Serving, newest_promotion, promote, promotions, serving_model};
