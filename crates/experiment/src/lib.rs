//! The training library: from a log of events to a measured checkpoint in the bucket, hand-off 1 of dayvec.
//!
//! [`train()`] reads top to bottom like a script: [`Config`] → the log, split at the cut-off → item features, read or built
//! from the events before it → the model → the training loop over the users that are not held out → its evaluation beside
//! popularity on the days after the cut-off → `checkpoints/<model_id>/` in the bucket, with a [`Report`] and a card.
//! [`evaluate()`] measures a checkpoint beside all baselines, [`Contest`] measures two on the same users and days, and
//! [`experiment_page()`] collects what is known of one for people to look at.
//! Another program gets the same split from [`write_split`], and [`evaluate_predictions`] scores what it predicted.
//!
//! Everything is synchronous; calls of the bucket block ([`Store`], opened once by the program and passed down).
//! **Nothing after the cut-off and no held-out user may reach training.**

mod alignment;
mod batches;
mod card;
mod checkpoint;
mod clock;
mod config;
mod contest;
mod data;
mod evaluate;
mod free_cores;
mod freshness;
mod hashes;
mod items;
mod page;
mod parquet_file;
mod parts;
mod parts_training;
mod predictions;
mod progress;
mod progress_display;
mod publish;
mod report;
mod split_files;
mod store;
mod tensorboard;
mod top_items;
mod tower;
mod train;
mod training_folder;
mod trials;

pub use checkpoint::NoSuchCheckpoint;
pub use config::{
    BatchSettings, BuildItemsSettings, Config, DataFacts, EvaluationSettings, EventsSettings, ItemSource,
    ItemTextSettings, ItemsSettings, ModelSettings, NegativesSettings, OptimizerSettings, PartWidths,
    PartsSettings, PinnerSageSettings, PromotionSettings, RawConfig, RunSettings, SHIPPED, SplitProtocol,
    SplitSettings,
};
pub use contest::{Contest, ServingModel, ServingModelMissing};
pub use dayvec_report::{FreshnessReport, PredictionsReport, Report};
pub use evaluate::{evaluate, full_report};
pub use freshness::freshness;
pub use page::{PageRequest, experiment_page};
pub use predictions::evaluate_predictions;
pub use progress::{Observer, StepProgress, TrainingProgress, no_observer};
pub use publish::published_report;
pub use split_files::{SplitAbout, write_split};
pub use store::Store;
pub use tensorboard::{
    TensorboardRecord, TensorboardScalar, TensorboardSummary, TensorboardWriter, read_tensorboard,
};
pub use top_items::write_top_items;
pub use train::{Outcome, train};
pub use training_folder::{ResumeState, StepCheckpoint, TrainingFolder};
pub use trials::{
    Ablation, Matrix, MatrixRow, PaperFigures, Space, TrialRecord, Trials, Tuned, ablate, tune,
};

/// Use this many CPU threads for tensors; 0 for all cores.
pub fn set_threads(threads: usize) {
    if let Ok(threads @ 1..) = i32::try_from(threads) {
        tch::set_num_threads(threads);
    }
}
