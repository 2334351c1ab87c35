//! What can go wrong with a bucket, by what the caller can do about it.

use std::path::{Path, PathBuf};

use url::Url;

/// A bucket could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BucketError {
    /// The URL, or what the environment says about its store, cannot be used: fix the configuration.
    #[error("`{url}` cannot be opened as a bucket: {reason}")]
    BadUrl {
        /// The URL as given.
        url: String,
        /// What is wrong, and what to write instead.
        reason: String,
    },
    /// The text is not a key: segments between single slashes, none of them empty, `.` or `..`.
    #[error("`{key}` is not a key: write segments between single slashes, none of them empty, `.` or `..`")]
    BadKey {
        /// The key as given.
        key: String,
    },
    /// No such object.
    #[error("there is no `{key}` in {url}")]
    NotFound {
        /// The bucket.
        url: String,
        /// The key.
        key: String,
    },
    /// An object with other bytes has the key already; it was left as it is.
    #[error("`{key}` is in {url} already, with other bytes; nothing in a bucket is ever overwritten")]
    AlreadyThere {
        /// The bucket.
        url: String,
        /// The key.
        key: String,
    },
    /// The store refuses this caller: fix credentials or permissions.
    #[error("{url} does not let this program {action} `{key}`; {advice}")]
    Denied {
        /// The bucket.
        url: String,
        /// What was asked for: `read`, `write`, `list`, `delete`.
        action: &'static str,
        /// The key or prefix.
        key: String,
        /// What to check.
        advice: &'static str,
        /// What the store said.
        #[source]
        source: Box<object_store::Error>,
    },
    /// The store does not answer or fails: check it, then run again.
    #[error("cannot {action} `{key}` in {url}; {advice}")]
    Unreachable {
        /// The bucket.
        url: String,
        /// What was asked for: `read`, `write`, `list`, `delete`.
        action: &'static str,
        /// The key or prefix.
        key: String,
        /// What to check.
        advice: &'static str,
        /// What the store, or the way to it, said.
        #[source]
        source: Box<object_store::Error>,
    },
    /// The store accepts two creates of one key, so two publishers could undo each other.
    #[error(
        "{url} accepts a second create-if-absent of one key (If-None-Match is ignored, as Garage does), so two \
         publishers could overwrite each other; use a store that honours it, or set `single_publisher: true` if \
         there is only ever one"
    )]
    CreateNotHonoured {
        /// The bucket.
        url: String,
    },
    /// A file on this machine, not the bucket, failed.
    #[error("cannot {action} {path}; check that the folder exists, is writable and has free space", path = path.display())]
    LocalFile {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

impl BucketError {
    /// Whether the error says that there is no such object.
    #[must_use]
    pub const fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }

    pub(crate) fn local(action: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self::LocalFile { action, path: path.to_owned(), source }
    }

    /// Name what failed in words of the caller.
    pub(crate) fn of_store(url: &Url, action: &'static str, key: &str, source: object_store::Error) -> Self {
        use object_store::Error;
        let (url_text, key) = (url.to_string(), key.to_owned());
        match source {
            Error::NotFound { .. } => Self::NotFound { url: url_text, key },
            Error::AlreadyExists { .. } => Self::AlreadyThere { url: url_text, key },
            Error::InvalidPath { .. } => Self::BadKey { key },
            Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
                Self::Denied { url: url_text, action, key, advice: advice(url), source: Box::new(source) }
            }
            _ => Self::Unreachable {
                url: url_text,
                action,
                key,
                advice: advice(url),
                source: Box::new(source),
            },
        }
    }
}

/// What to check first when a store of this kind fails.
fn advice(url: &Url) -> &'static str {
    match url.scheme() {
        "file" => "check that the folder is readable and writable and that the disk has space",
        "s3" | "s3a" => {
            "check the URL, the network, AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        }
        "gs" => "check the URL, the network and GOOGLE_APPLICATION_CREDENTIALS",
        "memory" => "this is a fault of the program",
        _ => "check the URL, the network, AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
    }
}
