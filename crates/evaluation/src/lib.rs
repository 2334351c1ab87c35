//! How well do user embeddings find what users act upon next, compared with cheaper methods?
//!
//! A log is split by [`TimeSplit`] into a history and the days after it → [`Truth`] holds the test users and their
//! relevant items → a [`Scorer`] (a model's [`Embeddings`], one of the [`baselines`], or what another program [`Predicted`]) scores the catalogue for a block of
//! users → [`retrieve`] keeps the best of it → [`Outcomes::metrics`] of any subset of the users → a [`dayvec_report::Table`].
//! A scorer may have several vectors a user ([`pinnersage`]): its hits are then those of the best vector for each item.
//! [`Outcomes::recall_of_users`] and [`Outcomes::recall_of_items`] are the recall of a part of the pairs.
//! [`freshness`] measures the same labels with embeddings of other moments, and [`top`] gives the same lists as rows, so that they can be scored with other tools.
//!
//! **Definitions** (the paper, section 6, over the whole catalogue instead of 1 M random pins):
//! - *Catalogue*: the items of any event before the cut-off. No scorer can retrieve a relevant item outside it:
//!   such pairs are left out, and their number is reported ([`Truth::n_outside`]).
//! - *Recall@10*: hit(u, p) = fewer than 10 other items of the catalogue score as high as p or higher. Micro: the mean
//!   over distinct (user, item) pairs; macro: over users, first within each.
//! - *Ties*: the paper counts the items that score strictly higher, so that a scorer that gives everything the same score
//!   hits everything. Here an equal score counts as a higher one: no tie makes a hit, for any scorer. The share of pairs
//!   in a real list of 10, ties settled by item row, is reported as well (*listed*): where it is higher, by as much as
//!   luck with ties may have given. A score of minus infinity means "not retrieved" and is never a hit.
//! - *Interest Entropy@50*: mean over users of −Σ q ln q, q = the interests' shares of the top 50.
//! - *P90 Coverage@10*: the top 10 of all users pooled; the smallest number of items that make up 90 % of it, over
//!   the size of the catalogue.
//! - *Seen items allowed* (main) or *filtered*: filtered takes what the user acted upon in the history, in any way,
//!   from the candidates and from the truth.
//!
//! Only [`Truth`] sees anything after the cut-off, and no whole users × items matrix is ever held, only
//! `b` users × `n` items at a time. Shapes: `b` users of a block, `n` items, `d` width of a vector, `k` list length.

pub mod baselines;
mod bootstrap;
mod error;
pub mod freshness;
mod groups;
mod interests;
mod leave_one_out;
mod merged;
mod metrics;
mod outcomes;
pub mod pinnersage;
mod predicted;
mod rank;
mod retrieve;
mod scorer;
mod scores;
mod several;
mod time_split;
mod truth;

pub use error::EvaluationError;
pub use groups::{GroupRecall, equal_parts, ranges};
pub use interests::Interests;
pub use leave_one_out::leave_one_out;
pub use outcomes::Outcomes;
pub use predicted::{Placed, Predicted};
pub use retrieve::{EvalOptions, TopRows, evaluate, retrieve, top};
pub use scorer::{Embeddings, Scorer};
pub use time_split::TimeSplit;
pub use truth::Truth;
