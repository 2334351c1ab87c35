//! A search for better settings, on the window before the test window.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use dayvec_core::FaultKind;
use dayvec_runtime::config::to_yaml;
use dayvec_runtime::fault::WithFault as _;
use serde::Deserialize;
use serde_yaml::{Mapping, Value};
use tokio_util::sync::CancellationToken;

use super::record::{RecordFile, TrialRecord};
use super::search::{Choices, Settings, search};
use super::trial::{Trials, config_hash, read_yaml};
use crate::config::Config;

/// The file of the best settings, in the folder of a search.
pub(crate) const BEST: &str = "best.yaml";

/// What to try, as it is written in YAML; `config/tune.yaml` is one.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Space {
    /// Name of its folder of results.
    pub name: String,
    /// What is maximised: `seen_allowed` or `seen_filtered`, the recall of all users.
    pub maximise: Column,
    /// Seeds that every candidate is trained with; their mean counts.
    pub seeds: Vec<u64>,
    /// Values to try by setting (`run.steps`), in the order of the turns.
    pub settings: Mapping,
}

/// A column of the table of scorers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Column {
    /// Items that the user already acted upon may be retrieved.
    SeenAllowed,
    /// They may not.
    SeenFiltered,
}

impl Column {
    fn of(self, record: &TrialRecord) -> f64 {
        let metrics = &record.all_users;
        let retrieval = match self {
            Self::SeenAllowed => &metrics.seen_allowed,
            Self::SeenFiltered => &metrics.seen_filtered,
        };
        retrieval.recall.micro.value
    }
}

impl Space {
    /// Read a file.
    ///
    /// # Errors
    /// When it can't be read or declares nothing to try: configuration.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let space: Self = read_yaml(path)?;
        let faults: Vec<&str> = [
            (space.seeds.is_empty(), "seeds: must not be empty"),
            (space.settings.is_empty(), "settings: must not be empty"),
            (
                space.name.is_empty() || space.name.contains(['/', '\\', '.']),
                "name: must be the name of a folder",
            ),
        ]
        .into_iter()
        .filter_map(|(is_wrong, fault)| is_wrong.then_some(fault))
        .collect();
        if !faults.is_empty() {
            return Err(anyhow!("{}: {}", path.display(), faults.join("; "))).fault(FaultKind::Configuration);
        }
        space.choices().with_context(|| path.display().to_string())?;
        Ok(space)
    }

    /// Check every value over `base`.
    ///
    /// # Errors
    /// The faults of all values at once.
    pub fn check(&self, base: &Config) -> anyhow::Result<()> {
        let mut faults = Vec::new();
        for (name, values) in self.choices()? {
            for value in values {
                let settings = Settings::from([(name.clone(), value)]);
                faults.extend(base.with_settings(&settings).err().map(|error| error.to_string()));
            }
        }
        if faults.is_empty() {
            Ok(())
        } else {
            Err(anyhow!(faults.join("\n"))).fault(FaultKind::Configuration)
        }
    }

    fn choices(&self) -> anyhow::Result<Choices> {
        let choice = |(name, values): (&Value, &Value)| {
            let name = name.as_str().ok_or_else(|| anyhow!("settings: {name:?} must be a dotted name"))?;
            let values = values
                .as_sequence()
                .filter(|values| !values.is_empty())
                .ok_or_else(|| anyhow!("settings.{name}: must be a list of values to try"))?;
            let texts = values.iter().map(|value| to_yaml(value).trim().to_owned()).collect();
            anyhow::Ok((name.to_owned(), texts))
        };
        self.settings.iter().map(choice).collect::<anyhow::Result<_>>().fault(FaultKind::Configuration)
    }
}

/// What a search found.
#[derive(Debug)]
pub struct Tuned {
    /// The best settings, by dotted name; empty when the configuration's own were best.
    pub best: BTreeMap<String, String>,
    /// Their figure on the earlier window, and that of the configuration as it is.
    pub recall: f64,
    /// Recall of the configuration as it is.
    pub recall_before: f64,
    /// All candidates, best first: Markdown.
    pub table: String,
    /// `best.yaml`, to use as a configuration file; `table.md` and `runs.jsonl` lie beside it.
    pub path: PathBuf,
    /// Whether the search ended by itself, not by its budget.
    pub complete: bool,
}

