//! Sequences with planted groups of items: each basket comes from one group.

use dayvec_core::{Actions, IdInterner, Sequences};

pub(crate) const N_GROUPS: usize = 4;
pub(crate) const GROUP_SIZE: usize = 12;
const DAY_S: i64 = 86_400;

/// Item `i` of group `g` is called `g<g>-<i>`.
pub(crate) fn item_id(group: usize, member: usize) -> String {
    format!("g{group}-{member:02}")
}

pub(crate) fn group_of(id: &str) -> usize {
    id[1..2].parse().unwrap()
}

/// Pseudo-random numbers below the argument, the same in every test.
pub(crate) fn draws() -> impl FnMut(usize) -> usize {
    let mut state = 12_345_u64;
    move |n| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % n
    }
}

/// 200 users with three days each; each day has five items of one group, which changes from day to day.
pub(crate) fn planted() -> Sequences {
    let mut below = draws();
    let users = (0..200).map(|user| {
        let mut actions = Vec::new();
        for day in (0..3).rev() {
            let group = (user + below(N_GROUPS)) % N_GROUPS;
            for at in (0..5).rev() {
                actions.push((item_id(group, below(GROUP_SIZE)), day * 5 * DAY_S + at * 60));
            }
        }
        actions
    });
    sequences(users)
}

/// Sequences from each user's (item, Unix seconds), newest first.
pub(crate) fn sequences(users: impl IntoIterator<Item = Vec<(String, i64)>>) -> Sequences {
    let mut sequences = Sequences { offsets: vec![0], ..Sequences::default() };
    let mut items = IdInterner::default();
    let mut actions = Actions::default();
    for (user, list) in users.into_iter().enumerate() {
        sequences.users.push(&format!("user-{user}"));
        for (item, timestamp) in list {
            actions.item.push(items.intern(&item));
            actions.timestamp.push(timestamp);
            actions.action_type.push(0);
            actions.positive.push(true);
            actions.event_key.push(actions.timestamp.len() as u64);
        }
        sequences.offsets.push(actions.timestamp.len());
    }
    Sequences { items, actions, ..sequences }
}
