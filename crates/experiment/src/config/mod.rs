//! The configuration of a training: `config/trainer.yaml` but for the section `service`, checked before anything starts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use dayvec_bucket::parse_url;
use dayvec_core::{Day, EventSchema, ModelSpec};
use dayvec_items::{BuildOptions, TextColumns};
use dayvec_model::{Correction, NegativeCorrection, PositiveCorrection, Sizes};
use dayvec_runtime::config::{self, ConfigError, UserFile};
use serde::{Serialize, Serializer};
use serde_yaml::Mapping;
use url::Url;

mod raw;

pub use raw::{
    BatchSettings, BuildItemsSettings, EvaluationSettings, EventsSettings, ItemTextSettings, ItemsSettings,
    ModelSettings, NegativesSettings, OptimizerSettings, PinnerSageSettings, PromotionSettings, RawConfig,
    RunSettings, SplitProtocol, SplitSettings,
};

/// The shipped configuration: the defaults.
pub const SHIPPED: &str = include_str!("../../../../config/trainer.yaml");

/// A valid configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// The values as written, for those that need no other form.
    pub raw: RawConfig,
    /// The bucket that receives the checkpoint and the item features.
    pub bucket: Url,
    /// Scratch space.
    pub work_dir: PathBuf,
    /// The log.
    pub events: Url,
    /// Where item features come from.
    pub items: ItemSource,
    /// Sizes of the network and of its pool of negatives: the preset's, with what replaces them.
    pub sizes: Sizes,
}

/// As it is written: [`RawConfig`].
impl Serialize for Config {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.raw.serialize(to)
    }
}

/// Where item features come from.
#[derive(Debug, Clone)]
pub enum ItemSource {
    /// The user's own table.
    Read(Url),
    /// Built from the events before the cut-off.
    Build {
        /// How.
        options: Box<BuildOptions>,
        /// Item text: where it is, and its columns.
        text: Option<(Url, TextColumns)>,
    },
}

impl Config {
    /// Read `file`, or the shipped configuration where there is none, and the environment over it.
    ///
    /// # Errors
    /// Every fault at once.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        Self::load_over(&UserFile::read(file)?)
    }

    /// [`Self::load`] for a file that was read before.
    ///
    /// # Errors
    /// Every fault at once.
    pub fn load_over(file: &UserFile) -> Result<Self, ConfigError> {
        config::load_over::<RawConfig, Self>(file, SHIPPED)
    }

    /// The same configuration with some settings replaced, by dotted name: `run.steps`, `model.dim`. Values are YAML.
    ///
    /// # Errors
    /// Every fault at once.
    pub fn with_settings(&self, settings: &BTreeMap<String, String>) -> Result<Self, ConfigError> {
        config::replace::<RawConfig, Self>(&self.raw, settings)
    }

    /// The same configuration with some settings over it, as a file would hold them; `name` says in messages where they
    /// are from.
    ///
    /// # Errors
    /// Every fault at once.
    pub fn overlaid(&self, name: &str, settings: &Mapping) -> Result<Self, ConfigError> {
        config::overlaid::<RawConfig, Self>(&self.raw, name, settings)
    }

    /// The configuration as YAML with the cut-off that was chosen, as it is saved beside the weights.
    #[must_use]
    pub fn resolved_yaml(&self, cut_off: Day) -> String {
        let mut raw = self.raw.clone();
        raw.split.cut_off = Some(cut_off);
        config::to_yaml(&raw)
    }

    /// Where samples of bad rows go.
    #[must_use]
    pub fn quarantine(&self) -> PathBuf {
        self.raw
            .events
            .quarantine
            .as_ref()
            .map_or_else(|| self.work_dir.join("quarantine.csv"), PathBuf::from)
    }
}

impl TryFrom<RawConfig> for Config {
    type Error = Vec<String>;

