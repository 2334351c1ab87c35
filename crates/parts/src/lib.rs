//! Embeddings as a concatenation of parts: each gives numbers to the user's vector and as many to the item's, and the score
//! is one inner product, the sum of theirs.
//!
//! - *memory*: a learned bag of the user's own items over a frozen basis; it holds what people do again.
//! - *co-occurrence*: the same, untied: what goes with what one did.
//! - *trend*: the item's statistics of the day against coefficients of the user; it holds what is on now.
//!
//! The road: [`dayvec_core::Sequences`] → [`ByItem`] (a user's actions, item by item) → [`Histories`] (statistics of each
//! user and of each of the user's items) and [`ItemCounts`] (statistics of each item as of a day) → small nets → vectors.
//! Training: [`Basis`] without each fold of users → [`Fit`], softmax first, then a smooth form of recall itself → [`Parts`].
//! [`Embedder`] is what a checkpoint holds: the parts, or the tower alone, behind one pair of methods.
//!
//! **The user side never reads a clock**: ages count from the user's newest action, so an idle user keeps the vector bit
//! for bit. The item side is the day's.
//!
//! Letters in shapes: `B` rows (users as of a time), `P` pairs of a row and one of its items, `I` items, `D` width of the
//! embedding, `d` width of one block of it, `L` labels, `K` candidates.

mod alignment;
mod basis;
mod batch;
mod by_item;
mod candidates;
mod embedder;
mod error;
mod fit;
mod folds;
mod history;
mod item_counts;
mod loss;
mod network;
mod parts;
mod rows;

pub use alignment::{Alignment, Shared};
pub use basis::{Basis, BasisWidths, FoldBases};
pub use by_item::{ByItem, UserAsOf};
pub use embedder::Embedder;
pub use error::PartsError;
pub use fit::{Fit, FitOptions, FitProgress, OnStep};
pub use folds::fold_of;
pub use history::{Histories, PAIR_STATISTICS, USER_STATISTICS};
pub use item_counts::{ITEM_STATISTICS, ItemCounts};
pub use loss::{Labels, smooth_recall, softmax_loss};
pub use parts::Parts;
pub use rows::{Horizon, TrainingRows};
