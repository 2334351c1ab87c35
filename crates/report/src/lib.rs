//! What the programs report in files that other programs read.
//!
//! - `metrics.json`, the [`Report`] that is stored next to the weights of a checkpoint: what a model was trained on, how
//!   good it is beside popularity, and how long that took; and the same with all baselines, stored under `evaluations/` when it
//!   is ready.
//! - [`FreshnessReport`], what a model's embeddings lose with their age.
//! - [`PredictionsReport`], what other programs predicted, scored as a model is.
//! - [`AblationTable`], a finished matrix of ablations.
//! - [`SnapshotStatistics`], in the manifest of a snapshot.
//! - [`ExperimentPage`], all of it about one model as an HTML file for people.
//!
//! A [`Report`] holds an [`Evaluation`]: one [`Table`] of scorers per set of users, a [`ScorerMetrics`] per row. List
//! lengths (`k`) and days are values in it, not parts of field names. The trainer writes it, the trainer and the console
//! read it, so it is plain data: **no tensors and no I/O.**

mod ablation;
mod choice;
mod experiment;
mod figure;
mod freshness;
mod html;
mod metrics;
mod parts;
mod predictions;
mod report;
mod statistics;
mod table;

pub use ablation::{AblationCell, AblationRow, AblationTable};
pub use choice::{Choice, Choices, Trial};
pub use experiment::{
    EmbeddingMap, ExampleUser, ExperimentPage, Group, Made, MapPoint, Missing, NearItem, RecallByGroup,
    ShownAction, TrainingCurve,
};
pub use figure::{count, figure, share};
pub use freshness::{AgedRecall, FreshnessReport, RelativeLoss};
pub use html::Picture;
pub use metrics::{Coverage, InterestEntropy, Interval, Recall, Retrieval, ScorerMetrics};
pub use parts::{AlignmentReport, PartsChoice, PartsTrial};
pub use predictions::{PredictionsFile, PredictionsReport, Sample};
pub use report::{Evaluation, RecallByScorer, Report, StageSeconds, TaskRecall, TrainingSummary};
pub use statistics::SnapshotStatistics;
pub use table::Table;
