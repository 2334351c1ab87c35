//! The log on its way into a run: the files of its days, read as sequences.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use dayvec_core::{Day, EventSchema, FaultKind, Sequences};
use dayvec_runtime::fault::{OrFault as _, WithFault as _};
use dayvec_sequences::log::{EventLog, LogFiles};
use dayvec_sequences::{Keep, ReadOptions, ReadSummary, SequenceBuilder, SequencesError};
use url::Url;

/// Days of events that a run reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DaysToRead {
    /// First day, or `None` for the beginning of the log.
    pub(crate) from: Option<Day>,
    /// Last day.
    pub(crate) to: Day,
}

impl DaysToRead {
    fn days(self) -> RangeInclusive<Day> {
        self.from.unwrap_or(Day::of_timestamp(0))..=self.to
    }
}

/// The log's files of `span`, fetched where they are remote; none where a run that starts from a state finds none.
pub(crate) async fn files(log: &Url, span: DaysToRead, scratch: &Path) -> anyhow::Result<LogFiles> {
    let fetch = async { EventLog::at(log)?.fetch(Some(span.days()), scratch).await };
    match fetch.await {
        Err(SequencesError::NoFiles { newest_day, .. }) if span.from.is_some() => {
            Ok(LogFiles { paths: Vec::new(), newest_day })
        }
        found => found.or_fault().with_context(|| format!("find the log's files in {log}")),
    }
}

/// What a run reads of the log.
pub(crate) struct NewEvents {
    /// Actions of the span, per user.
    pub(crate) sequences: Sequences,
    /// What was read, and what was bad about it; `None` when there was no file.
    pub(crate) report: Option<ReadSummary>,
    /// The last day that the log is known to reach.
    reaches: Option<Day>,
}

impl NewEvents {
    /// Refuse a day that the log has not reached: its snapshot would carry every user, and then stand in the way of the
    /// days before it. A quiet day in the middle of a log is fine.
    pub(crate) fn check_reach(&self, day: Day) -> anyhow::Result<()> {
        if self.reaches.is_some_and(|last| last >= day) {
            let newest = self.sequences.actions.timestamp.iter().max();
            if newest.is_none_or(|&newest| Day::of_timestamp(newest) < day) {
                tracing::warn!(
                    %day,
                    "the log has later days, but no event of this one: its events are missing, or nothing happened; what \
                     arrives within late_days is taken up by the runs of the next days"
                );
            }
            return Ok(());
        }
        let found = match self.reaches {
            Some(last) => format!("it ends on {last}"),
            None => "it has no events for these days".to_owned(),
        };
        let error = anyhow::anyhow!(
            "the log has no event of {day} or later: {found}. Run again when the day's events have arrived, or use \
             --force to publish {day} without them"
        );
        Err(error).fault(FaultKind::Unavailable)
    }
}

/// How to read.
pub(crate) struct EventReader<'a> {
    pub(crate) schema: &'a EventSchema,
    pub(crate) span: DaysToRead,
    /// Actions to keep of each user.
    pub(crate) depth: usize,
    pub(crate) max_bad_share: f64,
    pub(crate) quarantine: PathBuf,
}

impl EventReader<'_> {
    /// Read `files`.
    pub(crate) fn read(self, files: &LogFiles) -> anyhow::Result<NewEvents> {
        let nothing = || NewEvents {
            sequences: Sequences { offsets: vec![0], ..Sequences::default() },
            report: None,
            reaches: files.newest_day,
        };
        if files.paths.is_empty() {
            return Ok(nothing());
        }
        let options = ReadOptions {
            from_s: self.span.days().start().start_s(),
            until_s: self.span.to.end_s(),
            max_bad_share: self.max_bad_share,
            quarantine: Some(self.quarantine),
        };
        let mut builder = SequenceBuilder::new(self.schema, options).or_fault()?;
        let finished = builder
            .push_files(&files.paths)
            .and_then(|()| builder.finish(Keep { newest: Some(self.depth), look_back_days: None }));
        match finished {
            Err(SequencesError::EmptyLog { .. }) if self.span.from.is_some() => Ok(nothing()),
            finished => {
                let (sequences, report) = finished.or_fault().context("read the log")?;
                let reaches = files.newest_day.max(report.newest_s.map(Day::of_timestamp));
                Ok(NewEvents { sequences, report: Some(report), reaches })
            }
        }
    }
}

/// Rows of the users of each bucket.
pub(crate) fn partition(sequences: &Sequences, n_buckets: u32) -> Vec<Vec<usize>> {
    let mut buckets = vec![Vec::new(); n_buckets as usize];
    for (user, id) in sequences.users.iter().enumerate() {
        buckets[dayvec_core::bucket_of(id, n_buckets) as usize].push(user);
    }
    buckets
}
