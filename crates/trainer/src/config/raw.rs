//! The configuration as written in YAML. `config/trainer.yaml` says why each value is what it is.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use dayvec_core::{ColumnNames, Day, EventSchema, HistoryBag, Objective, PositiveRule, TimeUnit};
use dayvec_items::{BuildOptions, TextColumns};
use dayvec_model::PositiveCorrection;
use dayvec_runtime::config::duration;
use serde::{Deserialize, Serialize};

/// The whole file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RawConfig {
    /// Where the checkpoint and the item features go.
    pub bucket: String,
    /// Whether a bucket without create-if-absent will do, because nobody else writes to it.
    pub single_publisher: bool,
    /// Scratch space: resumable checkpoints, TensorBoard files, staged input.
    pub work_dir: String,
    /// The log.
    pub events: Events,
    /// Item features.
    pub items: Items,
    /// Training time and test time.
    pub split: Split,
    /// The network.
    pub model: ModelSizes,
    /// What it is trained to predict.
    pub objective: Objective,
    /// What a step looks at.
    pub batch: Batch,
    /// What a step tells apart.
    pub negatives: Negatives,
    /// How a step moves the weights.
    pub optimizer: Optimizer,
    /// How long, how fast, how safe.
    pub run: Run,
    /// How the result is measured.
    pub evaluation: Evaluation,
    /// What a model must reach to be promoted.
    pub promotion: Promotion,
    /// How `serve` listens and when it trains by itself.
    pub service: Service,
}

/// The log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Events {
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

/// Item features: exactly one of the two.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Items {
    /// A table of features: a path or a URL.
    #[serde(default)]
    pub read: Option<String>,
    /// Features made from the training window.
    #[serde(default)]
    pub build: Option<BuildItems>,
}

/// How item features are made.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BuildItems {
    /// How events and text become features.
    pub features: BuildOptions,
    /// Item text.
    pub text: Option<ItemText>,
}

/// A table of item text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ItemText {
    /// CSV or Parquet: a path or a URL.
    pub path: String,
    /// Which of its columns say what.
    #[serde(default)]
    pub columns: TextColumns,
}

/// Training time and test time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Split {
    /// First day of the test: training ends where it starts. `None`: the log's last day less `test_days`.
    pub cut_off: Option<Day>,
    /// Days that are tested on.
    pub test_days: u32,
}

/// A preset and what replaces its sizes; see [`dayvec_core::ModelSpec`] for each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "each field is one of ModelSpec")]
pub struct ModelSizes {
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
}

/// What a step looks at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Batch {
    /// Users of a step.
    pub users: usize,
    /// Query positions of each.
    pub positions_per_user: usize,
    /// Share of inputs that end at the user's newest action with a label after it; the others end anywhere.
    pub newest_share: f64,
}

/// Negatives of a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Negatives {
    /// Drawn from the catalogue.
    pub random: usize,
    /// Taken from the labels of the step's other pairs.
    pub in_batch: usize,
    /// What is subtracted from a positive's logit.
    pub correction: Correction,
}

/// logQ correction of the positives; see [`PositiveCorrection`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Correction {
    /// The paper's: the chance that the item is drawn given its user.
    Conditional,
    /// As for a negative.
    Marginal,
    /// None, on negatives neither.
    Off,
}

impl From<Correction> for PositiveCorrection {
    fn from(correction: Correction) -> Self {
        match correction {
            Correction::Conditional => Self::Conditional,
            Correction::Marginal => Self::Marginal,
            Correction::Off => Self::Off,
        }
    }
}

/// AdamW and its schedule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Optimizer {
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

/// How long, how fast, how safe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Run {
    /// Steps of training, and of the schedule.
    pub steps: u64,
    /// Names every draw.
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
#[serde(deny_unknown_fields, default)]
pub struct Evaluation {
    /// Resamples of users behind each confidence interval.
    pub bootstrap: usize,
    /// Most frequent items that EASE is fitted on.
    pub ease_items: usize,
}

