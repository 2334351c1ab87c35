//! The configuration of a training: `config/trainer.yaml` but for the section `service`, checked before anything starts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use dayvec_core::{Day, EventSchema, ModelSpec};
use dayvec_model::Sizes;
use dayvec_runtime::config::{self, ConfigError, UserFile};
use serde::{Serialize, Serializer};
use serde_yaml::Mapping;
use url::Url;

mod checks;
mod raw;
mod source;

pub use raw::{
    BatchSettings, BuildItemsSettings, EvaluationSettings, EventsSettings, ItemTextSettings, ItemsSettings,
    ModelSettings, NegativesSettings, OptimizerSettings, PartWidths, PartsSettings, PinnerSageSettings,
    PromotionSettings, RawConfig, RunSettings, SplitProtocol, SplitSettings,
};
pub use source::ItemSource;

use checks::Faults;

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
    /// Parts to choose from; without any, an embedding is the tower's.
    pub parts: Vec<PartWidths>,
}

/// As it is written: [`RawConfig`].
impl Serialize for Config {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.raw.serialize(to)
    }
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
        let parts = faults.parts(&raw);
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
        if !(-1.0..=1.0).contains(&raw.promotion.min_mean_cosine) {
            let fault = format!("{} must be between -1 and 1", raw.promotion.min_mean_cosine);
            faults.add("promotion.min_mean_cosine", fault);
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
                Ok(Self { bucket, work_dir, events, items, sizes, parts, raw })
            }
            _ => Err(faults.0),
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
            parts: None,
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
