//! Per-user sequences of actions, newest first, in columns.

use crate::{IdColumn, IdInterner};

/// The actions of many users in columns; each column is either one entry an action or, for a feature that the
/// log does not have, empty.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Actions {
    /// Row of the item in [`Sequences::items`].
    pub item: Vec<u32>,
    /// Row of the action type in the schema's `actions`.
    pub action_type: Vec<u8>,
    /// 0 for none, else 1 + the row of the surface in [`Sequences::surfaces`]; empty when the log has no surface.
    pub surface: Vec<u16>,
    /// Seconds that the action lasted, NaN for unknown; empty when the log has no duration.
    pub duration_s: Vec<f32>,
    /// Unix seconds.
    pub timestamp: Vec<i64>,
    /// Whether the action is a positive label under the schema's rules.
    pub positive: Vec<bool>,
    /// Hash of the event id, or of (user, item, action, timestamp) where the log has no event id; what makes two
    /// rows the same event, and what settles the order of equal timestamps in a log with event ids.
    pub event_key: Vec<u64>,
}

/// One action, gathered from the columns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Action {
    /// Row of the item in [`Sequences::items`].
    pub item: u32,
    /// Row of the action type in the schema's `actions`.
    pub action_type: u8,
    /// Unix seconds.
    pub timestamp: i64,
    /// Whether it is a positive label.
    pub positive: bool,
}

/// Users with their actions. User `u` owns the actions `offsets[u]..offsets[u + 1]`, newest first (the paper's
/// position 1 is index 0 of that range).
#[derive(Debug, Clone, Default)]
pub struct Sequences {
    /// User ids.
    pub users: IdColumn,
    /// Where each user's actions start; `n_users + 1` entries.
    pub offsets: Vec<usize>,
    /// The actions of all users, user after user.
    pub actions: Actions,
    /// The items that `actions.item` counts in: every id that was met in events, or, after
    /// `Sequences::resolve`, the rows of the item table.
    pub items: IdInterner,
    /// The surfaces that `actions.surface` counts in (from 1).
    pub surfaces: Vec<String>,
}

impl Sequences {
    /// Number of users.
    #[must_use]
    pub const fn n_users(&self) -> usize {
        self.users.len()
    }

    /// Number of actions of all users.
    #[must_use]
    pub const fn n_actions(&self) -> usize {
        self.actions.timestamp.len()
    }

    /// The range of a user's actions in the columns, newest first.
    #[must_use]
    pub fn range(&self, user: usize) -> ::core::ops::Range<usize> {
        self.offsets[user]..self.offsets[user + 1]
    }

    /// The action at a place in the columns.
    #[must_use]
    pub fn action(&self, at: usize) -> Action {
        let actions = &self.actions;
        Action {
            item: actions.item[at],
            action_type: actions.action_type[at],
            timestamp: actions.timestamp[at],
            positive: actions.positive[at],
        }
    }

    /// Express items as rows of `table` and surfaces as rows of `surfaces`, for the model.
    ///
    /// Actions on items that the table does not hold are dropped and counted; a surface that is not listed becomes
    /// none (the paper drops out-of-vocabulary tokens). Users stay, even with no action left.
    /// Returns the sequences and the number of dropped actions.
    #[must_use]
    pub fn resolve(&self, table: &IdInterner, surfaces: &[String]) -> (Self, usize) {
        let item_rows: Vec<Option<u32>> = self.items.ids().iter().map(|id| table.find(id)).collect();
        let surface_rows: Vec<u16> =
            ::core::iter::once(0)
                .chain(self.surfaces.iter().map(|name| {
                    surfaces.iter().position(|known| known == name).map_or(0, |row| row as u16 + 1)
                }))
                .collect();
        let mut kept = Vec::with_capacity(self.n_actions());
        let mut offsets = Vec::with_capacity(self.offsets.len());
        offsets.push(0);
        for user in 0..self.n_users() {
            kept.extend(self.range(user).filter(|&at| item_rows[self.actions.item[at] as usize].is_some()));
            offsets.push(kept.len());
        }
        let mut actions = self.actions.gather(&kept);
        for item in &mut actions.item {
            *item = item_rows[*item as usize].expect("kept actions have a row");
        }
        for surface in &mut actions.surface {
            *surface = surface_rows[usize::from(*surface)];
        }
        let dropped = self.n_actions() - kept.len();
        let resolved = Self {
            users: self.users.clone(),
            offsets,
            actions,
            items: table.clone(),
            surfaces: surfaces.to_vec(),
        };
        (resolved, dropped)
    }

    /// The users of `rows`, in that order, with all their actions.
    #[must_use]
    pub fn select(&self, rows: &[usize]) -> Self {
        let mut offsets = vec![0];
        let mut places = Vec::new();
        for &user in rows {
            places.extend(self.range(user));
            offsets.push(places.len());
        }
        Self {
            users: rows.iter().map(|&user| self.users.get(user)).collect(),
            offsets,
            actions: self.actions.gather(&places),
            items: self.items.clone(),
            surfaces: self.surfaces.clone(),
        }
    }

