//! Stored events become sequences: the one place where actions are ordered, repeats dropped and the newest kept,
//! for training, for the daily run and for its state alike.

use dayvec_core::{Actions, IdColumn, IdInterner, SECONDS_PER_DAY, Sequences, id_hash};
use xxhash_rust::xxh3::xxh3_64;

use crate::parallel;
use crate::store::{EventStore, HAS_EVENT_ID, N_PARTS, Parts, part_of};

/// Which of a user's actions stay.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Keep {
    /// At most this many, the newest (the paper's M); `None` for all.
    pub newest: Option<usize>,
    /// Only those less than this many days older than the user's newest action; `None` for all.
    pub look_back_days: Option<u32>,
}

/// What the rows of a store count in.
pub(crate) struct Dictionaries {
    pub(crate) users: IdColumn,
    pub(crate) items: IdInterner,
    pub(crate) surfaces: Vec<String>,
}

/// PartEvents that did not become actions.
#[derive(Default)]
pub(crate) struct DroppedCounts {
    pub(crate) duplicates: u64,
    pub(crate) beyond_keep: u64,
}

/// The kept events of one part.
struct KeptEvents {
    /// PartEvents in the order of the output: user after user, newest first.
    places: Vec<u32>,
    /// Actions of each user.
    lens: Vec<u32>,
    duplicates: u64,
}

/// Sequences of users sorted by (hash of id, id).
pub(crate) fn arrange(
    mut store: EventStore,
    dictionaries: Dictionaries,
    keep: Keep,
) -> (Sequences, DroppedCounts) {
    store.complete();
    let n_rows = store.len();
    let order = user_order(&dictionaries.users);
    let mut rank = vec![0u32; order.len()];
    for (&(_, row), place) in order.iter().zip(0..) {
        rank[row as usize] = place;
    }
    let starts: Vec<usize> =
        (0..=N_PARTS).map(|part| order.partition_point(|user| part_of(user.0) < part)).collect();
    let kept = keep_parts(&mut store, &rank, &starts, keep);
    drop(rank);
    let users: IdColumn = order.iter().map(|&(_, row)| dictionaries.users.get(row as usize)).collect();
    let hashes: Vec<u64> = order.into_iter().map(|(hash, _)| hash).collect();
    drop(dictionaries.users);
    let mut offsets = Vec::with_capacity(hashes.len() + 1);
    offsets.push(0);
    let mut end = 0;
    for &len in kept.iter().flat_map(|part| &part.lens) {
        end += len as usize;
        offsets.push(end);
    }
    let mut actions = Actions {
        item: gather(store.item, &kept),
        surface: gather(store.surface, &kept),
        duration_s: gather(store.duration_s, &kept),
        positive: gather(store.positive, &kept),
        action_type: gather(store.action_type, &kept),
        timestamp: gather(store.timestamp, &kept),
        event_key: gather(store.event, &kept),
    };
    let duplicates = kept.iter().map(|part| part.duplicates).sum();
    drop(kept);
    fill_event_keys(&mut actions, &hashes, &offsets, dictionaries.items.ids());
    let dropped = DroppedCounts { duplicates, beyond_keep: (n_rows - end) as u64 - duplicates };
    (
        Sequences { users, offsets, actions, items: dictionaries.items, surfaces: dictionaries.surfaces },
        dropped,
    )
}

/// (hash, row) of every user, sorted by (hash, id).
fn user_order(users: &IdColumn) -> Vec<(u64, u32)> {
    let mut order: Vec<(u64, u32)> = users.iter().map(id_hash).zip(0..).collect();
    order.sort_unstable_by(|a, b| {
        a.0.cmp(&b.0).then_with(|| users.get(a.1 as usize).cmp(users.get(b.1 as usize)))
    });
    order
}

