//! Which models are in a bucket ([`checkpoints`]), which of them serves ([`serving_model`]), and the names and keys of
//! what training and the daily run leave there ([`checkpoint`], [`evaluation`], [`item_features`], [`daily_state`]).
//!
//! A checkpoint becomes *complete* by its `spec.yaml`, which is written last. A model is put in service by a
//! [`Promotion`]: a record in an append-only log, so going back is one more record. Where nothing was ever promoted,
//! the newest complete checkpoint serves: a first training needs no second command.
//!
//! It knows names and records, never weights, and it must never call an incomplete checkpoint a model.

pub mod checkpoint;
pub mod daily_state;
mod error;
pub mod evaluation;
pub mod item_features;
mod promotion;

pub use checkpoint::{CHECKPOINTS, Checkpoint, SPEC, checkpoints, key, read_spec};
pub use daily_state::{DailyState, DailyStates};
pub use error::RegistryError;
pub use promotion::{
    NewPromotion, Promotion, Serving, last_promotions, newest_promotion, promote, promotions, serving_model,
};
