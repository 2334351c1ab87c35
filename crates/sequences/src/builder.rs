//! The reader: files in, sequences and a summary out.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dayvec_core::{EventSchema, Sequences};
use polars::prelude::DataFrame;

use crate::arrange::{Dictionaries, Keep, arrange};
use crate::bad_rows::{BadRowLimit, BadRows};
use crate::batch::{Batch, CheckedRows, RowStatus};
use crate::columns::{TimeScale, name};
use crate::error::{Result, SequencesError};
use crate::intern::FastInterner;
use crate::positive::Labels;
use crate::scan::Scan;
use crate::store::{EventRows, EventStore};
use crate::summary::ReadSummary;

/// What is read, and how many bad rows are tolerated.
#[derive(Debug, Clone)]
pub struct ReadOptions {
    /// First second (Unix time) of the events to take.
    pub from_s: i64,
    /// First second after them. Events outside are passed over; they are not bad rows.
    pub until_s: i64,
    /// The read fails when more than this share of all rows is bad; 0.01 is a sensible limit.
    pub max_bad_share: f64,
    /// Where examples of bad rows are written, as CSV, if there are any; `None` for nowhere.
    pub quarantine: Option<PathBuf>,
}

/// Reads event files into sequences; see the crate's documentation for order and duplicates.
pub struct SequenceBuilder {
    schema: EventSchema,
    options: ReadOptions,
    labels: Labels,
    users: FastInterner,
    items: FastInterner,
    store: EventStore,
    bad: BadRows,
    summary: ReadSummary,
    files: Vec<PathBuf>,
    /// The event column holds keys of a state file, not ids.
    raw_event_keys: bool,
    /// Optional columns that some file has.
    optional: BTreeSet<&'static str>,
    /// Empty lines of the file that is being read.
    blank: u64,
}

/// Where a batch is from.
struct BatchOrigin {
    path: Arc<Path>,
    scale: TimeScale,
    /// Row in the file of the batch's first row.
    first_row: u64,
    has_blank_lines: bool,
}

impl SequenceBuilder {
    /// A reader of events that look like `schema`.
    ///
    /// # Errors
    /// [`SequencesError::Schema`] with everything that is wrong with the schema itself.
    pub fn new(schema: &EventSchema, options: ReadOptions) -> Result<Self> {
        let faults = schema.faults();
        if !faults.is_empty() {
            return Err(SequencesError::Schema { faults });
        }
        Ok(Self {
            schema: schema.clone(),
            options,
            labels: Labels::new(schema),
            users: FastInterner::default(),
            items: FastInterner::default(),
            store: EventStore::default(),
            bad: BadRows::default(),
            summary: ReadSummary::default(),
            files: Vec::new(),
            raw_event_keys: false,
            optional: BTreeSet::new(),
            blank: 0,
        })
    }

    /// The reader of state files.
    pub(crate) fn of_state(schema: &EventSchema) -> Result<Self> {
        let everything =
            ReadOptions { from_s: i64::MIN, until_s: i64::MAX, max_bad_share: 0.0, quarantine: None };
        Ok(Self { raw_event_keys: true, ..Self::new(schema, everything)? })
    }

    /// Reads files, in this order, which is the order of the input where events have the same time.
    ///
    /// # Errors
    /// When a file cannot be read, lacks a column or has one of a wrong type. Bad rows are no error here.
    pub fn push_files(&mut self, files: &[PathBuf]) -> Result<()> {
        for path in files {
            let scan = Scan::open(&self.schema, path)?;
            let mut origin = BatchOrigin {
                path: path.as_path().into(),
                scale: scan.scale,
                first_row: 0,
                has_blank_lines: scan.has_blank_lines,
            };
            self.optional.extend(&scan.optional);
            scan.batches(|frame| {
                self.push_batch(&frame, &origin)?;
                origin.first_row += frame.height() as u64;
                Ok(())
            })?;
            self.summary.files += 1;
            self.summary.rows += origin.first_row - std::mem::take(&mut self.blank);
            self.files.push(path.clone());
            tracing::debug!(file = %path.display(), rows = origin.first_row, "read events");
        }
        Ok(())
    }

    /// The sequences of all that was read.
    ///
    /// # Errors
    /// [`SequencesError::EmptyLog`] when the files had no row (rows that are all outside the time range give no user,
    /// and no error), [`SequencesError::TooManyBadRows`] when the bad share passes the limit.
    pub fn finish(self, keep: Keep) -> Result<(Sequences, ReadSummary)> {
        if self.summary.rows == 0 {
            let (n_files, mut files) = (self.files.len(), self.files);
            files.truncate(3);
            return Err(SequencesError::EmptyLog { n_files, files });
        }
        self.warn_of_absent_columns();
        self.finish_any(keep)
    }