    /// Users as they were: one row a (user, time in Unix seconds), with the user's actions before that time.
    /// The same user may have many rows.
    #[must_use]
    pub fn as_of(&self, states: &[(usize, i64)]) -> Self {
        let mut offsets = vec![0];
        let mut places = Vec::new();
        for &(user, until_s) in states {
            let range = self.range(user);
            let newest_first = &self.actions.timestamp[range.clone()];
            let n_later = newest_first.partition_point(|&timestamp| timestamp >= until_s);
            places.extend(range.start + n_later..range.end);
            offsets.push(places.len());
        }
        Self {
            users: states.iter().map(|&(user, _)| self.users.get(user)).collect(),
            offsets,
            actions: self.actions.gather(&places),
            items: self.items.clone(),
            surfaces: self.surfaces.clone(),
        }
    }

    /// Every user with only the actions of `from_s <= timestamp < until_s` (Unix seconds): a split by time.
    /// Users stay, even with no action left.
    #[must_use]
    pub fn within(&self, from_s: i64, until_s: i64) -> Self {
        let mut offsets = vec![0];
        let mut places = Vec::new();
        for user in 0..self.n_users() {
            places.extend(self.range(user).filter(|&at| {
                let timestamp = self.actions.timestamp[at];
                from_s <= timestamp && timestamp < until_s
            }));
            offsets.push(places.len());
        }
        Self {
            users: self.users.clone(),
            offsets,
            actions: self.actions.gather(&places),
            items: self.items.clone(),
            surfaces: self.surfaces.clone(),
        }
    }
}

impl Actions {
    /// The actions at `places`, in that order; an empty column stays empty.
    #[must_use]
    pub fn gather(&self, places: &[usize]) -> Self {
        fn pick<T: Copy>(column: &[T], places: &[usize]) -> Vec<T> {
            if column.is_empty() { Vec::new() } else { places.iter().map(|&at| column[at]).collect() }
        }
        Self {
            item: pick(&self.item, places),
            action_type: pick(&self.action_type, places),
            surface: pick(&self.surface, places),
            duration_s: pick(&self.duration_s, places),
            timestamp: pick(&self.timestamp, places),
            positive: pick(&self.positive, places),
            event_key: pick(&self.event_key, places),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_users() -> Sequences {
        let mut items = IdInterner::default();
        for id in ["x", "y", "z"] {
            items.intern(id);
        }
        Sequences {
            users: ["u", "v"].into_iter().collect(),
            offsets: vec![0, 2, 3],
            actions: Actions {
                item: vec![1, 0, 2],
                action_type: vec![0, 0, 0],
                surface: vec![2, 1, 0],
                duration_s: Vec::new(),
                timestamp: vec![20, 10, 15],
                positive: vec![true, false, true],
                event_key: vec![1, 2, 3],
            },
            items,
            surfaces: vec!["home".into(), "search".into()],
        }
    }

    #[test]
    fn resolve_drops_unknown_items_and_renames_surfaces() {
        let mut table = IdInterner::default();
        table.intern("z");
        table.intern("y");
        let (resolved, dropped) = two_users().resolve(&table, &["search".into()]);
        assert_eq!(dropped, 1);
        assert_eq!(resolved.offsets, [0, 1, 2]);
        assert_eq!(resolved.actions.item, [1, 0]);
        assert_eq!(resolved.actions.surface, [1, 0]);
        assert_eq!(resolved.actions.timestamp, [20, 15]);
    }

    #[test]
    fn select_and_within_keep_columns_in_step() {
        let second = two_users().select(&[1, 0]);
        assert_eq!(second.users.iter().collect::<Vec<_>>(), ["v", "u"]);
        assert_eq!(second.actions.timestamp, [15, 20, 10]);
        let early = two_users().within(0, 15);
        assert_eq!(early.offsets, [0, 1, 1]);
        assert_eq!(early.actions.event_key, [2]);
    }

    #[test]
    fn users_as_they_were_have_the_actions_before_that_time() {
        let states = two_users().as_of(&[(0, 20), (1, 15), (0, 21), (0, 10)]);
        assert_eq!(states.users.iter().collect::<Vec<_>>(), ["u", "v", "u", "u"]);
        assert_eq!(states.offsets, [0, 1, 1, 3, 3]);
        assert_eq!(states.actions.timestamp, [10, 20, 10]);
    }

    #[test]
    fn the_item_dictionary_is_shared_and_not_copied() {
        let log = two_users();
        let mut table = IdInterner::default();
        table.intern("z");
        let (resolved, _) = log.resolve(&table, &[]);
        assert!(resolved.items.shares_ids_of(&table));
        assert!(log.select(&[1]).items.shares_ids_of(&log.items));
        assert!(log.within(0, 15).items.shares_ids_of(&log.items));
    }
}
