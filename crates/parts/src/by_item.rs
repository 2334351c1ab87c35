//! The actions of each user, item by item: what statistics of a pair of user and item are counted from.

use dayvec_core::Sequences;
use rayon::iter::{IntoParallelIterator, ParallelIterator};

/// The actions of users, sorted within a user by item, and of one item oldest first.
#[derive(Debug)]
pub struct ByItem<'a> {
    sequences: &'a Sequences,
    /// Places in the columns of `sequences`; user `u` owns `offsets[u]..offsets[u + 1]`, as there.
    places: Vec<u32>,
}

/// A user as of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UserAsOf {
    /// Row of the user in the sequences.
    pub user: usize,
    /// Unix seconds; actions from then on are not seen.
    pub until_s: i64,
    /// Newest actions before that time that are seen.
    pub history_len: usize,
}

/// One action of a user on one item.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ItemAction {
    pub(crate) timestamp: i64,
    pub(crate) positive: bool,
}

impl<'a> ByItem<'a> {
    /// Sort the actions of all users.
    ///
    /// # Panics
    /// When there are more than 2³² actions.
    #[must_use]
    pub fn of(sequences: &'a Sequences) -> Self {
        let n_actions = u32::try_from(sequences.n_actions()).expect("at most 2^32 actions");
        let mut places: Vec<u32> = (0..n_actions).collect();
        let mut rest = &mut places[..];
        let mut users = Vec::with_capacity(sequences.n_users());
        for user in 0..sequences.n_users() {
            let (of_user, others) = rest.split_at_mut(sequences.range(user).len());
            users.push(of_user);
            rest = others;
        }
        let item = &sequences.actions.item;
        // Newest first within a user, so a higher place is an older action.
        users.into_par_iter().for_each(|of_user| {
            of_user.sort_unstable_by_key(|&at| (item[at as usize], std::cmp::Reverse(at)));
        });
        Self { sequences, places }
    }

    /// The sequences.
    #[must_use]
    pub const fn sequences(&self) -> &'a Sequences {
        self.sequences
    }

    /// Seconds of the newest action that a user has as of a time, and the first and last place that is seen then.
    fn seen(&self, row: UserAsOf) -> (usize, usize) {
        let range = self.sequences.range(row.user);
        let newest_first = &self.sequences.actions.timestamp[range.clone()];
        let first = range.start + newest_first.partition_point(|&timestamp| timestamp >= row.until_s);
        (first, range.end.min(first.saturating_add(row.history_len)))
    }

    /// Unix seconds of the newest action that a user has as of a time.
    pub(crate) fn newest(&self, row: UserAsOf) -> Option<i64> {
        let (first, end) = self.seen(row);
        (first < end).then(|| self.sequences.actions.timestamp[first])
    }

    /// Call `each` with every item of a user and the actions on it, oldest first, as of a time. Items ascend.
    pub(crate) fn for_each_item(&self, row: UserAsOf, mut each: impl FnMut(u32, &[ItemAction])) {
        let (first, end) = self.seen(row);
        let actions = &self.sequences.actions;
        let mut on_item = Vec::new();
        let places = &self.places[self.sequences.range(row.user)];
        let same_item = |a: &u32, b: &u32| actions.item[*a as usize] == actions.item[*b as usize];
        for places in places.chunk_by(same_item) {
            on_item.clear();
            on_item.extend(
                places.iter().map(|&at| at as usize).filter(|at| (first..end).contains(at)).map(|at| {
                    ItemAction { timestamp: actions.timestamp[at], positive: actions.positive[at] }
                }),
            );
            if !on_item.is_empty() {
                each(actions.item[places[0] as usize], &on_item);
            }
        }
    }
}
