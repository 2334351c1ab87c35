//! What can go wrong with a bucket, by what the caller can do about it.

use std::path::{Path, PathBuf};

use dayvec_core::{Fault, FaultKind};
use rustix::io::Errno;
use url::Url;

use crate::local_create::errno_of;

/// A bucket operation failed.
#[expect(missing_docs, reason = "the fields are what the message says")]
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BucketError {
    /// The URL, or what the environment says about its store, cannot be used: fix the configuration.
    #[error("cannot open `{url}` as a bucket: {reason}")]
    BadUrl { url: String, reason: String },
    /// The text is not a key.
    #[error(
        "`{key}` is not a valid key: segments are separated by single slashes and must not be empty, `.` or `..`"
    )]
    BadKey { key: String },
    /// The object does not exist.
    #[error("`{key}` does not exist in {url}")]
    NotFound { url: String, key: String },
    /// An object with other bytes has the key already; it was left as it is.
    #[error(
        "`{key}` already exists in {url} with different content; objects in a bucket are never overwritten"
    )]
    AlreadyThere { url: String, key: String },
    /// A record of a log is not what was written: restore it from a copy.
    #[error("`{key}` in {url} is damaged: {reason}; restore it from a backup")]
    Damaged { url: String, key: String, reason: String },
    /// The store refuses this caller: fix credentials or permissions. `action` is a bare verb.
    #[error("permission denied: cannot {action} `{key}` in {url}; {advice}")]
    Denied {
        url: String,
        action: &'static str,
        key: String,
        advice: &'static str,
        #[source]
        source: Box<object_store::Error>,
    },
    /// The store does not answer, or fails: check it, then run again. `action` is a bare verb.
    #[error("cannot {action} `{key}` in {url}; {advice}")]
    Unreachable {
        url: String,
        action: &'static str,
        key: String,
        advice: &'static str,
        #[source]
        source: Box<object_store::Error>,
    },
    /// The store accepts two creates of one key, so two publishers could overwrite each other.
    #[error(
        "{url} does not support create-if-absent: it accepted a second create of the same key (it ignores \
         If-None-Match, as Garage does), so two publishers could overwrite each other; use a store that supports it, \
         or set `single_publisher: true` if there is only ever one publisher"
    )]
    CreateNotHonoured { url: String },
    /// The file system can neither link nor rename without replacing, so two publishers could overwrite each other.
    #[error(
        "{url} is on a file system without hard links, and without renames that refuse to replace, so two publishers \
         could overwrite each other; use another file system or an object store, or set `single_publisher: true` if \
         there is only ever one publisher"
    )]
    NoHardLinks { url: String },
    /// A file on this machine, not the bucket, failed. `action` is a bare verb.
    #[error("cannot {action} {path}; check that the folder exists, is writable and has free space", path = path.display())]
    LocalFile {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

impl Fault for BucketError {
    fn kind(&self) -> FaultKind {
        match self {
            Self::BadUrl { .. }
            | Self::BadKey { .. }
            | Self::Denied { .. }
            | Self::CreateNotHonoured { .. }
            | Self::NoHardLinks { .. } => FaultKind::Configuration,
            Self::NotFound { .. } | Self::AlreadyThere { .. } | Self::Damaged { .. } => FaultKind::Data,
            Self::Unreachable { .. } | Self::LocalFile { .. } => FaultKind::Unavailable,
        }
    }
}

impl BucketError {
    /// Whether the error means that the object does not exist.
    #[must_use]
    pub const fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }

    /// Whether the store refuses this caller.
    #[must_use]
    pub const fn is_denied(&self) -> bool {
        matches!(self, Self::Denied { .. })
    }

    /// Whether the error is one of the object that was asked for, so that another object may well be readable: it is
    /// damaged, it is not there, or it alone is refused.
    #[must_use]
    pub const fn is_of_one_object(&self) -> bool {
        matches!(
            self,
            Self::NotFound { .. } | Self::BadKey { .. } | Self::Damaged { .. } | Self::Denied { .. }
        )
    }

    pub(crate) fn local(action: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self::LocalFile { action, path: path.to_owned(), source }
    }

    /// Translate an error of the store.
    pub(crate) fn of_store(url: &Url, action: &'static str, key: &str, source: object_store::Error) -> Self {
        use object_store::Error;
        let (url_text, key) = (url.to_string(), key.to_owned());
        match source {
            Error::NotFound { .. } => Self::NotFound { url: url_text, key },
            Error::InvalidPath { .. } => Self::BadKey { key },
            source if is_denial(&source) => {
                Self::Denied { url: url_text, action, key, advice: advice(url), source: Box::new(source) }
            }
            source => Self::Unreachable {
                url: url_text,
                action,
                key,
                advice: advice(url),
                source: Box::new(source),
            },
        }
    }
}

/// Whether the store answered 401 or 403, or the file system as much.
///
/// `object_store` gives reads and writes an error of their own for that, and a listing only [`Generic`], whose type of
/// source is private to it; the answer's status then stands in the source's text alone.
///
/// [`Generic`]: object_store::Error::Generic
fn is_denial(error: &object_store::Error) -> bool {
    use object_store::Error;
    match error {
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => true,
        Error::Generic { source, .. } => {
            if errno_of(source.as_ref()) == Some(Errno::ACCESS) {
                return true;
            }
            let text = source.to_string();
            ["401", "403"].iter().any(|status| text.contains(&format!("status code: {status} ")))
        }
        _ => false,
    }
}

/// What to check first when a store of this kind fails.
pub(crate) fn advice(url: &Url) -> &'static str {
    match url.scheme() {
        "file" => "check that the folder is readable and writable and that the disk has space",
        "s3" | "s3a" => {
            "check the URL, the network, AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY \
             (without a key, the role of the machine is tried)"
        }
        "gs" => "check the URL, the network and GOOGLE_APPLICATION_CREDENTIALS",
        "memory" => "this is a bug in dayvec",
        _ => "check the URL, the network, AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_credentials_are_configuration_and_an_outage_is_not() {
        use object_store::Error;
        let url: Url = "s3://bucket".parse().unwrap();
        let (path, store) = (|| "k".to_owned(), "S3");
        let kind = |source| BucketError::of_store(&url, "read", "k", source).kind();
        let denied = Error::PermissionDenied { path: path(), source: "403".into() };
        assert_eq!(kind(denied), FaultKind::Configuration);
        let unknown = Error::Unauthenticated { path: path(), source: "401".into() };
        assert_eq!(kind(unknown), FaultKind::Configuration);
        assert_eq!(kind(Error::NotFound { path: path(), source: "404".into() }), FaultKind::Data);
        assert_eq!(kind(Error::Generic { store, source: "503".into() }), FaultKind::Unavailable);
        let conflict = Error::AlreadyExists { path: path(), source: "409".into() };
        assert_eq!(kind(conflict), FaultKind::Unavailable, "another request is under way");
        let unreadable = std::io::Error::from(Errno::ACCESS);
        assert_eq!(kind(Error::Generic { store, source: unreadable.into() }), FaultKind::Configuration);
    }
}
