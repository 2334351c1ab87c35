//! Sequences become embeddings: the two towers, the objective that trains them, and their checkpoint.
//!
//! The road: [`dayvec_core::Sequences`] → [`TokenGroup`]s (padded, of like length) → user tower → user embeddings;
//! item features → item tower → item embeddings. Training adds [`Sampler`] (which users, positions, labels and
//! negatives), the sampled softmax over one pool, and [`Fit`] (AdamW, schedule, clipping).
//!
//! Letters in shapes: `B` users of a group, `T` time steps, `N` tokens, `S` query positions of a user, `P` pairs,
//! `C` columns of the negative pool, `H` width of the residual stream, `D` width of an embedding, `F` width of the
//! item features, `I` items.
//!
//! Time runs forward inside a group: the oldest action first, padding *after* the newest, so that nothing valid
//! ever sees padding and plain causality is the only mask. Positions are still counted by recency, as in the paper.

#[cfg(test)]
extern crate self as dayvec_model; // the fixture is shared with the integration tests

mod allocator;
mod batch;
mod checkpoint;
mod cuda;
mod dropout;
mod error;
mod features;
mod fit;
#[cfg(test)]
#[path = "../tests/it/fixture.rs"]
mod fixture;
mod history;
mod item_tower;
mod label_counts;
#[cfg(test)]
mod leak_tests;
mod loss;
mod model;
mod objective;
mod optimizer;
mod parameters;
mod random;
#[cfg(test)]
mod reference_tests;
mod sampler;
mod sizes;
mod sketch;
mod threads;
mod tokens;
mod user_tower;

pub use allocator::keep_freed_memory;
pub use batch::{Correction, Loss, NegativeCorrection, PositiveCorrection, TrainBatch};
pub use checkpoint::{Arrays, Element, NamedArray, load_spec, read_arrays, save_spec, take, write_arrays};
pub use cuda::load_cuda;
pub use error::ModelError;
pub use fit::{Fit, StepStats};
pub use model::{Model, check_items, to_vec};
pub use objective::check_objective;
pub use optimizer::{AdamW, OptimizerConfig};
pub use parameters::{Init, ParameterList, Parameters, WeightId, Weights};
pub use sampler::{NegativeConfig, Sampler, SamplerConfig};
pub use sizes::{Sizes, preset};
pub use threads::wait_briefly;
pub use tokens::TokenGroup;
