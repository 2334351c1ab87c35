//! PinnerSage (arXiv 2007.03634): several vectors a user without learning, the paper's baseline of its Table 3.
//!
//! A user's newest positives, each the feature vector of its item → [`ward`](Dendrogram::ward) merges them into a tree →
//! the tree cut at a threshold gives clusters → each is served as its medoid, an item, and has an importance that
//! decays with the age of its actions ([`Cluster`]). The `c` most important medoids retrieve: each has a list of its
//! own, and an oracle grants a relevant item the best of them, while the lists that diversity is measured on
//! are their round-robin merge, most important medoid first.
//!
//! Nothing here reads anything but the history and the item features.

mod clusters;
mod scorer;
mod ward;

pub use clusters::{Cluster, ClusterOptions, clusters_of};
pub use scorer::{DECAY_PER_DAY, LOOK_BACK_DAYS, MAX_ACTIONS, Medoids, PinnerSage, TOP_CLUSTERS};
pub use ward::{Dendrogram, Distances, Merge};
