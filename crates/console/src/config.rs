//! Settings of the status page: `config/console.yaml` and its checks.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use dayvec_bucket::parse_url;
use dayvec_runtime::config::{self, ConfigError, duration};
use serde::{Deserialize, Serialize};
use url::Url;

/// The shipped settings, which are the defaults.
pub const SHIPPED: &str = include_str!("../../../config/console.yaml");

/// Checked settings.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Config {
    /// The bucket that is shown.
    pub bucket: Url,
    /// The address of the page.
    pub listen: SocketAddr,
    /// The address of `/metrics`, `/livez` and `/readyz`.
    pub admin_listen: SocketAddr,
    /// Who may see the page; everyone without it.
    pub tokens_file: Option<PathBuf>,
    /// The token for calls to the lookups and the trainer.
    pub token_file: Option<PathBuf>,
    /// The lookup replicas.
    pub lookups: Vec<LookupAddress>,
    /// The trainer service.
    pub trainer: Option<Url>,
    /// `/metrics` of `inference schedule`.
    pub inference_metrics: Option<Url>,
    /// How long a service may take to answer.
    #[serde(with = "duration")]
    pub timeout: Duration,
    /// How long the bucket may take to answer.
    #[serde(with = "duration")]
    pub bucket_timeout: Duration,
    /// How many announcements, models and training runs are shown.
    pub show_runs: usize,
    /// Largest object that is read into memory.
    pub max_read_bytes: u64,
}

/// The addresses of a lookup replica.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LookupAddress {
    /// Its name on the page.
    pub name: String,
    /// Its gRPC address.
    pub grpc: Url,
    /// Its `/metrics`.
    pub metrics: Option<Url>,
}

/// Settings as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    bucket: String,
    listen: String,
    admin_listen: String,
    tokens_file: Option<PathBuf>,
    token_file: Option<PathBuf>,
    lookups: Vec<RawLookup>,
    trainer: Option<String>,
    inference_metrics: Option<String>,
    #[serde(with = "duration")]
    timeout: Duration,
    #[serde(with = "duration")]
    bucket_timeout: Duration,
    show_runs: usize,
    max_read_bytes: u64,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLookup {
    name: String,
    grpc: String,
    metrics: Option<String>,
}

impl Config {
    /// Read `file`, or the shipped settings, and the environment.
    ///
    /// # Errors
    /// [`ConfigError::Faults`] with every fault.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        config::load::<Raw, Self>(file, SHIPPED)
    }
}

impl TryFrom<Raw> for Config {
    type Error = Vec<String>;

    fn try_from(raw: Raw) -> Result<Self, Vec<String>> {
        let mut faults = Faults::default();
        let bucket = faults.take("bucket", parse_url(&raw.bucket));
        let listen = faults.take("listen", address(&raw.listen));
        let admin_listen = faults.take("admin_listen", address(&raw.admin_listen));
        let lookups = faults.lookups(raw.lookups);
        let trainer = raw.trainer.and_then(|url| faults.take("trainer", http(&url, &["http"])));
        let inference_metrics = raw
            .inference_metrics
            .and_then(|url| faults.take("inference_metrics", http(&url, &["http", "https"])));
        for (key, is_zero) in [
            ("timeout", raw.timeout.is_zero()),
            ("bucket_timeout", raw.bucket_timeout.is_zero()),
            ("show_runs", raw.show_runs == 0),
            ("max_read_bytes", raw.max_read_bytes == 0),
        ] {
            if is_zero {
                faults.0.push(format!("{key}: must be positive"));
            }
        }
        let (Some(bucket), Some(listen), Some(admin_listen), true) =
            (bucket, listen, admin_listen, faults.0.is_empty())
        else {
            return Err(faults.0);
        };
        let Raw { tokens_file, token_file, timeout, bucket_timeout, show_runs, max_read_bytes, .. } = raw;
        Ok(Self {
            bucket,
            listen,
            admin_listen,
            tokens_file,
            token_file,
            lookups,
            trainer,
            inference_metrics,
            timeout,
            bucket_timeout,
            show_runs,
            max_read_bytes,
        })
    }
}

