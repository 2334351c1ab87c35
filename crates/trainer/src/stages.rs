//! How long each stage of a run took.

use std::collections::BTreeMap;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::told::{Told, Watcher};

/// Seconds by stage.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stages(BTreeMap<String, f64>);

impl Stages {
    /// Run a stage and note its time, also when it fails.
    pub fn time<T>(&mut self, stage: &'static str, tell: Watcher<'_>, work: impl FnOnce() -> T) -> T {
        tracing::info!(stage, "begins");
        tell(Told::Stage(stage));
        let started = Instant::now();
        let result = work();
        self.add(stage, started.elapsed().as_secs_f64());
        result
    }

    /// Note seconds of a stage.
    pub fn add(&mut self, stage: &str, seconds: f64) {
        *self.0.entry(stage.to_owned()).or_default() += (seconds * 1000.0).round() / 1000.0;
    }

    /// Stage and seconds, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, f64)> {
        self.0.iter().map(|(stage, &seconds)| (stage.as_str(), seconds))
    }
}
