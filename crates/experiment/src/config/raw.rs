//! The configuration as written in YAML. `config/trainer.yaml` has each default, and why it is what it is.

use std::time::Duration;

use dayvec_core::{Day, EventSchema, HistoryBag, InputFeature, Objective};
use dayvec_items::{BuildOptions, TextColumns};
use dayvec_model::Correction;
use dayvec_runtime::config::duration;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

/// The whole file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawConfig {
    /// The bucket that receives the checkpoint and the item features.
    pub bucket: String,
    /// Whether a store without create-if-absent is accepted, because no one else writes to the bucket.
    pub single_publisher: bool,
    /// Scratch space: resumable checkpoints, TensorBoard files, staged input.
    pub work_dir: String,
    /// The log.
    pub events: EventsSettings,
    /// Item features.
    pub items: ItemsSettings,
    /// Training time and test time.
    pub split: SplitSettings,
    /// The network.
    pub model: ModelSettings,
    /// What an embedding consists of.
    pub parts: PartsSettings,
    /// What it is trained to predict.
    pub objective: Objective,
    /// The input of a step.
    pub batch: BatchSettings,
    /// The negatives of a step.
    pub negatives: NegativesSettings,
    /// The optimizer and its schedule.
    pub optimizer: OptimizerSettings,
    /// Length, seed, threads and checkpoints.
    pub run: RunSettings,
    /// How the result is measured.
    pub evaluation: EvaluationSettings,
    /// What a model must reach to be promoted.
    pub promotion: PromotionSettings,
    /// The service around the training, which the training itself does not look at.
    #[serde(default, skip_serializing)]
    pub service: IgnoredAny,
}

/// The log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventsSettings {
    /// A file or folder: a path or a URL.
    pub url: String,
    /// How its rows are read.
    pub schema: EventSchema,
    /// First day that an event may have.
    pub earliest: Day,
    /// Last day that an event may have.
    pub latest: Day,
    /// Share of bad rows above which the log is refused.
    pub max_bad_share: f64,
    /// File for samples of bad rows; `None`: one in the work folder.
    pub quarantine: Option<String>,
}

/// Item features.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ItemsSettings {
    /// A table of features: a path or a URL. `None`: they are built.
    pub read: Option<String>,
    /// Features built from the training window, unless there is a table.
    pub build: Option<BuildItemsSettings>,
}

/// How item features are made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BuildItemsSettings {
    /// How events and text become features.
    pub features: BuildOptions,
    /// Item text.
    pub text: Option<ItemTextSettings>,
}

/// A table of item text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ItemTextSettings {
    /// CSV or Parquet: a path or a URL.
    pub path: String,
    /// Which of its columns say what.
    #[serde(default)]
    pub columns: TextColumns,
}

/// Training time and test time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SplitSettings {
    /// What is trained on, and what is tested.
    pub protocol: SplitProtocol,
    /// First day of the test: training ends where it starts. `None`: the log's last day less `test_days`; see
    /// [`dayvec_core::LogEnd`].
    pub cut_off: Option<Day>,
    /// Days that are tested on.
    pub test_days: u32,
}

/// What is trained on, and what is tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SplitProtocol {
    /// Everything before the cut-off, for users who are not held out; the days from the cut-off on.
    Time,
    /// Everything before each user's last positive; that positive. No user is held out.
    LeaveOneOut,
}

/// A preset, and the sizes that replace its own; see [`dayvec_core::ModelSpec`] for each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each field is one of ModelSpec")]
pub struct ModelSettings {
    pub preset: String,
    pub max_len: Option<usize>,
    pub n_layers: Option<usize>,
    pub hidden_dim: Option<usize>,
    pub n_heads: Option<usize>,
    pub dim: Option<usize>,
    pub item_hidden_dim: Option<usize>,
    pub look_back_days: u32,
    pub item_id_dim: usize,
    pub history_bag: Option<HistoryBag>,
    pub left_out: Vec<InputFeature>,
}

/// What an embedding consists of, and how that is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartsSettings {
    /// Parts to choose from; `None`: the preset's. Without any, an embedding is the tower's.
    pub candidates: Option<Vec<PartWidths>>,
    /// Newest actions of a user that count.
    pub history_len: usize,
    /// Most rows (users as of a time) of a step.
    pub rows: usize,
    /// Steps of each training by softmax.
    pub softmax_steps: u64,
    /// Steps of each training by smooth recall.
    pub recall_steps: u64,
    /// Weights of items that are new to the user in the loss, to choose from; the candidates are compared with the first.
    pub unseen_weights: Vec<f64>,
}

/// Numbers of each part in an embedding; 0 leaves it out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PartWidths {
    /// Of the memory.
    pub memory: usize,
    /// Of the co-occurrence.
    pub cooccurrence: usize,
    /// Of the trend.
    pub trend: usize,
}

impl PartWidths {
    /// Of all parts.
    #[must_use]
    pub const fn dim(&self) -> usize {
        self.memory + self.cooccurrence + self.trend
    }
}

/// The input of a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchSettings {
    /// Users of a step.
    pub users: usize,
    /// Query positions of each.
    pub positions_per_user: usize,
    /// Share of inputs that end at the user's newest action with a label after it; the others end anywhere.
    pub newest_share: f64,
}

/// Negatives of a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NegativesSettings {
    /// Drawn from the catalogue; `None`: the preset's.
    pub random: Option<usize>,
    /// Most that are taken from the labels of the step's other pairs; `None`: the preset's.
    pub in_batch: Option<usize>,
    /// logQ correction.
    pub correction: Correction,
}

/// AdamW and its schedule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptimizerSettings {
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Share of the steps that warm up.
    pub warm_up_share: f64,
    /// Weight decay of matrices and tables.
    pub weight_decay: f64,
    /// Largest norm of the gradient.
    pub clip: f64,
    /// Decays of the first and second moment.
    pub betas: [f64; 2],
    /// Share of the user tower's activations that a step zeroes.
    pub dropout: f64,
}

/// Length, seed, threads and checkpoints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunSettings {
    /// Steps of training, and of the schedule.
    pub steps: u64,
    /// Seed of every random draw.
    pub seed: u64,
    /// CPU threads of libtorch; 0 for every core.
    pub threads: usize,
    /// Steps between resumable checkpoints.
    pub checkpoint_steps: u64,
    /// Time between resumable checkpoints.
    #[serde(with = "duration")]
    pub checkpoint_every: Duration,
}

/// How the result is measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluationSettings {
    /// Resamples of users behind each confidence interval.
    pub bootstrap: usize,
    /// Most frequent items that EASE is fitted on, at most.
    pub ease_items: usize,
    /// Most memory of the dense matrices of one baseline, in MiB.
    pub memory_mib: usize,
    /// PinnerSage among the baselines; `None` leaves it out.
    pub pinnersage: Option<PinnerSageSettings>,
}

/// The paper's baseline of several vectors a user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PinnerSageSettings {
    /// α: largest distance at which clusters merge.
    pub threshold: f64,
}

/// What a model must reach to be promoted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromotionSettings {
    /// Least Recall@10, as a multiple of the serving model's, on the same users and days.
    pub min_recall_ratio: f64,
    /// Least Recall@10, as a multiple of popularity's.
    pub min_popularity_ratio: f64,
    /// Least mean cosine of users' embeddings to the serving model's, where both have the same parts.
    pub min_mean_cosine: f64,
}
