//! From a URL and the environment to a store.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::client::{ClientConfigKey, ClientOptions};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{BackoffConfig, ObjectStore, ObjectStoreScheme, RetryConfig};
use url::Url;

use crate::error::advice;
use crate::{BucketError, location};

/// Requests are retried for this long; with one more connection attempt, a missing endpoint is reported within ten
/// seconds.
const RETRY_FOR: Duration = Duration::from_secs(5);
const CONNECT_TIMEOUT: &str = "3s";

type Options = Vec<(String, String)>;

/// The store of a URL, and the prefix inside it.
pub(crate) fn open(url: &Url, options: Options) -> Result<(Arc<dyn ObjectStore>, Path), BucketError> {
    let bad = |reason: String| BucketError::BadUrl { url: url.to_string(), reason };
    let (scheme, path) = location::scheme(url).map_err(bad)?;
    // An empty variable is as good as none, as for the stores' own tools: templates leave them behind.
    let options: Options = options.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    if !matches!(scheme, ObjectStoreScheme::Local | ObjectStoreScheme::Memory) {
        check_addresses(&options).map_err(bad)?;
    }
    let store: object_store::Result<Arc<dyn ObjectStore>> = match scheme {
        ObjectStoreScheme::Local => Ok(Arc::new(LocalFileSystem::new().with_fsync(true))),
        ObjectStoreScheme::Memory => Ok(Arc::new(InMemory::new())),
        ObjectStoreScheme::AmazonS3 => {
            let mut builder = AmazonS3Builder::new().with_url(url.as_str()).with_retry(retry());
            for (key, value) in options_of::<AmazonS3ConfigKey>("AWS_", options) {
                builder = builder.with_config(key, value);
            }
            let key = AmazonS3ConfigKey::Client(ClientConfigKey::ConnectTimeout);
            builder.with_config(key, CONNECT_TIMEOUT).build().map(|store| Arc::new(store) as _)
        }
        ObjectStoreScheme::GoogleCloudStorage => {
            let mut builder = GoogleCloudStorageBuilder::new().with_url(url.as_str()).with_retry(retry());
            for (key, value) in options_of::<GoogleConfigKey>("GOOGLE_", options) {
                builder = builder.with_config(key, value);
            }
            builder.with_client_options(client()).build().map(|store| Arc::new(store) as _)
        }
        ObjectStoreScheme::MicrosoftAzure => {
            let mut builder = MicrosoftAzureBuilder::new().with_url(url.as_str()).with_retry(retry());
            for (key, value) in options_of::<AzureConfigKey>("AZURE_", options) {
                builder = builder.with_config(key, value);
            }
            let key = AzureConfigKey::Client(ClientConfigKey::ConnectTimeout);
            builder.with_config(key, CONNECT_TIMEOUT).build().map(|store| Arc::new(store) as _)
        }
        _ => return Err(bad("this kind of store is not supported".into())),
    };
    Ok((store.map_err(|error| bad(format!("{error}; {}", advice(url))))?, path))
}

/// The options that a store knows, of those whose names have its prefix.
fn options_of<K: FromStr>(prefix: &str, options: Options) -> impl Iterator<Item = (K, String)> {
    options
        .into_iter()
        .filter(move |(name, _)| name.starts_with(prefix))
        .filter_map(|(name, value)| Some((name.to_ascii_lowercase().parse().ok()?, value)))
}

/// Variables that hold the address of a server. The stores take them as they are: what is no URL ends the program at the
/// first request.
const ADDRESSES: [&str; 8] = [
    "AWS_ENDPOINT",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_METADATA_ENDPOINT",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AZURE_STORAGE_ENDPOINT",
    "AZURE_ENDPOINT",
    "AZURE_MSI_ENDPOINT",
];

/// Refuse an address that is no URL, and plain HTTP to a store: its own errors come late and are not clear.
fn check_addresses(options: &Options) -> Result<(), String> {
    let allows_http = |prefix: &str| {
        let name = format!("{prefix}ALLOW_HTTP");
        options.iter().any(|(given, value)| *given == name && matches!(value.as_str(), "true" | "1"))
    };
    for (name, value) in options.iter().filter(|(name, _)| ADDRESSES.contains(&name.as_str())) {
        let url = Url::parse(value).ok().filter(|url| url.has_host());
        let Some(url) = url.filter(|url| matches!(url.scheme(), "http" | "https")) else {
            return Err(format!(
                "{name} is `{value}`, which is not a URL; write https://{value}, or http://{value}"
            ));
        };
        let Some(prefix) =
            ["AWS_", "AZURE_"].into_iter().find(|prefix| name.starts_with(&format!("{prefix}ENDPOINT")))
        else {
            continue;
        };
        if url.scheme() == "http" && !allows_http(prefix) {
            return Err(format!(
                "{name} is {value}, which is not https; set {prefix}ALLOW_HTTP=true to allow that"
            ));
        }
    }
    Ok(())
}

fn retry() -> RetryConfig {
    let backoff = BackoffConfig { max_backoff: Duration::from_secs(2), ..BackoffConfig::default() };
    RetryConfig { backoff, max_retries: 8, retry_timeout: RETRY_FOR }
}

fn client() -> ClientOptions {
    ClientOptions::new().with_config(ClientConfigKey::ConnectTimeout, CONNECT_TIMEOUT)
}
