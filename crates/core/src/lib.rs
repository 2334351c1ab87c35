//! The types that the parts of dayvec share, in the order of the data flow:
//! [`Day`] · [`EventSchema`] (events) → [`Sequences`] → ([`ItemTable`], [`ModelSpec`]) → [`EmbeddingBlock`].
//!
//! Everything is held in columns: a user or an item is a row index, its id a slice of an [`IdColumn`].
//! This crate must stay free of I/O, async and tensors: every program links it.

mod day;
mod embedding;
mod fault;
mod gate;
mod ids;
mod items;
mod log_end;
mod schema;
mod sequence;
mod shard;
mod spec;

pub use day::{Day, ParseDayError, SECONDS_PER_DAY};
pub use embedding::EmbeddingBlock;
pub use fault::{Fault, FaultKind};
pub use gate::Gate;
pub use ids::{IdColumn, IdInterner, bucket_of, id_hash};
pub use items::ItemTable;
pub use log_end::{DayRows, LogEnd, rows_per_day};
pub use schema::{ColumnNames, EventSchema, PositiveRule, TimeUnit};
pub use sequence::{Action, Actions, Sequences};
pub use shard::Shard;
pub use spec::{HistoryBag, InputFeature, MODEL_FORMAT_VERSION, ModelSpec, Objective, PartsSpec};
