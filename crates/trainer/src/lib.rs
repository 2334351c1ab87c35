//! Fits the two towers on a log of events and leaves a checkpoint in the bucket: hand-off 1 of dayvec.
//!
//! The road of [`train`]: events ([`Config`]) → history and future, split at the cut-off → item features, read or built
//! from the history → the training loop over the users that are not held out → the evaluation of the model beside the
//! baselines on the days after the cut-off → a model card → `checkpoints/<model_id>/` in the bucket.
//!
//! Everything is synchronous; only the bucket's calls are not, and the trainer waits for those. A kill at any moment
//! loses at most the steps since the last resumable checkpoint, and readers of the bucket never see half a checkpoint.
//! **Nothing after the cut-off and no held-out user may reach training.**

mod batches;
mod card;
mod cli;
mod config;
mod data;
mod evaluate;
mod items;
mod progress;
mod publish;
mod report;
mod run;
mod run_folder;
mod scorers;
mod service;
mod stages;
mod store;
mod tensorboard;
mod told;
mod train;
mod training;

pub use cli::{Cli, Command};
pub use config::{
    Batch, BuildItems, Config, Correction, DataFacts, Evaluation, Events, ItemSource, ItemText, Items,
    ModelSizes, Negatives, Optimizer, Promotion, RawConfig, Run, SHIPPED, Service, Split,
};
pub use evaluate::{evaluate, write_top};
pub use run::run;
pub use run_folder::{RunFolder, Saved, State};
pub use service::serve;
pub use tensorboard::{Event, EventWriter, Scalar, Summary, read_events};
pub use told::{Standing, Told, Watcher, nobody};
pub use train::{Outcome, train};
