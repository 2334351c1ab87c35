//! The checks of a configuration: every fault is found, not only the first.

use dayvec_bucket::parse_url;
use dayvec_model::{Correction, NegativeCorrection, PositiveCorrection, Sizes};
use url::Url;

use super::raw::{EventsSettings, ItemsSettings, PartWidths, RawConfig};
use super::source::ItemSource;

/// Most numbers of an embedding.
const MOST_DIM: usize = 1024;

/// The parts of a preset. For minutes on a CPU, three that each win on some logs, as wide as the paper's embedding: what people
/// do again, what goes with what they did, and both. The others are the tower alone, as published.
fn preset_parts(preset: &str) -> Vec<PartWidths> {
    if preset != "small" {
        return Vec::new();
    }
    [[248, 0], [120, 128], [0, 248]]
        .map(|[memory, cooccurrence]| PartWidths { memory, cooccurrence, trend: 8 })
        .to_vec()
}

/// The faults found so far, one sentence each, beginning with the key.
pub(super) struct Faults(pub(super) Vec<String>);

impl Faults {
    pub(super) fn add(&mut self, key: &str, what: impl AsRef<str>) {
        self.0.push(format!("{key}: {}", what.as_ref()));
    }

    pub(super) fn positive(&mut self, key: &str, value: f64) {
        if !(value.is_finite() && value > 0.0) {
            self.add(key, format!("{value} must be positive"));
        }
    }

    pub(super) fn at_least_one(&mut self, key: &str, value: u64) {
        if value == 0 {
            self.add(key, "must be at least 1");
        }
    }

    pub(super) fn share(&mut self, key: &str, value: f64) {
        if !(0.0..=1.0).contains(&value) {
            self.add(key, format!("{value} must be between 0 and 1"));
        }
    }

    pub(super) fn place(&mut self, key: &str, text: &str) -> Option<Url> {
        parse_url(text).map_err(|fault| self.add(key, fault)).ok()
    }

    pub(super) fn items(&mut self, items: &ItemsSettings) -> Option<ItemSource> {
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

    pub(super) fn sizes(&mut self, raw: &RawConfig) -> Option<Sizes> {
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

    /// The parts to choose from.
    pub(super) fn parts(&mut self, raw: &RawConfig) -> Vec<PartWidths> {
        let parts = &raw.parts;
        self.at_least_one("parts.history_len", parts.history_len as u64);
        self.at_least_one("parts.rows", parts.rows as u64);
        if parts.softmax_steps + parts.recall_steps == 0 {
            self.add("parts", "softmax_steps and recall_steps must not both be 0");
        }
        if parts.unseen_weights.is_empty() {
            self.add("parts.unseen_weights", "must name at least one weight, for instance [0.1]");
        }
        if let Some(wrong) = parts.unseen_weights.iter().find(|weight| !(0.0..=100.0).contains(*weight)) {
            self.add("parts.unseen_weights", format!("{wrong} must be between 0 and 100"));
        }
        let candidates = parts.candidates.clone().unwrap_or_else(|| preset_parts(&raw.model.preset));
        for (place, candidate) in candidates.iter().enumerate() {
            if !(1..=MOST_DIM).contains(&candidate.dim()) {
                let fault = format!("the widths add up to {}; it must be 1 to {MOST_DIM}", candidate.dim());
                self.add(&format!("parts.candidates[{place}]"), fault);
            }
        }
        candidates
    }

    pub(super) fn events(&mut self, events: &EventsSettings) {
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

    pub(super) fn training(&mut self, raw: &RawConfig) {
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
