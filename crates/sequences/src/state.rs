//! The daily run's own state: the newest actions of each user, as Parquet, and a day's merge into it.
//!
//! A state file is itself an event log, one row an action, users in order, each user's actions oldest first: it is
//! read by the reader of logs, and goes through the same ordering and truncation.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use dayvec_core::{ColumnNames, EventSchema, Sequences, TimeUnit};
use polars::error::PolarsError;
use polars::prelude::{Column, DataFrame, ParquetWriter};

use crate::arrange::{Dictionaries, Keep, arrange};
use crate::builder::SequenceBuilder;
use crate::error::{Result, SequencesError};
use crate::intern::FastInterner;
use crate::store::{EventRows, EventStore, HAS_EVENT_ID};

/// Rows that are put into one row group.
const ROWS_A_GROUP: usize = 1 << 18;
const EVENT_KEY: &str = "event_key";

/// Writes sequences to one Parquet file with the columns `user_id`, `item_id`, `action`, `timestamp` (Unix
/// seconds), `event_key`, and, where the log has them, `surface` and `duration_s`. Users without actions are not
/// kept. The file is complete or not there.
///
/// # Errors
/// When the file cannot be written.
pub fn write(sequences: &Sequences, schema: &EventSchema, path: &Path) -> Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    let partial = path.with_file_name(name);
    let io = |source| SequencesError::Io { action: "write", path: path.to_owned(), source };
    let written = File::create(&partial).map_err(io).and_then(|file| {
        write_rows(sequences, schema, file).map_err(|source| SequencesError::Polars {
            action: "write",
            path: path.to_owned(),
            source,
        })
    });
    let done = written.and_then(|()| fs::rename(&partial, path).map_err(io));
    if done.is_err() {
        _ = fs::remove_file(&partial);
    }
    done
}

fn write_rows(sequences: &Sequences, schema: &EventSchema, file: File) -> Result<(), PolarsError> {
    let empty = frame(sequences, schema, &[])?;
    let mut writer = ParquetWriter::new(file).batched(empty.schema())?;
    let mut rows = Vec::with_capacity(ROWS_A_GROUP);
    for user in 0..sequences.n_users() {
        for at in sequences.range(user).rev() {
            rows.push((user, at));
            if rows.len() == ROWS_A_GROUP {
                writer.write_batch(&frame(sequences, schema, &rows)?)?;
                rows.clear();
            }
        }
    }
    writer.write_batch(&frame(sequences, schema, &rows)?)?;
    writer.finish()?;
    Ok(())
}

/// EventRows (user, action) as a table.
fn frame(
    sequences: &Sequences,
    schema: &EventSchema,
    rows: &[(usize, usize)],
) -> Result<DataFrame, PolarsError> {
    let actions = &sequences.actions;
    let items = sequences.items.ids();
    let mut columns = vec![
        text("user_id", rows, |user, _| Some(sequences.users.get(user))),
        text("item_id", rows, |_, at| Some(items.get(actions.item[at] as usize))),
        text("action", rows, |_, at| {
            schema.actions.get(usize::from(actions.action_type[at])).map(String::as_str)
        }),
        Column::new(
            "timestamp".into(),
            rows.iter().map(|&(_, at)| actions.timestamp[at]).collect::<Vec<_>>(),
        ),
        Column::new(EVENT_KEY.into(), rows.iter().map(|&(_, at)| actions.event_key[at]).collect::<Vec<_>>()),
    ];
    if !actions.surface.is_empty() {
        columns.push(text("surface", rows, |_, at| {
            sequences.surfaces.get(usize::from(actions.surface[at].checked_sub(1)?)).map(String::as_str)
        }));
    }
    if !actions.duration_s.is_empty() {
        let known = |at: usize| Some(actions.duration_s[at]).filter(|lasted| !lasted.is_nan());
        columns.push(Column::new(
            "duration_s".into(),
            rows.iter().map(|&(_, at)| known(at)).collect::<Vec<_>>(),
        ));
    }
    DataFrame::new(rows.len(), columns)
}

fn text<'a>(name: &str, rows: &[(usize, usize)], value: impl Fn(usize, usize) -> Option<&'a str>) -> Column {
    let values: Vec<Option<&str>> = rows.iter().map(|&(user, at)| value(user, at)).collect();
    Column::new(name.into(), values)
}

/// Reads what [`write()`] wrote; positive labels are worked out anew from `schema`.
///
/// # Errors
/// [`SequencesError::State`] when the file is damaged, or holds actions that `schema` does not list.
pub fn read(path: &Path, schema: &EventSchema) -> Result<Sequences> {
    let columns = ColumnNames { event_id: Some(EVENT_KEY.to_owned()), ..ColumnNames::default() };
    let schema = EventSchema { columns, time_unit: TimeUnit::Seconds, ..schema.clone() };
    let mut builder = SequenceBuilder::of_state(&schema)?;
    let read = builder.push_files(&[PathBuf::from(path)]).and_then(|()| builder.finish_any(Keep::default()));
    read.map(|(sequences, _)| sequences).map_err(|error| {
        let source =
            ::core::error::Error::source(&error).map_or(String::new(), |source| format!(": {source}"));
        SequencesError::State { path: path.to_owned(), reason: format!("{error}{source}") }
    })
}