/// The faults found so far.
#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn take<T>(&mut self, key: &str, value: Result<T, String>) -> Option<T> {
        value.map_err(|fault| self.0.push(format!("{key}: {fault}"))).ok()
    }

    fn lookups(&mut self, raw: Vec<RawLookup>) -> Vec<LookupAddress> {
        let mut names = BTreeSet::new();
        let mut lookups = Vec::with_capacity(raw.len());
        for (at, RawLookup { name, grpc, metrics }) in raw.into_iter().enumerate() {
            if name.trim().is_empty() {
                self.0.push(format!("lookups[{at}].name: is empty; give the replica a name"));
            } else if !names.insert(name.clone()) {
                self.0.push(format!("lookups[{at}].name: `{name}` is used twice"));
            }
            let grpc = self.take(&format!("lookups[{at}].grpc"), http(&grpc, &["http"]));
            let metrics = metrics
                .and_then(|url| self.take(&format!("lookups[{at}].metrics"), http(&url, &["http", "https"])));
            lookups.extend(grpc.map(|grpc| LookupAddress { name, grpc, metrics }));
        }
        lookups
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("`{text}` is not an address with a port, such as 127.0.0.1:8080"))
}

fn http(text: &str, schemes: &[&str]) -> Result<Url, String> {
    let url = Url::parse(text).ok().filter(|url| schemes.contains(&url.scheme()) && url.has_host());
    let forms = schemes.iter().map(|scheme| format!("{scheme}://HOST:PORT")).collect::<Vec<_>>();
    url.ok_or_else(|| format!("`{text}` is not an address; write {}", forms.join(" or ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_settings_are_valid() {
        let config = Config::load(None).unwrap();
        assert!(
            config.listen.ip().is_loopback() && config.tokens_file.is_none(),
            "the page shows what users did: by default only this machine sees it"
        );
        assert_eq!(config.lookups.len(), 1);
        assert_eq!((config.trainer, config.inference_metrics), (None, None));
    }

    #[test]
    fn all_faults_are_reported_at_once() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let wrong = SHIPPED
            .replace("bucket: ./bucket", "bucket: ''")
            .replace("127.0.0.1:8080", "8080")
            .replace("grpc: http://127.0.0.1:50051", "grpc: 127.0.0.1:50051")
            .replace("name: lookup", "name: ' '")
            .replace("metrics: http://127.0.0.1:9102/metrics", "metrics: ftp://127.0.0.1/metrics")
            .replace("trainer: null", "trainer: https://trainer:1")
            .replace("show_runs: 14", "show_runs: 0")
            .replace("timeout: 2s", "timeout: soon");
        std::fs::write(file.path(), wrong).unwrap();
        let message = Config::load(Some(file.path())).unwrap_err().to_string();
        for fault in [
            "bucket:",
            "listen:",
            "lookups[0].grpc:",
            "lookups[0].name:",
            "lookups[0].metrics: `ftp://127.0.0.1/metrics` is not an address; write http://HOST:PORT or https://HOST:PORT",
            "trainer:",
            "show_runs:",
            "timeout: `soon`",
        ] {
            assert!(message.contains(fault), "{fault} is missing from\n{message}");
        }
    }

    #[test]
    fn two_replicas_have_two_names() {
        let metrics = || Some("https://a/metrics".into());
        let one = || RawLookup { name: "a".into(), grpc: "http://a:1".into(), metrics: metrics() };
        let mut faults = Faults::default();
        assert_eq!(faults.lookups(vec![one(), one()]).len(), 2);
        assert_eq!(faults.0, ["lookups[1].name: `a` is used twice"]);
    }
}
