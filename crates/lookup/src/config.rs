//! Settings of the service: `config/lookup.yaml` and its checks.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use dayvec_bucket::parse_url;
use dayvec_core::Shard;
use dayvec_runtime::config::{self, ConfigError, duration};
use dayvec_runtime::service::ClientLimits;
use serde::{Deserialize, Serialize};
use url::Url;

/// The shipped settings, which are the defaults.
pub const SHIPPED: &str = include_str!("../../../config/lookup.yaml");

/// Checked settings.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Config {
    /// The bucket whose newest announced snapshot is served.
    pub bucket: Url,
    /// Address of the gRPC port.
    pub listen: SocketAddr,
    /// Address of the admin port: `/metrics`, `/livez` and `/readyz`.
    pub admin_listen: SocketAddr,
    /// Folder of the index files; each process needs its own.
    pub cache_dir: PathBuf,
    /// Which users are served.
    pub shard: Shard,
    /// Who may call; without it, any client.
    pub tokens_file: Option<PathBuf>,
    /// How often announcements are read.
    pub refresh: Refresh,
    /// Limits on requests and connections.
    pub limits: Limits,
    /// How the process shuts down.
    pub drain: Drain,
}

/// How often announcements are read.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refresh {
    /// Mean time between two reads.
    #[serde(with = "duration")]
    pub interval: Duration,
    /// Largest deviation from it, as a share.
    pub jitter: f64,
}

/// Limits on requests and connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Keys of a batch.
    pub max_batch_keys: usize,
    /// Bytes of an id.
    pub max_id_bytes: usize,
    /// Bytes of a request.
    pub max_request_bytes: usize,
    /// Bytes of a reply.
    pub max_reply_bytes: usize,
    /// Bytes of a call's metadata.
    pub max_metadata_bytes: u32,
    /// Bytes of requests under way and of replies that were not taken, of all connections; one may have an eighth.
    pub max_buffered_bytes: usize,
    /// Time after which a connection that takes nothing of what is ready for it is closed.
    #[serde(with = "duration")]
    pub stalled_after: Duration,
    /// Time until the reply to a call begins.
    #[serde(with = "duration")]
    pub call_timeout: Duration,
    /// Connections at once.
    pub max_connections: usize,
    /// Calls at once on one connection.
    pub max_concurrent_streams: u32,
    /// Age at which a connection is asked to end.
    #[serde(with = "duration")]
    pub max_connection_age: Duration,
}

impl Limits {
    /// What the transport enforces.
    pub(crate) const fn of_clients(&self) -> ClientLimits {
        ClientLimits {
            max_connections: self.max_connections,
            max_metadata_bytes: self.max_metadata_bytes,
            max_request_bytes: self.max_request_bytes,
            max_buffered_bytes: self.max_buffered_bytes,
            stalled_after: self.stalled_after,
            call_timeout: Some(self.call_timeout),
        }
    }

    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (key, value) in [
            ("max_batch_keys", self.max_batch_keys),
            ("max_id_bytes", self.max_id_bytes),
            ("max_request_bytes", self.max_request_bytes),
            ("max_reply_bytes", self.max_reply_bytes),
            ("max_metadata_bytes", self.max_metadata_bytes as usize),
            ("max_buffered_bytes", self.max_buffered_bytes),
            ("max_connections", self.max_connections),
            ("max_concurrent_streams", self.max_concurrent_streams as usize),
        ] {
            if value == 0 {
                faults.push(format!("limits.{key}: must be at least 1"));
            }
        }
        for (key, value) in [
            ("stalled_after", self.stalled_after),
            ("call_timeout", self.call_timeout),
            ("max_connection_age", self.max_connection_age),
        ] {
            if value.is_zero() {
                faults.push(format!("limits.{key}: must be positive"));
            }
        }
        faults
    }
}

/// How the process shuts down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drain {
    /// How long health says NOT_SERVING before connections are closed.
    #[serde(with = "duration")]
    pub notice: Duration,
    /// How long calls in progress may take after that.
    #[serde(with = "duration")]
    pub deadline: Duration,
}

/// Settings as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    bucket: String,
    listen: String,
    admin_listen: String,
    cache_dir: PathBuf,
    shard: String,
    tokens_file: Option<PathBuf>,
    refresh: Refresh,
    limits: Limits,
    drain: Drain,
}

impl Config {
    /// Read the shipped settings, `file` over them, and the environment over both.
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
        let mut faults = Vec::new();
        let bucket = parse_url(&raw.bucket).map_err(|fault| faults.push(format!("bucket: {fault}")));
        let shard = raw.shard.parse::<Shard>().map_err(|fault| faults.push(format!("shard: {fault}")));
        let mut address = |key: &str, text: &str| {
            text.parse::<SocketAddr>().map_err(|_| {
                faults.push(format!(
                    "{key}: `{text}` is not an address with a port, for example 0.0.0.0:50051"
                ));
            })
        };
        let listen = address("listen", &raw.listen);
        let admin_listen = address("admin_listen", &raw.admin_listen);
        if raw.cache_dir.as_os_str().is_empty() {
            faults.push("cache_dir: must not be empty; name a folder".to_owned());
        }
        if raw.refresh.interval.is_zero() {
            faults.push("refresh.interval: must be positive".to_owned());
        }
        if !(0.0..1.0).contains(&raw.refresh.jitter) {
            faults.push(format!("refresh.jitter: {} must be at least 0 and below 1", raw.refresh.jitter));
        }
        faults.extend(raw.limits.faults());
        let (Ok(bucket), Ok(shard), Ok(listen), Ok(admin_listen), true) =
            (bucket, shard, listen, admin_listen, faults.is_empty())
        else {
            return Err(faults);
        };
        let Raw { cache_dir, tokens_file, refresh, limits, drain, .. } = raw;
        Ok(Self { bucket, listen, admin_listen, cache_dir, shard, tokens_file, refresh, limits, drain })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<Config, ConfigError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Config::load(Some(file.path()))
    }

    #[test]
    fn a_file_holds_only_what_differs() {
        let shipped = Config::load(None).unwrap();
        assert_eq!((shipped.limits.max_batch_keys, shipped.bucket.scheme()), (1000, "file"));
        let config = load("limits: {max_batch_keys: 7}\nshard: 1/4\n").unwrap();
        assert_eq!((config.limits.max_batch_keys, config.shard.to_string()), (7, "1/4".to_owned()));
        assert_eq!(config.limits.max_id_bytes, shipped.limits.max_id_bytes);
        assert_eq!(config.refresh, shipped.refresh);
    }

    #[test]
    fn all_faults_are_reported_at_once() {
        let wrong =
            "bucket: ''\nlisten: 50051\nrefresh: {jitter: 2, interval: soon}\nlimits: {max_batch_keys: 0}\n";
        let message = load(wrong).unwrap_err().to_string();
        for fault in
            ["bucket:", "listen:", "refresh.jitter:", "limits.max_batch_keys:", "refresh.interval: `soon`"]
        {
            assert!(message.contains(fault), "{fault} is missing from\n{message}");
        }
    }
}
