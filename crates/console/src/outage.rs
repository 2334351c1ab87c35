//! A place that could not be read, in the words of the page: which, why, and what to do.

use std::error::Error;

/// Why a part of the page is missing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {reason}")]
pub(crate) struct Outage {
    /// What was asked.
    pub(crate) place: String,
    /// What went wrong, with what to do about it.
    pub(crate) reason: String,
}

impl Outage {
    /// The failure of `place`, with its causes; one that its parent's text already tells is not told twice.
    pub(crate) fn new(place: impl Into<String>, error: &dyn Error) -> Self {
        let mut reason = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            let text = error.to_string();
            if !reason.contains(&text) {
                reason.push_str(": ");
                reason.push_str(&text);
            }
            cause = error.source();
        }
        Self { place: place.into(), reason }
    }

    /// A failure that is a sentence already.
    pub(crate) fn said(place: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { place: place.into(), reason: reason.into() }
    }
}