/// Takes the users out of the store and says what stays of each part.
fn keep_parts(store: &mut EventStore, rank: &[u32], starts: &[usize], keep: Keep) -> Vec<KeptEvents> {
    let n_rows = store.len();
    let jobs: Vec<_> = ::core::mem::take(&mut store.user).into_iter().enumerate().collect();
    let store = &*store;
    parallel::map(n_rows, jobs, |(part, user)| {
        let events = PartEvents {
            item: &store.item[part],
            action_type: &store.action_type[part],
            timestamp: &store.timestamp[part],
            event: &store.event[part],
        };
        let first_rank = starts[part] as u32;
        let lists = UserLists::new(&user, rank, first_rank, starts[part + 1] - starts[part]);
        drop(user);
        lists.keep(&events, keep)
    })
}

/// What decides about the events of a part.
struct PartEvents<'a> {
    item: &'a [u32],
    action_type: &'a [u8],
    timestamp: &'a [i64],
    event: &'a [u64],
}

impl PartEvents<'_> {
    fn event(&self, place: u32) -> u64 {
        self.event.get(place as usize).copied().unwrap_or(0)
    }

    /// Orders a user's events, the greatest first; equals keep the reverse order of the input.
    fn recency(&self, place: u32) -> (i64, u64) {
        (self.timestamp[place as usize], self.event(place))
    }

    /// Equal for rows that are the same event of a user.
    fn identity(&self, place: u32) -> u128 {
        let at = place as usize;
        match self.event(place) {
            0 => {
                u128::from(self.timestamp[at].cast_unsigned()) << 40
                    | u128::from(self.item[at]) << 8
                    | u128::from(self.action_type[at])
            }
            event => 1 << 127 | u128::from(event),
        }
    }

    /// Marks in `repeats` the places of `list` whose event stands earlier in it.
    fn mark_repeats(&self, list: &[u32], repeats: &mut [bool], scratch: &mut Vec<(u128, u32)>) {
        const FEW: usize = 12;
        if list.len() <= FEW {
            for later in 1..list.len() {
                let identity = self.identity(list[later]);
                repeats[later] = list[..later].iter().any(|&place| self.identity(place) == identity);
            }
            return;
        }
        scratch.clear();
        scratch.extend(list.iter().map(|&place| self.identity(place)).zip(0..));
        scratch.sort_unstable();
        for pair in scratch.windows(2) {
            repeats[pair[1].1 as usize] = pair[0].0 == pair[1].0;
        }
    }
}

/// The events of a part, user after user, each user's in reverse order of the input.
struct UserLists {
    places: Vec<u32>,
    ends: Vec<u32>,
}

impl UserLists {
    /// A counting sort; `rank` of a user less `first_rank` is the user's row in the part.
    fn new(user: &[u32], rank: &[u32], first_rank: u32, n_users: usize) -> Self {
        let mut ends = vec![0u32; n_users];
        for &user in user {
            ends[(rank[user as usize] - first_rank) as usize] += 1;
        }
        let mut end = 0;
        for entry in &mut ends {
            end += *entry;
            *entry = end - *entry; // the user's start, until the places are filled in
        }
        let mut places = vec![0u32; user.len()];
        for (place, &user) in user.iter().enumerate().rev() {
            let next = &mut ends[(rank[user as usize] - first_rank) as usize];
            places[*next as usize] = place as u32;
            *next += 1;
        }
        Self { places, ends }
    }

    fn keep(mut self, events: &PartEvents<'_>, keep: Keep) -> KeptEvents {
        let newest = keep.newest.unwrap_or(usize::MAX);
        let look_back_s = keep.look_back_days.map_or(i64::MAX, |days| i64::from(days) * SECONDS_PER_DAY);
        let (mut repeats, mut scratch) = (Vec::new(), Vec::new());
        let mut lens = Vec::with_capacity(self.ends.len());
        let (mut start, mut n_kept, mut duplicates) = (0, 0, 0);
        for &end in &self.ends {
            let list = &mut self.places[start..end as usize];
            if !list.is_sorted_by(|&a, &b| events.recency(a) >= events.recency(b)) {
                list.sort_by_key(|&place| ::core::cmp::Reverse(events.recency(place)));
            }
            repeats.clear();
            repeats.resize(list.len(), false);
            find_repeats(events, list, &mut repeats, &mut scratch);
            let newest_s = list.first().map_or(0, |&place| events.timestamp[place as usize]);
            let first_kept = n_kept;
            for (at, &repeat) in (start..).zip(&repeats) {
                let place = self.places[at];
                if repeat {
                    duplicates += 1;
                } else if n_kept - first_kept < newest
                    && newest_s - events.timestamp[place as usize] < look_back_s
                {
                    self.places[n_kept] = place; // never ahead of `at`: kept events only move forward
                    n_kept += 1;
                }
            }
            lens.push((n_kept - first_kept) as u32);
            start = end as usize;
        }
        self.places.truncate(n_kept);
        KeptEvents { places: self.places, lens, duplicates }
    }
}

