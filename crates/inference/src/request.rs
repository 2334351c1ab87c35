//! What a run is asked for, beside the settings.

use dayvec_core::{Day, Shard};

use crate::config::ModelChoice;

/// What a run is asked for, beside the settings.
#[derive(Debug, Clone)]
pub struct DailyRequest {
    /// The day to run for: the only clock.
    pub day: Day,
    /// The model, where it is not the one in the settings.
    pub model: Option<ModelChoice>,
    /// Announce although a gate failed or a later day is announced.
    pub force: bool,
    /// Start from the whole log and encode every user.
    pub full: bool,
    /// This worker's share of the run.
    pub share: Shard,
}

impl DailyRequest {
    /// A plain run for `day`.
    #[must_use]
    pub const fn new(day: Day) -> Self {
        Self { day, model: None, force: false, full: false, share: Shard::WHOLE }
    }
}
