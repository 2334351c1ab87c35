//! The daily run's settings: what the YAML says, made usable, with all faults found at once.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use dayvec_bucket::parse_url;
use dayvec_runtime::config::{self, ConfigError, duration};
use dayvec_snapshot::ElementType;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::cron::Cron;
use crate::gates::GateLimits;

/// The shipped file: the defaults.
pub const DEFAULTS: &str = include_str!("../../../config/inference.yaml");

/// Settings of a run, checked.
#[derive(Debug, Clone, Serialize)]
pub struct Config {
    /// Where checkpoints are read, and state and snapshots written.
    pub bucket: Url,
    /// The log: a file or a folder.
    pub events: Url,
    /// The model to run.
    pub model: ModelChoice,
    /// Buckets of users.
    pub n_buckets: NonZeroU32,
    /// Users that are encoded together, about.
    pub wave_users: u32,
    /// Precision of the published embeddings.
    pub element_type: ElementType,
    /// Days before the day of the run that are read again.
    pub late_days: u32,
    /// Local scratch space.
    pub work_dir: PathBuf,
    /// Share of bad rows above which the log is refused.
    pub max_bad_share: f64,
    /// No other run publishes into this bucket.
    pub single_publisher: bool,
    /// CPU threads of the model, 0 for every core.
    pub threads: u32,
    /// What a snapshot must satisfy.
    pub gates: GateLimits,
    /// When days are run, by `schedule`.
    pub schedule: Schedule,
}

/// When days are run.
#[derive(Debug, Clone, Serialize)]
pub struct Schedule {
    /// The firings; each is for the day before it.
    pub cron: Cron,
    /// Run a day as soon as the log is past it, instead of by cron.
    pub follow_log: bool,
    /// How often the log is looked at, and the first wait before a retry.
    #[serde(with = "duration")]
    pub poll: Duration,
    /// Days that are run at most to catch up.
    pub catch_up_days: u32,
    /// Where `/metrics`, `/livez` and `/readyz` are answered.
    pub admin_listen: SocketAddr,
}

/// Which checkpoint to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum ModelChoice {
    /// The one that was promoted last; where nothing was ever promoted, as `newest`.
    Serving,
    /// The one that was promoted last; a run waits for the first.
    Promoted,
    /// The one that was written last.
    Newest,
    /// The one with this id.
    Id(String),
}

impl From<String> for ModelChoice {
    fn from(text: String) -> Self {
        match text.as_str() {
            "serving" => Self::Serving,
            "promoted" => Self::Promoted,
            "newest" => Self::Newest,
            _ => Self::Id(text),
        }
    }
}

impl From<ModelChoice> for String {
    fn from(choice: ModelChoice) -> Self {
        match choice {
            ModelChoice::Serving => "serving".into(),
            ModelChoice::Promoted => "promoted".into(),
            ModelChoice::Newest => "newest".into(),
            ModelChoice::Id(id) => id,
        }
    }
}

/// Settings as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    bucket: String,
    events: String,
    model: ModelChoice,
    n_buckets: u32,
    wave_users: u32,
    element_type: String,
    late_days: u32,
    work_dir: PathBuf,
    max_bad_share: f64,
    single_publisher: bool,
    threads: u32,
    gates: GateLimits,
    schedule: RawSchedule,
}

/// The schedule as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSchedule {
    cron: String,
    follow_log: bool,
    #[serde(with = "duration")]
    poll: Duration,
    catch_up_days: u32,
    admin_listen: String,
}

impl RawSchedule {
    fn check(self, faults: &mut Vec<String>) -> Option<Schedule> {
        let cron = self.cron.parse().map_err(|fault| faults.push(format!("schedule.cron: {fault}")));
        let admin_listen = self.admin_listen.parse().map_err(|_| {
            let text = &self.admin_listen;
            faults.push(format!(
                "schedule.admin_listen: `{text}` is not an address with a port, for example 0.0.0.0:9103"
            ));
        });
        if self.poll.is_zero() {
            faults.push("schedule.poll: must be positive".into());
        }
        if self.catch_up_days == 0 {
            faults.push("schedule.catch_up_days: must be at least 1 (the day itself)".into());
        }
        let Self { follow_log, poll, catch_up_days, .. } = self;
        Some(Schedule { cron: cron.ok()?, follow_log, poll, catch_up_days, admin_listen: admin_listen.ok()? })
    }
}