/// Without event ids only events of the same second can be the same.
fn find_repeats(events: &PartEvents<'_>, list: &[u32], repeats: &mut [bool], scratch: &mut Vec<(u128, u32)>) {
    if !events.event.is_empty() {
        return events.mark_repeats(list, repeats, scratch);
    }
    let mut start = 0;
    for of_a_second in list.chunk_by(|&a, &b| events.timestamp[a as usize] == events.timestamp[b as usize]) {
        let end = start + of_a_second.len();
        if of_a_second.len() > 1 {
            events.mark_repeats(of_a_second, &mut repeats[start..end], scratch);
        }
        start = end;
    }
}

/// A column of the output; each part of the input is freed as soon as it is copied.
fn gather<T: Copy + Default + Send + Sync>(parts: Parts<T>, kept: &[KeptEvents]) -> Vec<T> {
    if parts.iter().all(Vec::is_empty) {
        return Vec::new();
    }
    let n_actions = kept.iter().map(|part| part.places.len()).sum();
    let mut column = vec![T::default(); n_actions];
    let mut rest = column.as_mut_slice();
    let mut jobs = Vec::with_capacity(parts.len());
    for (part, kept) in parts.into_iter().zip(kept) {
        let (target, after) = rest.split_at_mut(kept.places.len());
        rest = after;
        jobs.push((part, kept, target));
    }
    parallel::map(n_actions, jobs, |(part, kept, target)| {
        for (value, &place) in target.iter_mut().zip(&kept.places) {
            *value = part[place as usize];
        }
    });
    column
}

/// Gives a key to each action without an event id.
fn fill_event_keys(actions: &mut Actions, hashes: &[u64], offsets: &[usize], items: &IdColumn) {
    const USERS_A_JOB: usize = 4096;
    let item_hashes: Vec<u64> = items.iter().map(id_hash).collect();
    actions.event_key.resize(actions.timestamp.len(), 0);
    let mut rest = actions.event_key.as_mut_slice();
    let mut jobs = Vec::new();
    for (job, hashes) in hashes.chunks(USERS_A_JOB).enumerate() {
        let offsets = &offsets[job * USERS_A_JOB..=job * USERS_A_JOB + hashes.len()];
        let (keys, after) = rest.split_at_mut(offsets[hashes.len()] - offsets[0]);
        rest = after;
        jobs.push((hashes, offsets, keys));
    }
    let (item, action_type, timestamp) = (&actions.item, &actions.action_type, &actions.timestamp);
    parallel::map(timestamp.len(), jobs, |(hashes, offsets, keys)| {
        for (user, &hash) in hashes.iter().enumerate() {
            for at in offsets[user]..offsets[user + 1] {
                let key = &mut keys[at - offsets[0]];
                if *key == 0 {
                    let item_hash = item_hashes[item[at] as usize];
                    *key = key_of(hash, item_hash, action_type[at], timestamp[at]);
                }
            }
        }
    });
}

/// Key of an event without an id.
fn key_of(user_hash: u64, item_hash: u64, action_type: u8, timestamp: i64) -> u64 {
    let mut bytes = [0; 25];
    bytes[..8].copy_from_slice(&user_hash.to_le_bytes());
    bytes[8..16].copy_from_slice(&item_hash.to_le_bytes());
    bytes[16..24].copy_from_slice(&timestamp.to_le_bytes());
    bytes[24] = action_type;
    xxh3_64(&bytes) & !HAS_EVENT_ID
}
