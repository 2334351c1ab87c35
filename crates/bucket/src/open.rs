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
    let store: object_store::Result<Arc<dyn ObjectStore>> = match scheme {
        ObjectStoreScheme::Local => Ok(Arc::new(LocalFileSystem::new().with_fsync(true))),
        ObjectStoreScheme::Memory => Ok(Arc::new(InMemory::new())),
        ObjectStoreScheme::AmazonS3 => {
            check_endpoint(&options).map_err(bad)?;
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

/// Refuse plain HTTP here: the store's own error comes late and is not clear.
fn check_endpoint(options: &Options) -> Result<(), String> {
    let allowed = options
        .iter()
        .any(|(name, value)| name == "AWS_ALLOW_HTTP" && matches!(value.as_str(), "true" | "1"));
    match options
        .iter()
        .find(|(name, value)| name.starts_with("AWS_ENDPOINT") && value.starts_with("http://"))
    {
        Some((name, value)) if !allowed => {
            Err(format!("{name} is {value}, which is not https; set AWS_ALLOW_HTTP=true to allow that"))
        }
        _ => Ok(()),
    }
}

fn retry() -> RetryConfig {
    let backoff = BackoffConfig { max_backoff: Duration::from_secs(2), ..BackoffConfig::default() };
    RetryConfig { backoff, max_retries: 8, retry_timeout: RETRY_FOR }
}

fn client() -> ClientOptions {
    ClientOptions::new().with_config(ClientConfigKey::ConnectTimeout, CONNECT_TIMEOUT)
}
