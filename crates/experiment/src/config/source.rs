//! Where item features come from.

use dayvec_items::{BuildOptions, TextColumns};
use url::Url;

/// Where item features come from.
#[derive(Debug, Clone)]
pub enum ItemSource {
    /// The user's own table.
    Read(Url),
    /// Built from the events before the cut-off.
    Build {
        /// How.
        options: Box<BuildOptions>,
        /// Item text: where it is, and its columns.
        text: Option<(Url, TextColumns)>,
    },
}
