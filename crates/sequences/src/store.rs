//! Good events on their way to sequences: plain columns, cut into parts by the hash of the user id.
//!
//! A part holds the events of a contiguous range of hashes, so parts are put in order independently, each within
//! the processor's cache, and follow one another in the output.

use dayvec_core::{IdColumn, id_hash};

/// Enough that a part of 50 million events fits into a cache, few enough that every part's end stays in one.
pub(crate) const N_PARTS: usize = 64;

/// Part of a user.
pub(crate) const fn part_of(user_hash: u64) -> usize {
    (user_hash >> (u64::BITS - N_PARTS.trailing_zeros())) as usize
}

/// Set in an event key that is the hash of an event id; clear in one made of user, item, action and timestamp.
pub(crate) const HAS_EVENT_ID: u64 = 1 << 63;

/// Events in input order; each column has an entry an event, the last three may instead be empty.
#[derive(Default)]
pub(crate) struct EventRows {
    /// Row of the user in order of first appearance.
    pub(crate) user: Vec<u32>,
    pub(crate) item: Vec<u32>,
    pub(crate) action_type: Vec<u8>,
    pub(crate) timestamp: Vec<i64>,
    pub(crate) positive: Vec<bool>,
    pub(crate) surface: Vec<u16>,
    pub(crate) duration_s: Vec<f32>,
    /// Key with [`HAS_EVENT_ID`], or 0 for an event without an id.
    pub(crate) event: Vec<u64>,
}

/// A column, part by part.
pub(crate) type Parts<T> = Vec<Vec<T>>;

/// All events so far.
pub(crate) struct EventStore {
    /// Part of each user.
    home: Vec<u8>,
    pub(crate) user: Parts<u32>,
    pub(crate) item: Parts<u32>,
    pub(crate) action_type: Parts<u8>,
    pub(crate) timestamp: Parts<i64>,
    pub(crate) positive: Parts<bool>,
    pub(crate) surface: Parts<u16>,
    pub(crate) duration_s: Parts<f32>,
    pub(crate) event: Parts<u64>,
}

impl Default for EventStore {
    fn default() -> Self {
        Self {
            home: Vec::new(),
            user: vec![Vec::new(); N_PARTS],
            item: vec![Vec::new(); N_PARTS],
            action_type: vec![Vec::new(); N_PARTS],
            timestamp: vec![Vec::new(); N_PARTS],
            positive: vec![Vec::new(); N_PARTS],
            surface: vec![Vec::new(); N_PARTS],
            duration_s: vec![Vec::new(); N_PARTS],
            event: vec![Vec::new(); N_PARTS],
        }
    }
}

impl EventStore {
    /// Number of events.
    pub(crate) fn len(&self) -> usize {
        self.user.iter().map(Vec::len).sum()
    }

    /// Appends events of `users`, which may have grown since the last call.
    pub(crate) fn push(&mut self, rows: &EventRows, users: &IdColumn) {
        let new = self.home.len()..users.len();
        self.home.extend(new.map(|user| part_of(id_hash(users.get(user))) as u8));
        let homes: Vec<u8> = rows.user.iter().map(|&user| self.home[user as usize]).collect();
        let homes = homes.as_slice();
        let before: Vec<usize> = self.user.iter().map(Vec::len).collect();
        let before = before.as_slice();
        let first = || {
            scatter(homes, &rows.user, &mut self.user);
            scatter(homes, &rows.timestamp, &mut self.timestamp);
            scatter(homes, &rows.action_type, &mut self.action_type);
        };
        let second = || {
            scatter(homes, &rows.item, &mut self.item);
            scatter(homes, &rows.positive, &mut self.positive);
            scatter_optional(homes, before, (&rows.surface, 0), &mut self.surface);
            scatter_optional(homes, before, (&rows.duration_s, f32::NAN), &mut self.duration_s);
            scatter_optional(homes, before, (&rows.event, 0), &mut self.event);
        };
        rayon::join(first, second);
    }

    /// Gives every event an entry in the optional columns that any event has.
    pub(crate) fn complete(&mut self) {
        let lens: Vec<usize> = self.user.iter().map(Vec::len).collect();
        complete(&mut self.surface, &lens, 0);
        complete(&mut self.duration_s, &lens, f32::NAN);
        complete(&mut self.event, &lens, 0);
    }
}

fn scatter<T: Copy>(homes: &[u8], values: &[T], parts: &mut Parts<T>) {
    for (&home, &value) in homes.iter().zip(values) {
        parts[usize::from(home)].push(value);
    }
}

/// Events before these that had no entry get `fill`.
fn scatter_optional<T: Copy>(
    homes: &[u8],
    before: &[usize],
    (values, fill): (&[T], T),
    parts: &mut Parts<T>,
) {
    if !values.is_empty() {
        complete_to(parts, before, fill);
        scatter(homes, values, parts);
    }
}

fn complete<T: Copy>(parts: &mut Parts<T>, lens: &[usize], fill: T) {
    if parts.iter().any(|part| !part.is_empty()) {
        complete_to(parts, lens, fill);
    }
}

fn complete_to<T: Copy>(parts: &mut Parts<T>, lens: &[usize], fill: T) {
    for (part, &len) in parts.iter_mut().zip(lens) {
        part.resize(len, fill);
    }
}
