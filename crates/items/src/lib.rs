//! Item features: the content vector of every item that both towers read (the paper's PinSage embedding).
//!
//! Two ways to the same [`ItemTable`](dayvec_core::ItemTable):
//!
//! - the user has one: [`read_items`] reads Parquet with `item_id` and `embedding`, and refuses what a model could
//!   not be trained on;
//! - the user has none: [`build_items`] makes one from the events of the training window
//!   ([co-occurrence](Csr) → positive pointwise mutual information → [`truncated_svd`]) and, where there is any,
//!   from item text ([`read_item_text`] → hashed words → the same decomposition), so that an item without events
//!   gets a vector from its words. [`Method::PinSage`] then learns from random walks how to mix an item's vector with
//!   those of its neighbours.
//!
//! [`write_items`] and [`items_version`] give the result its place under `items/<items_version>/`.
//!
//! [`read_lists`] reads what another program predicted from such items: a list of them for each user.
//!
//! Nothing here looks at a clock or a cut-off: **whoever calls [`build_items`] passes the training window only**,
//! or the features leak what the evaluation tests. The same input, seed and number of threads give the same
//! bits; the sparse products are the same with any number of threads, the dense ones are libtorch's.

mod build;
mod clusters;
mod columns;
mod cooccurrence;
mod csr;
mod error;
mod graph;
mod lists;
mod options;
mod pinsage;
mod svd;
mod table;
mod text;
mod words;

pub use build::build_items;
pub use csr::Csr;
pub use error::ItemsError;
pub use lists::{ItemLists, ListedItem, read_lists};
pub use options::{Basket, BuildOptions, Method};
pub use pinsage::{PinSageLoss, PinSageOptions};
pub use svd::{Svd, truncated_svd};
pub use table::{check_dim, items_version, read_items, write_items};
pub use text::{ItemText, TextColumns, read_item_text};