impl Config {
    /// Settings from `file`, or the shipped defaults, with the environment's overrides.
    ///
    /// # Errors
    /// Every fault of the file, one a line.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        config::load::<Raw, Self>(file, DEFAULTS)
    }
}

impl TryFrom<Raw> for Config {
    type Error = Vec<String>;

    fn try_from(raw: Raw) -> Result<Self, Self::Error> {
        let mut faults = raw.gates.faults();
        let mut url = |name: &str, text: &str| {
            parse_url(text).map_err(|error| faults.push(format!("{name}: {error}"))).ok()
        };
        let (bucket, events) = (url("bucket", &raw.bucket), url("events", &raw.events));
        let n_buckets = NonZeroU32::new(raw.n_buckets).filter(|n| n.get() <= 10_000);
        if n_buckets.is_none() {
            faults.push(format!("n_buckets: {} is not between 1 and 10000", raw.n_buckets));
        }
        let element_type = match raw.element_type.as_str() {
            "f32" => Some(ElementType::F32),
            "f16" => Some(ElementType::F16),
            other => {
                faults.push(format!("element_type: `{other}` is neither f32 nor f16"));
                None
            }
        };
        if raw.wave_users == 0 {
            faults.push("wave_users: must be at least 1".into());
        }
        if !(0.0..=1.0).contains(&raw.max_bad_share) {
            faults.push(format!("max_bad_share: {} is not a share between 0 and 1", raw.max_bad_share));
        }
        if raw.late_days > 366 {
            faults.push(format!("late_days: {} is too many; at most 366 days are read again", raw.late_days));
        }
        if raw.model == ModelChoice::Id(String::new()) {
            faults.push("model: empty; write `serving`, `promoted`, `newest` or a model id".into());
        }
        let schedule = raw.schedule.check(&mut faults);
        match (bucket, events, n_buckets, element_type, schedule) {
            (Some(bucket), Some(events), Some(n_buckets), Some(element_type), Some(schedule))
                if faults.is_empty() =>
            {
                Ok(Self {
                    bucket,
                    events,
                    model: raw.model,
                    n_buckets,
                    wave_users: raw.wave_users,
                    element_type,
                    late_days: raw.late_days,
                    work_dir: raw.work_dir,
                    max_bad_share: raw.max_bad_share,
                    single_publisher: raw.single_publisher,
                    threads: raw.threads,
                    gates: raw.gates,
                    schedule,
                })
            }
            _ => Err(faults),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(yaml: &str) -> Result<Config, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("inference.yaml");
        std::fs::write(&file, yaml).unwrap();
        Config::load(Some(&file))
    }

    #[test]
    fn what_a_file_leaves_out_is_as_shipped() {
        let shipped = Config::load(None).unwrap();
        let partial = load("late_days: 3\ngates: {min_compared: 9}\nschedule: {poll: 5s}\n").unwrap();
        assert_eq!((partial.late_days, partial.schedule.poll.as_secs()), (3, 5));
        let limits = GateLimits { min_compared: 9, ..shipped.gates };
        assert_eq!(
            (partial.gates, partial.n_buckets, partial.bucket),
            (limits, shipped.n_buckets, shipped.bucket)
        );
    }

    #[test]
    fn all_faults_are_reported_at_once() {
        let yaml = DEFAULTS
            .replace("n_buckets: 16", "n_buckets: 0")
            .replace("element_type: f32", "element_type: int4")
            .replace("min_rows_ratio: 0.99", "min_rows_ratio: 3")
            .replace("0 3 * * *", "0 30 * * *");
        let message = load(&yaml).unwrap_err().to_string();
        for fault in
            ["n_buckets: 0", "element_type: `int4`", "gates.min_rows_ratio: 3", "schedule.cron: `0 30 * * *`"]
        {
            assert!(message.contains(fault), "{fault} is not in: {message}");
        }
    }
}