    fn try_from(raw: RawConfig) -> Result<Self, Vec<String>> {
        let mut faults = Faults(Vec::new());
        let bucket = faults.place("bucket", &raw.bucket);
        let events = faults.place("events.url", &raw.events.url);
        let items = faults.items(&raw.items);
        let sizes = faults.sizes(&raw);
        faults.events(&raw.events);
        faults.training(&raw);
        if raw.work_dir.trim().is_empty() {
            faults.add("work_dir", "must not be empty; name a folder that survives a restart");
        }
        if raw.split.test_days == 0 {
            faults.add("split.test_days", "must be at least 1");
        }
        for (key, ratio) in [
            ("promotion.min_recall_ratio", raw.promotion.min_recall_ratio),
            ("promotion.min_popularity_ratio", raw.promotion.min_popularity_ratio),
        ] {
            if !(0.0..=10.0).contains(&ratio) {
                faults.add(key, format!("{ratio} must be between 0 and 10"));
            }
        }
        faults.at_least_one("evaluation.ease_items", raw.evaluation.ease_items as u64);
        faults.at_least_one("evaluation.memory_mib", raw.evaluation.memory_mib as u64);
        if let Some(PinnerSageSettings { threshold }) = raw.evaluation.pinnersage
            && !(threshold >= 0.0 && threshold.is_finite())
        {
            let fault = format!("{threshold} must be finite and not negative");
            faults.add("evaluation.pinnersage.threshold", fault);
        }
        match (bucket, events, items, sizes) {
            (Some(bucket), Some(events), Some(items), Some(sizes)) if faults.0.is_empty() => {
                let work_dir = PathBuf::from(&raw.work_dir);
                Ok(Self { bucket, work_dir, events, items, sizes, raw })
            }
            _ => Err(faults.0),
        }
    }
}

/// The faults found so far, one sentence each, beginning with the key.
struct Faults(Vec<String>);

impl Faults {
    fn add(&mut self, key: &str, what: impl AsRef<str>) {
        self.0.push(format!("{key}: {}", what.as_ref()));
    }

    fn positive(&mut self, key: &str, value: f64) {
        if !(value.is_finite() && value > 0.0) {
            self.add(key, format!("{value} must be positive"));
        }
    }

    fn at_least_one(&mut self, key: &str, value: u64) {
        if value == 0 {
            self.add(key, "must be at least 1");
        }
    }

    fn share(&mut self, key: &str, value: f64) {
        if !(0.0..=1.0).contains(&value) {
            self.add(key, format!("{value} must be between 0 and 1"));
        }
    }

    fn place(&mut self, key: &str, text: &str) -> Option<Url> {
        parse_url(text).map_err(|fault| self.add(key, fault)).ok()
    }

    fn items(&mut self, items: &ItemsSettings) -> Option<ItemSource> {
        match (&items.read, &items.build) {
            (Some(table), _) => Some(ItemSource::Read(self.place("items.read", table)?)),
            (None, Some(build)) => {
                for fault in build.features.faults() {
                    self.0.push(format!("items.build.features.{fault}"));
                }
                let text = match &build.text {
                    None => None,
                    Some(text) => {
                        Some((self.place("items.build.text.path", &text.path)?, text.columns.clone()))
                    }
                };
                Some(ItemSource::Build { options: Box::new(build.features.clone()), text })
            }
            (None, None) => {
                self.add("items", "set `read` (a table of features) or `build`");
                None
            }
        }
    }

