//! The description of a model that travels in its checkpoint, so that inference has no model settings of its own.

use serde::{Deserialize, Serialize};

use crate::EventSchema;

/// Version of the checkpoint layout that this build reads and writes.
pub const MODEL_FORMAT_VERSION: u32 = 1;

/// The complete description of a trained model; `spec.yaml` in a checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSpec {
    /// Layout version, [`MODEL_FORMAT_VERSION`] when written by this build.
    pub format_version: u32,
    /// Name of the model: the checkpoint's folder.
    pub model_id: String,
    /// Name of the pair of towers; user and item embeddings may be compared only when theirs are equal.
    pub tower_pair_id: String,
    /// How events are read.
    pub events: EventSchema,
    /// Surfaces that the model knows; empty when the log has none, and then the input has no surface.
    pub surfaces: Vec<String>,
    /// Whether the input has log duration.
    pub duration: bool,
    /// Longest input sequence (M).
    pub max_len: usize,
    /// Actions this many days older than a user's newest one are left out of the input.
    pub look_back_days: u32,
    /// Version of the item features: the folder under `items/`.
    pub items_version: String,
    /// Width of the item features.
    pub item_dim: usize,
    /// Number of items in that version.
    pub n_items: usize,
    /// Transformer blocks (L).
    pub n_layers: usize,
    /// Width of the residual stream (H).
    pub hidden_dim: usize,
    /// Attention heads.
    pub n_heads: usize,
    /// Width of the tower's embedding (D).
    pub dim: usize,
    /// Inner width of the item tower's MLP.
    pub item_hidden_dim: usize,
    /// Width of the action-type table.
    pub action_dim: usize,
    /// Width of the surface table.
    pub surface_dim: usize,
    /// Width of a learned item-id embedding beside the content features; 0 for none (the paper has none).
    #[serde(default)]
    pub item_id_dim: usize,
    /// Residual path from the user's own item vectors to the user embedding; the paper has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history_bag: Option<HistoryBag>,
    /// Features of an action that the user tower does not read, for ablations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<InputFeature>,
    /// What the tower was trained to predict.
    pub objective: Objective,
    /// The parts that an embedding consists of; without them it is the tower's, as in the paper, and the sizes above are
    /// the tower's where it is one of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<PartsSpec>,
}

/// The parts of an embedding, in this order. Each gives numbers to the user's vector and as many to the item's; the score
/// is one inner product, the sum of theirs. A width of 0 leaves a part out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartsSpec {
    /// Width of the memory: a learned bag of the user's own items over a frozen basis.
    #[serde(default)]
    pub memory: usize,
    /// Width of the co-occurrence: a learned bag of what goes with the user's own items.
    #[serde(default)]
    pub cooccurrence: usize,
    /// Width of the trend: the item's statistics of the day against coefficients of the user.
    #[serde(default)]
    pub trend: usize,
    /// Newest actions of a user that count.
    pub history_len: usize,
}

impl PartsSpec {
    /// Whether the parts have the widths of others.
    #[must_use]
    pub const fn is_as_wide_as(&self, other: &Self) -> bool {
        self.memory == other.memory && self.cooccurrence == other.cooccurrence && self.trend == other.trend
    }

    /// Width of all parts.
    #[must_use]
    pub const fn dim(&self) -> usize {
        self.memory + self.cooccurrence + self.trend
    }
}

impl ModelSpec {
    /// Width of an embedding as it is served (the paper's D).
    #[must_use]
    pub fn embedding_dim(&self) -> usize {
        self.parts.map_or(self.dim, |parts| parts.dim())
    }

    /// Newest actions of a user that an embedding may depend on.
    #[must_use]
    pub fn history_len(&self) -> usize {
        self.parts.map_or(self.max_len, |parts| parts.history_len)
    }

    /// Whether every embedding has unit norm.
    #[must_use]
    pub const fn has_unit_norm(&self) -> bool {
        self.parts.is_none()
    }
}

/// A feature of an action in the user tower's input (the paper, sections 1.2 and 1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputFeature {
    /// What is known of the item: its content features, and its id where the model has one.
    Item,
    /// The type of the action.
    Action,
    /// The surface.
    Surface,
    /// How long it lasted.
    Duration,
    /// Its absolute time.
    Timestamp,
    /// The time from it to the newest action of the input. An older position can read from it when the newest action
    /// was; without it the input is strictly causal.
    SinceLatest,
    /// The time since the action before it.
    Gap,
    /// Its place in the sequence.
    Position,
}

/// The residual bag: user embedding = normalise(head + learned weighted sum of the user's own item vectors).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HistoryBag {
    /// Half-life of an action's weight at the start of training, in days.
    pub half_life_days: f64,
}

/// Training objective (the paper, section 3): a name and its own settings, side by side in YAML.
///
/// `dayvec-model` has the list of objectives and checks the settings; everything else only carries them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Objective {
    /// Name of the objective, for instance `dense_all_action`.
    pub name: String,
    /// Its settings.
    #[serde(flatten)]
    pub settings: serde_json::Map<String, serde_json::Value>,
}

impl Objective {
    /// An objective without settings.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), settings: serde_json::Map::new() }
    }

    /// The same objective with one more setting.
    #[must_use]
    pub fn with(mut self, setting: &str, value: impl Into<serde_json::Value>) -> Self {
        self.settings.insert(setting.to_owned(), value.into());
        self
    }
}
