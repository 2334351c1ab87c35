//! A batch of a log becomes rows: each row is good, outside the time range or bad; good ones are interned.

use std::path::Path;
use std::sync::Arc;

use polars::prelude::{
    ChunkedArray, Column, DataFrame, Float32Chunked, Int64Chunked, PolarsNumericType, StringChunked,
    UInt64Chunked,
};
use xxhash_rust::xxh3::xxh3_64;

use crate::bad_rows::{BadRow, BadRows, is_plausible};
use crate::columns::{TimeScale, name};
use crate::intern::{FastInterner, decimal};
use crate::positive::Labels;
use crate::store::HAS_EVENT_ID;

/// Ids as the file has them.
pub(crate) enum Ids<'a> {
    Integer(&'a Int64Chunked),
    Unsigned(&'a UInt64Chunked),
    Text(&'a StringChunked),
}

/// One of them.
#[derive(Clone, Copy)]
pub(crate) enum Id<'a> {
    Integer(i64),
    /// Above the range of `i64`, or from a column of such.
    Unsigned(u64),
    Text(&'a str),
}

impl<'a> Ids<'a> {
    fn of(column: &'a Column) -> Option<Self> {
        let integer = column.i64().ok().map(Self::Integer);
        integer
            .or_else(|| column.u64().ok().map(Self::Unsigned))
            .or_else(|| column.str().ok().map(Self::Text))
    }

    fn for_each(&self, mut each: impl FnMut(Option<Id<'a>>)) {
        match self {
            Self::Integer(ids) => numbers(ids).for_each(|id| each(id.map(Id::Integer))),
            Self::Unsigned(ids) => numbers(ids).for_each(|id| each(id.map(Id::Unsigned))),
            Self::Text(ids) => texts(ids).for_each(|id| each(id.map(Id::Text))),
        }
    }

    fn has_bad(&self) -> bool {
        match self {
            Self::Integer(ids) => ids.null_count() > 0,
            Self::Unsigned(ids) => ids.null_count() > 0,
            Self::Text(_) => true,
        }
    }

    /// Rows of the ids of good events.
    pub(crate) fn intern(&self, statuses: &[RowStatus], interner: &mut FastInterner) -> Vec<u32> {
        let mut rows = Vec::with_capacity(statuses.len());
        if let Self::Text(ids) = self {
            let good = texts(ids).zip(statuses).filter(|(_, status)| **status == RowStatus::Good);
            interner.texts(good.filter_map(|(id, _)| id), &mut rows);
            return rows;
        }
        let mut statuses = statuses.iter();
        self.for_each(|id| {
            if let (Some(RowStatus::Good), Some(id)) = (statuses.next(), id) {
                rows.push(match id {
                    Id::Integer(id) => interner.integer(id),
                    Id::Text(id) => interner.text(id),
                    Id::Unsigned(id) => match i64::try_from(id) {
                        Ok(id) => interner.integer(id),
                        Err(_) => interner.text(&id.to_string()),
                    },
                });
            }
        });
        rows
    }

    /// Event keys of good events. With `raw` the column holds keys, not ids.
    pub(crate) fn event_keys(&self, statuses: &[RowStatus], raw: bool) -> Vec<u64> {
        let mut keys = Vec::with_capacity(statuses.len());
        let mut statuses = statuses.iter();
        self.for_each(|id| {
            if matches!(statuses.next(), Some(RowStatus::Good)) {
                keys.push(id.map_or(0, |id| event_key(id, raw)));
            }
        });
        keys
    }
}

fn event_key(id: Id<'_>, raw: bool) -> u64 {
    let hash = match id {
        Id::Unsigned(key) if raw => return if key & HAS_EVENT_ID == 0 { 0 } else { key },
        Id::Integer(id) => xxh3_64(decimal(id, &mut [0; 20]).as_bytes()),
        Id::Unsigned(id) => xxh3_64(id.to_string().as_bytes()),
        Id::Text(id) => xxh3_64(id.as_bytes()),
    };
    hash | HAS_EVENT_ID
}

fn numbers<T: PolarsNumericType>(column: &ChunkedArray<T>) -> impl Iterator<Item = Option<T::Native>> {
    column.downcast_iter().flat_map(|chunk| chunk.iter().map(|value| value.copied()))
}

fn texts(column: &StringChunked) -> impl Iterator<Item = Option<&str>> {
    column.downcast_iter().flat_map(|chunk| chunk.iter())
}

/// Whether a row is an event that is taken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowStatus {
    Good,
    /// Not in the time range that was asked for; the rest of the row is not checked.
    Outside,
    /// An empty line of a CSV file.
    Blank,
    Bad(BadRow),
}

/// The columns of a batch.
pub(crate) struct Batch<'a> {
    pub(crate) user: Ids<'a>,
    pub(crate) item: Ids<'a>,
    pub(crate) event: Option<Ids<'a>>,
    time: &'a Int64Chunked,
    action: Option<&'a StringChunked>,
    surface: Option<&'a StringChunked>,
    duration: Option<&'a Float32Chunked>,
}

/// Each row's status, and what was computed on the way, for every row, good or not.
pub(crate) struct CheckedRows {
    pub(crate) statuses: Vec<RowStatus>,
    pub(crate) timestamp: Vec<i64>,
    pub(crate) action_type: Vec<u8>,
}

impl<'a> Batch<'a> {
    /// `None` when a column is not of the type that the scan was to give.
    pub(crate) fn of(frame: &'a DataFrame) -> Option<Self> {
        let optional = |column: &str| frame.column(column).ok();
        Some(Self {
            user: Ids::of(frame.column(name::USER).ok()?)?,
            item: Ids::of(frame.column(name::ITEM).ok()?)?,
            time: frame.column(name::TIME).ok()?.i64().ok()?,
            event: optional(name::EVENT).and_then(Ids::of),
            action: optional(name::ACTION).and_then(|column| column.str().ok()),
            surface: optional(name::SURFACE).and_then(|column| column.str().ok()),
            duration: optional(name::DURATION).and_then(|column| column.f32().ok()),
        })
    }

    /// The first fault of a row, in this order, is its reason: time, user, item, action, duration.
    pub(crate) fn check(&self, scale: TimeScale, range_s: (i64, i64), labels: &Labels) -> CheckedRows {
        let mut statuses = Vec::with_capacity(self.time.len());
        let mut timestamp = Vec::with_capacity(self.time.len());
        numbers(self.time).for_each(|raw| {
            let at = scale.seconds(raw.unwrap_or(0));
            timestamp.push(at);
            statuses.push(match raw {
                None => RowStatus::Bad(BadRow::NullTimestamp),
                Some(_) if !is_plausible(at) => RowStatus::Bad(BadRow::ImplausibleTime),
                Some(_) if at < range_s.0 || at >= range_s.1 => RowStatus::Outside,
                Some(_) => RowStatus::Good,
            });
        });
        check_ids(&self.user, &mut statuses, (BadRow::NullUserId, BadRow::EmptyUserId));
        check_ids(&self.item, &mut statuses, (BadRow::NullItemId, BadRow::EmptyItemId));
        let action_type = match self.action {
            None => vec![0; statuses.len()],
            Some(actions) => check_actions(actions, &mut statuses, labels),
        };
        if let Some(durations) = self.duration {
            for (duration, status) in numbers(durations).zip(&mut statuses) {
                if duration.is_some_and(f32::is_infinite) && *status == RowStatus::Good {
                    *status = RowStatus::Bad(BadRow::UnreadableDuration);
                }
            }
        }
        CheckedRows { statuses, timestamp, action_type }
    }

    /// Take the rows that hold nothing at all for empty lines.
    pub(crate) fn find_blank_lines(&self, statuses: &mut [RowStatus]) {
        if !statuses.contains(&RowStatus::Bad(BadRow::NullTimestamp)) {
            return;
        }
        let (mut user, mut item) = (Vec::new(), Vec::new());
        self.user.for_each(|id| user.push(matches!(id, None | Some(Id::Text("")))));
        self.item.for_each(|id| item.push(matches!(id, None | Some(Id::Text("")))));
        for (row, status) in statuses.iter_mut().enumerate() {
            let no_action = self.action.is_none_or(|actions| actions.get(row).is_none_or(str::is_empty));
            if *status == RowStatus::Bad(BadRow::NullTimestamp) && user[row] && item[row] && no_action {
                *status = RowStatus::Blank;
            }
        }
    }

    /// 1 + row of the surface of good events, 0 for none; empty without a surface column, `None` on too many.
    pub(crate) fn surfaces(&self, statuses: &[RowStatus], labels: &mut Labels) -> Option<Vec<u16>> {
        let Some(surfaces) = self.surface else { return Some(Vec::new()) };
        let good = texts(surfaces).zip(statuses).filter(|(_, status)| **status == RowStatus::Good);
        let mut last = ("", 0);
        good.map(|(surface, _)| {
            let surface = surface.unwrap_or("");
            if surface != last.0 {
                last = (surface, if surface.is_empty() { 0 } else { labels.surface(surface)? });
            }
            Some(last.1)
        })
        .collect()
    }

    /// Seconds that good events lasted, NaN for unknown; empty without a duration column.
    pub(crate) fn durations(&self, statuses: &[RowStatus]) -> Vec<f32> {
        let Some(durations) = self.duration else { return Vec::new() };
        let good = numbers(durations).zip(statuses).filter(|(_, status)| **status == RowStatus::Good);
        good.map(|(duration, _)| duration.unwrap_or(f32::NAN)).collect()
    }

    /// Counts bad rows; `first_row` is the batch's first row in the file.
    pub(crate) fn note_bad(
        &self,
        statuses: &[RowStatus],
        bad: &mut BadRows,
        path: &Arc<Path>,
        first_row: u64,
    ) {
        for (row, status) in statuses.iter().enumerate() {
            let RowStatus::Bad(reason) = *status else { continue };
            let raw_time = self.time.get(row);
            let action = self.action.and_then(|actions| actions.get(row));
            bad.note(reason, path, first_row + row as u64, || match reason {
                BadRow::ImplausibleTime => raw_time.map_or(String::new(), |raw| raw.to_string()),
                BadRow::UnknownAction => action.unwrap_or_default().to_owned(),
                _ => String::new(),
            });
            match (reason, raw_time, action) {
                (BadRow::ImplausibleTime, Some(raw), _) => bad.note_raw_time(raw),
                (BadRow::UnknownAction, _, Some(action)) => bad.note_unknown_action(action),
                _ => {}
            }
        }
    }
}

fn check_ids(ids: &Ids<'_>, statuses: &mut [RowStatus], (null, empty): (BadRow, BadRow)) {
    if !ids.has_bad() {
        return;
    }
    let mut statuses = statuses.iter_mut();
    ids.for_each(|id| {
        let reason = match id {
            None => null,
            Some(Id::Text("")) => empty,
            Some(_) => {
                statuses.next();
                return;
            }
        };
        if let Some(status @ RowStatus::Good) = statuses.next() {
            *status = RowStatus::Bad(reason);
        }
    });
}

fn check_actions(actions: &StringChunked, statuses: &mut [RowStatus], labels: &Labels) -> Vec<u8> {
    let mut rows = Vec::with_capacity(statuses.len());
    let mut last = (None, None);
    texts(actions).zip(statuses).for_each(|(action, status)| {
        if action != last.0 || action.is_none() {
            last = (action, action.and_then(|action| labels.action(action)));
        }
        rows.push(last.1.unwrap_or(0));
        if last.1.is_none() && *status == RowStatus::Good {
            *status =
                RowStatus::Bad(if action.is_none() { BadRow::NullAction } else { BadRow::UnknownAction });
        }
    });
    rows
}