    fn sizes(&mut self, raw: &RawConfig) -> Option<Sizes> {
        let model = &raw.model;
        self.at_least_one("model.look_back_days", model.look_back_days.into());
        if let Some(bag) = model.history_bag {
            self.positive("model.history_bag.half_life_days", bag.half_life_days);
        }
        let Some(mut sizes) = dayvec_model::preset(&model.preset) else {
            self.add("model.preset", format!("`{}` must be tiny, small or paper", model.preset));
            return None;
        };
        let replacements = [
            ("max_len", model.max_len, &mut sizes.max_len),
            ("n_layers", model.n_layers, &mut sizes.n_layers),
            ("hidden_dim", model.hidden_dim, &mut sizes.hidden_dim),
            ("n_heads", model.n_heads, &mut sizes.n_heads),
            ("dim", model.dim, &mut sizes.dim),
            ("item_hidden_dim", model.item_hidden_dim, &mut sizes.item_hidden_dim),
        ];
        for (key, replacement, size) in replacements {
            if let Some(replacement) = replacement {
                self.at_least_one(&format!("model.{key}"), replacement as u64);
                *size = replacement;
            }
        }
        for (replacement, size) in [
            (raw.negatives.random, &mut sizes.negatives.random),
            (raw.negatives.in_batch, &mut sizes.negatives.in_batch),
        ] {
            *size = replacement.unwrap_or(*size);
        }
        if sizes.negatives.random + sizes.negatives.in_batch == 0 {
            self.add(
                "negatives",
                "random and in_batch must not both be 0; without negatives there is nothing to learn",
            );
        }
        if sizes.n_heads > 0 && sizes.hidden_dim % sizes.n_heads != 0 {
            let (heads, hidden) = (sizes.n_heads, sizes.hidden_dim);
            self.add(
                "model.n_heads",
                format!("hidden_dim {hidden} must be a multiple of the number of heads, {heads}"),
            );
        }
        Some(sizes)
    }

    fn events(&mut self, events: &EventsSettings) {
        for fault in events.schema.faults() {
            self.0.push(format!("events.schema.{fault}"));
        }
        if events.earliest > events.latest {
            self.add(
                "events.earliest",
                format!("{} must not be after `latest`, {}", events.earliest, events.latest),
            );
        }
        self.share("events.max_bad_share", events.max_bad_share);
    }

    fn training(&mut self, raw: &RawConfig) {
        self.at_least_one("batch.users", raw.batch.users as u64);
        self.at_least_one("batch.positions_per_user", raw.batch.positions_per_user as u64);
        let Correction { negatives, positives } = raw.negatives.correction;
        if negatives == NegativeCorrection::Off && positives != PositiveCorrection::Off {
            self.add(
                "negatives.correction.positives",
                "must be off where `negatives` is: positives alone can't be corrected",
            );
        }
        self.positive("optimizer.learning_rate", raw.optimizer.learning_rate);
        self.positive("optimizer.clip", raw.optimizer.clip);
        self.share("optimizer.warm_up_share", raw.optimizer.warm_up_share);
        self.share("optimizer.weight_decay", raw.optimizer.weight_decay);
        if !(0.0..1.0).contains(&raw.optimizer.dropout) {
            self.add(
                "optimizer.dropout",
                format!("{} must be at least 0 and below 1", raw.optimizer.dropout),
            );
        }
        self.share("batch.newest_share", raw.batch.newest_share);
        for beta in raw.optimizer.betas {
            if !(0.0..1.0).contains(&beta) {
                self.add("optimizer.betas", format!("{beta} must be at least 0 and below 1"));
            }
        }
        self.at_least_one("run.steps", raw.run.steps);
        self.at_least_one("run.checkpoint_steps", raw.run.checkpoint_steps);
        if raw.run.checkpoint_every.is_zero() {
            self.add("run.checkpoint_every", "must be positive; write it like 5m");
        }
        if let Err(fault) = dayvec_model::check_objective(&raw.objective, &raw.events.schema) {
            self.0.push(fault.to_string());
        }
    }
}

/// The part of a model spec that only the data knows.
#[derive(Debug, Clone)]
pub struct DataFacts {
    /// Surfaces of the training window.
    pub surfaces: Vec<String>,
    /// Whether the log has durations.
    pub duration: bool,
    /// Version of the item features.
    pub items_version: String,
    /// Their width.
    pub item_dim: usize,
    /// How many items they have.
    pub n_items: usize,
}

