//! Scheduled retraining: by the log's days, not by the clock, so a replayed log is followed as a live one is.

use anyhow::Context as _;
use dayvec_core::Day;
use dayvec_runtime::{Exit, OrExit as _};
use dayvec_sequences::SequencesError;
use dayvec_sequences::log::EventLog;
use url::Url;

use crate::store::told;

/// The newest whole day of a log of day folders; `None` where there is none yet. What lies before `known`, a day that is
/// whole, is not listed.
pub(crate) async fn newest_whole_day(log: &Url, known: Option<Day>) -> anyhow::Result<Option<Day>> {
    let found = async { EventLog::at(log)?.newest_whole_day(known).await };
    match found.await {
        Err(SequencesError::Bucket(error)) => told(Err(error), || format!("list the log {log}")),
        found => found.or_exit(Exit::BadData),
    }
    .context("look for new days")
}

/// Whether the log has grown enough since a run was last asked for; a first run always is.
pub(crate) fn is_due(log_day: Day, last: Option<Day>, every_days: u32) -> bool {
    last.is_none_or(|last| log_day.days_since(last) >= i32::try_from(every_days).unwrap_or(i32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_due_when_the_log_has_grown_by_enough_days() {
        let day = |text: &str| text.parse::<Day>().unwrap();
        assert!(is_due(day("2024-03-10"), None, 7));
        assert!(!is_due(day("2024-03-10"), Some(day("2024-03-04")), 7));
        assert!(is_due(day("2024-03-11"), Some(day("2024-03-04")), 7));
    }
}
