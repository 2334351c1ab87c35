//! `config/trainer.yaml`: the configuration of the training, and the section `service` of the program around it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use dayvec_experiment::{Config as ExperimentConfig, SHIPPED};
use dayvec_runtime::config::{self, ConfigError, UserFile, duration};
use serde::{Deserialize, Serialize, Serializer};

/// A valid configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// The training.
    pub experiment: ExperimentConfig,
    /// The service.
    pub service: ServiceSettings,
}

/// How `trainer serve` listens and when it trains by itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceSettings {
    /// Address of gRPC.
    pub listen: SocketAddr,
    /// Address of `/metrics`, `/livez` and `/readyz`.
    pub admin_listen: SocketAddr,
    /// The clients that may call; all without it.
    pub tokens_file: Option<PathBuf>,
    /// Train when the log has grown by this many whole days; 0 for never.
    pub retrain_every_days: u32,
    /// How often to look for new days.
    #[serde(with = "duration")]
    pub poll: Duration,
}

/// The part of the file that the training does not look at.
#[derive(Debug, Deserialize)]
struct RawSections {
    service: ServiceSettings,
}

impl TryFrom<RawSections> for ServiceSettings {
    type Error = Vec<String>;

    fn try_from(raw: RawSections) -> Result<Self, Vec<String>> {
        if raw.service.poll.is_zero() {
            return Err(vec!["service.poll: must be positive; write it like 60s".to_owned()]);
        }
        Ok(raw.service)
    }
}

impl Config {
    /// Read `file` over the shipped configuration, and the environment over both.
    ///
    /// # Errors
    /// All faults at once.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let file = UserFile::read(file)?;
        let service = config::load_over::<RawSections, ServiceSettings>(&file, SHIPPED);
        match (ExperimentConfig::load_over(&file), service) {
            (Ok(experiment), Ok(service)) => Ok(Self { experiment, service }),
            (
                Err(ConfigError::Faults { name, mut faults }),
                Err(ConfigError::Faults { faults: more, .. }),
            ) => {
                let more = more.into_iter().filter(|fault| !faults.contains(fault)).collect::<Vec<_>>();
                faults.extend(more);
                Err(ConfigError::Faults { name, faults })
            }
            (Err(error), _) | (_, Err(error)) => Err(error),
        }
    }
}

/// As it is written in the file.
impl Serialize for Config {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct File<'a> {
            #[serde(flatten)]
            experiment: &'a ExperimentConfig,
            service: &'a ServiceSettings,
        }
        File { experiment: &self.experiment, service: &self.service }.serialize(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_leaves_out_is_as_shipped() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("trainer.yaml");
        std::fs::write(&file, "service: {poll: 5s}\n").unwrap();
        let mut expected = Config::load(None).unwrap().service;
        expected.poll = Duration::from_secs(5);
        assert_eq!(Config::load(Some(&file)).unwrap().service, expected);
    }

    #[test]
    fn faults_of_both_parts_are_reported_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("trainer.yaml");
        std::fs::write(&file, "run: {steps: 0}\nservice: {poll: 0s}\nbuckte: x\n").unwrap();
        let message = Config::load(Some(&file)).unwrap_err().to_string();
        for fault in ["run.steps: must", "service.poll: must", "buckte: unknown", "has 3 faults"] {
            assert!(message.contains(fault), "{fault} is missing from {message}");
        }
    }
}