/// What a model must reach to be promoted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Promotion {
    /// Least Recall@10, as a multiple of the serving model's, on the same users and days.
    pub min_recall_ratio: f64,
    /// Least Recall@10, as a multiple of popularity's.
    pub min_popularity_ratio: f64,
}

/// The trainer as a service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Service {
    /// Where gRPC is answered.
    pub listen: SocketAddr,
    /// Where `/metrics`, `/livez` and `/readyz` are answered.
    pub admin_listen: SocketAddr,
    /// Who may call; everybody without it.
    pub tokens_file: Option<PathBuf>,
    /// Train when the log has grown by this many whole days; 0 for never.
    pub retrain_every_days: u32,
    /// How often the log is looked at for that.
    #[serde(with = "duration")]
    pub poll: Duration,
}

impl Default for Promotion {
    fn default() -> Self {
        Self { min_recall_ratio: 0.95, min_popularity_ratio: 1.0 }
    }
}

impl Default for Service {
    fn default() -> Self {
        let any = |port| SocketAddr::from(([0, 0, 0, 0], port));
        Self {
            listen: any(50_052),
            admin_listen: any(9_104),
            tokens_file: None,
            retrain_every_days: 0,
            poll: Duration::from_secs(60),
        }
    }
}

impl Default for RawConfig {
    fn default() -> Self {
        Self {
            bucket: "./bucket".into(),
            single_publisher: false,
            work_dir: "./work/trainer".into(),
            events: Events::default(),
            items: Items { read: None, build: Some(BuildItems::default()) },
            split: Split::default(),
            model: ModelSizes::default(),
            objective: Objective::DenseAllAction { window_days: 28 },
            batch: Batch::default(),
            negatives: Negatives::default(),
            optimizer: Optimizer::default(),
            run: Run::default(),
            evaluation: Evaluation::default(),
            promotion: Promotion::default(),
            service: Service::default(),
        }
    }
}

impl Default for Events {
    fn default() -> Self {
        let purchase = || "purchase".to_owned();
        Self {
            url: "./bucket/events".into(),
            schema: EventSchema {
                columns: ColumnNames::default(),
                time_unit: TimeUnit::Seconds,
                actions: vec![purchase()],
                positives: vec![PositiveRule { action: purchase(), longer_than_s: None, surfaces: None }],
            },
            earliest: Day::of_timestamp(631_152_000), // 1990-01-01
            latest: Day::of_timestamp(4_102_358_400), // 2099-12-31
            max_bad_share: 0.01,
            quarantine: None,
        }
    }
}

impl Default for Split {
    fn default() -> Self {
        Self { cut_off: None, test_days: 14 }
    }
}

impl Default for ModelSizes {
    fn default() -> Self {
        Self {
            preset: "small".into(),
            max_len: None,
            n_layers: None,
            hidden_dim: None,
            n_heads: None,
            dim: None,
            item_hidden_dim: None,
            look_back_days: 365,
            item_id_dim: 0,
            history_bag: None,
        }
    }
}

impl Default for Batch {
    fn default() -> Self {
        Self { users: 128, positions_per_user: 32, newest_share: 0.5 }
    }
}

impl Default for Negatives {
    fn default() -> Self {
        Self { random: 2048, in_batch: 2048, correction: Correction::Conditional }
    }
}

impl Default for Optimizer {
    fn default() -> Self {
        Self {
            learning_rate: 1e-3,
            warm_up_share: 0.05,
            weight_decay: 0.01,
            clip: 1.0,
            betas: [0.9, 0.999],
            dropout: 0.1,
        }
    }
}

impl Default for Run {
    fn default() -> Self {
        Self {
            steps: 300,
            seed: 1,
            threads: 0,
            checkpoint_steps: 1000,
            checkpoint_every: Duration::from_secs(300),
        }
    }
}

impl Default for Evaluation {
    fn default() -> Self {
        Self { bootstrap: 1000, ease_items: 14_000 }
    }
}
