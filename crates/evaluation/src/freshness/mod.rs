//! What an embedding loses with its age: the same users and labels, scored with embeddings of other moments.
//!
//! The paper's three protocols (section 5.3, its key table): *Once*, one embedding at the cut-off for all test days;
//! *Daily*, computed anew every day and used a day later; *Realtime*, the state just before each label. Beside them,
//! recall by age: the embedding of so many days before the label's day, users and items apart.
//!
//! [`Labels::of`] a log → for each [`Protocol`] and each day the users' states ([`dayvec_core::Sequences::as_of`]) → a [`crate::Scorer`] made
//! from these states by an [`Aged`] scorer → hits. A *label* is a distinct (user, positive item) of the test days, at its
//! first time. Labels of users who have no action yet under some protocol are left out of all, so that every figure is
//! about the same labels.

mod aged;
mod baselines;
mod labels;
mod measure;
mod protocol;

pub use aged::Aged;
pub use baselines::baselines;
pub use labels::{Label, Labels};
pub use measure::{FreshnessOptions, measure};
pub use protocol::Protocol;