/// Yesterday's sequences with today's events put in: what one read of both would have kept (duplicates and
/// truncation included, as far as yesterday's were kept with the same or a wider `keep`).
///
/// The flags, one a user of the result, say whose sequence is not the one that `yesterday` has: these users are
/// to be encoded anew. Repeats of known actions, and late events that are older than what is kept, set no flag.
#[must_use]
pub fn merge(yesterday: &Sequences, today: &Sequences, keep: Keep) -> (Sequences, Vec<bool>) {
    let mut merged = MergedEvents::default();
    let yesterday_items = merged.push(yesterday);
    merged.push(today);
    let surfaces = merged.surfaces.clone();
    let dictionaries = Dictionaries {
        users: merged.users.into_interner().into_ids(),
        items: merged.items.into_interner(),
        surfaces: merged.surfaces,
    };
    let (sequences, _) = arrange(merged.store, dictionaries, keep);
    let previous = PreviousState { sequences: yesterday, items: &yesterday_items, surfaces: &surfaces };
    let changed = previous.changed(&sequences);
    (sequences, changed)
}

#[derive(Default)]
struct MergedEvents {
    users: FastInterner,
    items: FastInterner,
    surfaces: Vec<String>,
    store: EventStore,
}

/// An item of a sequence that no kept action has.
const NOT_MET: u32 = u32::MAX;

impl MergedEvents {
    /// Appends the actions of all users, oldest first; gives the new row of each of their items.
    fn push(&mut self, sequences: &Sequences) -> Vec<u32> {
        let actions = &sequences.actions;
        let n_actions = sequences.n_actions();
        let mut items = vec![NOT_MET; sequences.items.ids().len()];
        let surfaces: Vec<u16> = ::core::iter::once(0)
            .chain(sequences.surfaces.iter().map(|name| surface_row(&mut self.surfaces, name)))
            .collect();
        let mut places = Vec::with_capacity(n_actions);
        let mut rows = EventRows { user: Vec::with_capacity(n_actions), ..EventRows::default() };
        for user in 0..sequences.n_users() {
            let range = sequences.range(user);
            if range.is_empty() {
                continue;
            }
            let row = self.users.text(sequences.users.get(user));
            rows.user.extend(range.clone().map(|_| row));
            places.extend(range.rev());
        }
        for &at in &places {
            let item = &mut items[actions.item[at] as usize];
            if *item == NOT_MET {
                *item = self.items.text(sequences.items.ids().get(actions.item[at] as usize));
            }
            rows.item.push(*item);
        }
        let picked = actions.gather(&places);
        rows.action_type = picked.action_type;
        rows.timestamp = picked.timestamp;
        rows.positive = picked.positive;
        rows.surface = picked.surface.iter().map(|&surface| surfaces[usize::from(surface)]).collect();
        rows.duration_s = picked.duration_s;
        if picked.event_key.iter().any(|key| key & HAS_EVENT_ID != 0) {
            rows.event =
                picked.event_key.iter().map(|&key| if key & HAS_EVENT_ID == 0 { 0 } else { key }).collect();
        }
        self.store.push(&rows, self.users.ids());
        items
    }
}

/// 1 + the row of a surface; beyond 65,535 of them a new one is none.
fn surface_row(surfaces: &mut Vec<String>, name: &str) -> u16 {
    let row = surfaces.iter().position(|known| known == name).unwrap_or_else(|| {
        surfaces.push(name.to_owned());
        surfaces.len() - 1
    });
    u16::try_from(row + 1).unwrap_or(0)
}

/// Yesterday's sequences, to be compared with the merged ones: its items and surfaces by the merged rows.
struct PreviousState<'a> {
    sequences: &'a Sequences,
    items: &'a [u32],
    surfaces: &'a [String],
}

impl PreviousState<'_> {
    /// Which users' sequences differ; users of both are in the same order.
    fn changed(&self, merged: &Sequences) -> Vec<bool> {
        let mut known = 0;
        (0..merged.n_users())
            .map(|user| {
                let id = merged.users.get(user);
                let key = (dayvec_core::id_hash(id), id);
                let before = |row: usize| {
                    let other = self.sequences.users.get(row);
                    (dayvec_core::id_hash(other), other) < key
                };
                while known < self.sequences.n_users() && before(known) {
                    known += 1;
                }
                if known == self.sequences.n_users() || self.sequences.users.get(known) != id {
                    return true;
                }
                let (mine, theirs) = (self.sequences.range(known), merged.range(user));
                mine.len() != theirs.len()
                    || !mine.zip(theirs).all(|(mine, theirs)| self.same(mine, merged, theirs))
            })
            .collect()
    }

    fn same(&self, mine: usize, merged: &Sequences, theirs: usize) -> bool {
        let (a, b) = (&self.sequences.actions, &merged.actions);
        let duration = |column: &[f32], at: usize| column.get(at).copied().filter(|lasted| !lasted.is_nan());
        self.items[a.item[mine] as usize] == b.item[theirs]
            && a.timestamp[mine] == b.timestamp[theirs]
            && a.action_type[mine] == b.action_type[theirs]
            && (a.event_key[mine] & HAS_EVENT_ID == 0 || a.event_key[mine] == b.event_key[theirs])
            && duration(&a.duration_s, mine) == duration(&b.duration_s, theirs)
            && surface(&self.sequences.surfaces, &a.surface, mine)
                == surface(self.surfaces, &b.surface, theirs)
    }
}

fn surface<'a>(names: &'a [String], column: &[u16], at: usize) -> Option<&'a str> {
    let row = column.get(at)?.checked_sub(1)?;
    names.get(usize::from(row)).map(String::as_str)
}