    /// A column that the schema names and that no file has is most often a slip.
    fn warn_of_absent_columns(&self) {
        let names = &self.schema.columns;
        let optional = [
            (name::SURFACE, &names.surface),
            (name::DURATION, &names.duration_s),
            (name::EVENT, &names.event_id),
        ];
        for (role, column) in optional {
            if let Some(column) = column.as_ref().filter(|_| !self.optional.contains(role)) {
                tracing::warn!(
                    setting = format!("events.schema.columns.{role}"),
                    column,
                    "no file has this column; set the setting to null if the log has none"
                );
            }
        }
    }

    /// The same, also of nothing.
    pub(crate) fn finish_any(self, keep: Keep) -> Result<(Sequences, ReadSummary)> {
        self.bad.judge(&BadRowLimit {
            rows: self.summary.rows,
            max_bad_share: self.options.max_bad_share,
            quarantine: self.options.quarantine.as_deref(),
            known_actions: &self.schema.actions,
            time_unit: self.schema.time_unit,
        })?;
        let dictionaries = Dictionaries {
            users: self.users.into_interner().into_ids(),
            items: self.items.into_interner(),
            surfaces: self.labels.into_surfaces(),
        };
        let (sequences, dropped) = arrange(self.store, dictionaries, keep);
        let summary = ReadSummary {
            kept: sequences.n_actions() as u64,
            duplicates: dropped.duplicates,
            beyond_keep: dropped.beyond_keep,
            bad: self.bad.into_counts(),
            ..self.summary
        };
        Ok((sequences, summary))
    }

    fn push_batch(&mut self, frame: &DataFrame, origin: &BatchOrigin) -> Result<()> {
        let batch = Batch::of(frame).ok_or_else(|| SequencesError::Polars {
            action: "read",
            path: origin.path.to_path_buf(),
            source: polars::error::PolarsError::SchemaMismatch(
                "a batch lacks a column that was asked for".into(),
            ),
        })?;
        let range_s = (self.options.from_s, self.options.until_s);
        let mut checked = batch.check(origin.scale, range_s, &self.labels);
        if origin.has_blank_lines {
            batch.find_blank_lines(&mut checked.statuses);
            let blank = checked.statuses.iter().filter(|status| **status == RowStatus::Blank).count() as u64;
            self.blank += blank;
        }
        let statuses = checked.statuses.as_slice();
        batch.note_bad(statuses, &mut self.bad, &origin.path, origin.first_row);
        let (users, items, labels) = (&mut self.users, &mut self.items, &mut self.labels);
        let raw = self.raw_event_keys;
        let (user, rest) = rayon::join(
            || batch.user.intern(statuses, users),
            || {
                let item = batch.item.intern(statuses, items);
                let event =
                    batch.event.as_ref().map_or(Vec::new(), |events| events.event_keys(statuses, raw));
                let surface = batch.surfaces(statuses, labels)?;
                Some(EventRows {
                    item,
                    event,
                    surface,
                    duration_s: batch.durations(statuses),
                    ..EventRows::default()
                })
            },
        );
        let mut rows = rest.ok_or_else(|| SequencesError::TooManySurfaces {
            path: origin.path.to_path_buf(),
            column: self.schema.columns.surface.clone().unwrap_or_default(),
        })?;
        rows.user = user;
        self.complete(&mut rows, checked);
        self.store.push(&rows, self.users.ids());
        Ok(())
    }

    /// Time, action and label of the good rows; counts the others.
    fn complete(&mut self, rows: &mut EventRows, checked: CheckedRows) {
        let CheckedRows { statuses, mut timestamp, mut action_type } = checked;
        let plausible = timestamp
            .iter()
            .zip(&statuses)
            .filter(|(_, status)| matches!(status, RowStatus::Good | RowStatus::Outside));
        self.summary.newest_s = self.summary.newest_s.max(plausible.map(|(&at, _)| at).max());
        if rows.user.len() < statuses.len() {
            self.summary.outside_range +=
                statuses.iter().filter(|status| **status == RowStatus::Outside).count() as u64;
            retain_good(&mut timestamp, &statuses);
            retain_good(&mut action_type, &statuses);
        }
        let summary = &mut self.summary;
        summary.first_s = summary.first_s.into_iter().chain(timestamp.iter().copied().min()).min();
        summary.last_s = summary.last_s.into_iter().chain(timestamp.iter().copied().max()).max();
        let positive = action_type.iter().enumerate().map(|(row, &action)| {
            let surface = rows.surface.get(row).copied().unwrap_or(0);
            let duration = rows.duration_s.get(row).copied().unwrap_or(f32::NAN);
            self.labels.is_positive(action, surface, duration)
        });
        rows.positive = positive.collect();
        (rows.timestamp, rows.action_type) = (timestamp, action_type);
    }
}

fn retain_good<T>(column: &mut Vec<T>, statuses: &[RowStatus]) {
    let mut statuses = statuses.iter();
    column.retain(|_| statuses.next() == Some(&RowStatus::Good));
}
