//! Scheduled retraining: by the days of the log, not by the clock, so it follows a replayed log like a live one.

use anyhow::Context as _;
use dayvec_core::Day;
use dayvec_runtime::fault::OrFault as _;
use dayvec_sequences::log::EventLog;
use url::Url;

/// The newest whole day of a log of day folders; `None` where there is none yet. Folders before `known`, a day that is
/// whole, are not listed.
pub(crate) async fn newest_whole_day(log: &Url, known: Option<Day>) -> anyhow::Result<Option<Day>> {
    let found = async { EventLog::at(log)?.newest_whole_day(known).await };
    found.await.or_fault().with_context(|| format!("look for new days in {log}"))
}

/// Whether the log has grown enough since the last scheduled request; the first is always due.
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
