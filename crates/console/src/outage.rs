//! A source that could not be read, as the page shows it: which one, why, and what to do.

use std::error::Error;

/// Why a part of the page is missing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{source_name}: {reason}")]
pub(crate) struct Outage {
    /// The source: an address, a bucket, a key.
    pub(crate) source_name: String,
    /// What went wrong, and what to do about it.
    pub(crate) reason: String,
}

impl Outage {
    pub(crate) fn new(source_name: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { source_name: source_name.into(), reason: reason.into() }
    }

    /// The reason is the error with its causes.
    pub(crate) fn from_error(source_name: impl Into<String>, error: &dyn Error) -> Self {
        Self::new(source_name, chain(error))
    }
}

/// An error with its causes; a cause that the text before already contains is left out.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let message = error.to_string();
        if !text.contains(&message) {
            text.push_str(": ");
            text.push_str(&message);
        }
        cause = error.source();
    }
    text
}