/// Search within `budget`; trials that were done before cost none of it. `None` when stopped before the first trial was
/// done; the same command goes on.
///
/// # Errors
/// Faults of the declared settings before anything is trained; then those of trainings.
pub fn tune(
    space: &Space,
    trials: &Trials,
    budget: Duration,
    shutdown: &CancellationToken,
) -> anyhow::Result<Option<Tuned>> {
    let choices = space.choices()?;
    space.check(&trials.config)?;
    let folder = trials.config.work_dir.join("trials").join(&space.name);
    let mut file = RecordFile::open(&folder)?;
    let started = Instant::now();
    let mut candidates: Vec<(Settings, Vec<f64>)> = Vec::new();
    let mut complete = true;
    let found = search(&choices, &mut |settings| -> anyhow::Result<Option<f64>> {
        let mut figures = Vec::new();
        for &seed in &space.seeds {
            let mut config = trials.config.with_settings(settings).fault(FaultKind::Configuration)?;
            config.raw.run.seed = seed;
            let hash = config_hash(&config);
            if let Some(done) = file.records.iter().find(|it| it.is_of(seed, &hash, &trials.hashes)) {
                figures.push(space.maximise.of(done));
                continue;
            }
            if started.elapsed() >= budget || shutdown.is_cancelled() {
                complete = false;
                return Ok(None);
            }
            let name = describe(settings);
            tracing::info!(settings = name, seed, elapsed_s = started.elapsed().as_secs(), "trial");
            let report = trials.run(&config, shutdown).with_context(|| format!("{name}, seed {seed}"))?;
            let Some(report) = report else {
                complete = false;
                return Ok(None);
            };
            let record = TrialRecord::new((&name, seed), hash, &trials.hashes, &report, None)?;
            figures.push(space.maximise.of(&record));
            file.append(record)?;
        }
        let mean = figures.iter().sum::<f64>() / figures.len() as f64;
        candidates.push((settings.clone(), figures));
        Ok(Some(mean))
    })?;
    let Some((best, recall)) = found else { return Ok(None) };
    let recall_before = candidates.first().map_or(recall, |(_, figures)| mean(figures));
    let table = table(space, trials, &mut candidates);
    let path = folder.join(BEST);
    for (path, content) in [(folder.join("table.md"), &table), (path.clone(), &best_yaml(&best))] {
        fs::write(&path, content).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(Some(Tuned { best, recall, recall_before, table, path, complete }))
}

fn mean(figures: &[f64]) -> f64 {
    figures.iter().sum::<f64>() / figures.len() as f64
}

fn describe(settings: &Settings) -> String {
    if settings.is_empty() {
        return "as configured".to_owned();
    }
    settings.iter().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>().join(", ")
}

fn table(space: &Space, trials: &Trials, candidates: &mut [(Settings, Vec<f64>)]) -> String {
    candidates.sort_by(|a, b| mean(&b.1).total_cmp(&mean(&a.1)));
    let split = &trials.config.raw.split;
    let cut_off = split.cut_off.map_or_else(String::new, |day| day.to_string());
    let column = if space.maximise == Column::SeenAllowed { "Recall@10" } else { "unseen Recall@10" };
    let mut text = format!(
        "# {}: {} candidates on the {} days from {cut_off}\n\n| settings | {column} | by seed |\n|---|---|---|\n",
        space.name,
        candidates.len(),
        split.test_days
    );
    for (settings, figures) in candidates.iter() {
        let by_seed: Vec<String> = figures.iter().map(|figure| format!("{figure:.4}")).collect();
        text.push_str(&format!(
            "| {} | {:.4} | {} |\n",
            describe(settings),
            mean(figures),
            by_seed.join(" ")
        ));
    }
    text
}

/// The settings as a configuration file: `run.steps: 300` becomes `run: {steps: 300}`.
fn best_yaml(best: &Settings) -> String {
    let mut root = Mapping::new();
    for (name, text) in best {
        let value: Value = serde_yaml::from_str(text).unwrap_or_else(|_| Value::String(text.clone()));
        let mut place = &mut root;
        let (sections, setting) = name.rsplit_once('.').unwrap_or(("", name));
        for section in sections.split('.').filter(|section| !section.is_empty()) {
            let inner = place.entry(section.into()).or_insert_with(|| Value::Mapping(Mapping::new()));
            let Value::Mapping(inner) = inner else { unreachable!("no setting is a section as well") };
            place = inner;
        }
        place.insert(setting.into(), value);
    }
    if root.is_empty() { "# The configuration as it is was best.\n".to_owned() } else { to_yaml(&root) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_settings_are_a_configuration_file() {
        let best: Settings = [
            ("run.steps", "300"),
            ("objective.window_days", "14"),
            ("model.history_bag", "{half_life_days: 40}"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let yaml = best_yaml(&best);
        let read: Value = serde_yaml::from_str(&yaml).unwrap();
        assert_eq!(read["run"]["steps"], 300);
        assert_eq!(read["objective"]["window_days"], 14);
        assert_eq!(read["model"]["history_bag"]["half_life_days"], 40);
        assert!(best_yaml(&Settings::new()).starts_with('#'));
    }
}