impl Config {
    /// The spec of the model that this configuration trains, without names.
    #[must_use]
    pub fn spec(&self, facts: DataFacts) -> ModelSpec {
        let model = &self.raw.model;
        let mut spec = ModelSpec {
            format_version: dayvec_core::MODEL_FORMAT_VERSION,
            model_id: String::new(),
            tower_pair_id: String::new(),
            events: self.schema().clone(),
            surfaces: facts.surfaces,
            duration: facts.duration,
            max_len: 0,
            look_back_days: model.look_back_days,
            items_version: facts.items_version,
            item_dim: facts.item_dim,
            n_items: facts.n_items,
            n_layers: 0,
            hidden_dim: 0,
            n_heads: 0,
            dim: 0,
            item_hidden_dim: 0,
            action_dim: 0,
            surface_dim: 0,
            item_id_dim: model.item_id_dim,
            history_bag: model.history_bag,
            left_out: model.left_out.clone(),
            objective: self.raw.objective.clone(),
        };
        self.sizes.apply(&mut spec);
        spec
    }

    /// How events are read.
    #[must_use]
    pub const fn schema(&self) -> &EventSchema {
        &self.raw.events.schema
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shipped() -> RawConfig {
        Config::load(None).unwrap().raw
    }

    fn load(yaml: &str) -> Config {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), yaml).unwrap();
        Config::load(Some(file.path())).unwrap()
    }

    #[test]
    fn what_a_file_leaves_out_is_as_shipped() {
        let mut expected = shipped();
        assert_eq!(load("").raw, expected);
        expected.run.steps = 7;
        expected.events.schema.columns.item_id = "sku".into();
        let partial = load("run: {steps: 7}\nevents: {schema: {columns: {item_id: sku}}}\n");
        assert_eq!(partial.raw, expected);
    }

    #[test]
    fn another_objective_takes_no_setting_of_the_shipped_one() {
        let config = load("objective: {name: next_action}");
        assert_eq!(config.raw.objective, dayvec_core::Objective::named("next_action"));
        let settings = [("objective.name", "next_action")].map(|(key, value)| (key.into(), value.into()));
        let replaced = load("").with_settings(&settings.into()).unwrap();
        assert_eq!(replaced.raw.objective, config.raw.objective);
        let config = load("objective: {window_days: 7}");
        let expected = dayvec_core::Objective::named("dense_all_action").with("window_days", 7);
        assert_eq!(config.raw.objective, expected);
    }

    #[test]
    fn a_table_of_item_features_is_read_and_none_are_built() {
        assert!(matches!(load("").items, ItemSource::Build { .. }));
        let config = load("items: {read: ./features.parquet}");
        assert!(matches!(config.items, ItemSource::Read(url) if url.path().ends_with("features.parquet")));
    }

    #[test]
    fn every_fault_is_reported_at_once() {
        let mut raw = RawConfig { bucket: String::new(), ..shipped() };
        raw.model.preset = "huge".into();
        raw.run.steps = 0;
        raw.optimizer.learning_rate = f64::NAN;
        raw.items.build = None;
        raw.events.schema.actions.clear();
        let faults = Config::try_from(raw).unwrap_err();
        let keys = [
            "bucket:",
            "model.preset:",
            "run.steps:",
            "optimizer.learning_rate:",
            "items:",
            "events.schema.",
        ];
        for key in keys {
            assert!(faults.iter().any(|fault| fault.starts_with(key)), "{key} is missing from {faults:#?}");
        }
    }

    #[test]
    fn sizes_replace_the_presets() {
        let mut raw = shipped();
        raw.model.max_len = Some(32);
        let config = Config::try_from(raw.clone()).unwrap();
        assert_eq!((config.sizes.max_len, config.sizes.n_layers), (32, 2));
        raw.model.n_heads = Some(5);
        let faults = Config::try_from(raw).unwrap_err();
        assert!(faults[0].contains("a multiple of"), "{faults:?}");
    }
}
