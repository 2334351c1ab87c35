//! What the parts are trained on: users as they were at many cut-offs, and what they did in the days after each.

use dayvec_core::SECONDS_PER_DAY;
use rand::seq::SliceRandom;
use rand_pcg::Pcg64Mcg;
use rayon::iter::{IntoParallelIterator, ParallelIterator};

use crate::by_item::{ByItem, UserAsOf};
use crate::error::PartsError;
use crate::folds::{fold_of, n_folds};
use crate::item_counts::{ITEM_STATISTICS, ItemCounts};

/// Cut-offs, at most: a year and two months of weeks.
const MOST_CUT_OFFS: i64 = 60;
/// A log too short for this many weeks gets closer cut-offs.
const FEW_CUT_OFFS: i64 = 8;
const WEEK_S: i64 = 7 * SECONDS_PER_DAY;
/// Statistics of items that are held at once, in numbers: 1 GiB.
const MOST_STATISTICS: usize = 1 << 28;

/// What is predicted, and from when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Horizon {
    /// Unix seconds: nothing from then on is seen.
    pub until_s: i64,
    /// Days after a cut-off whose positives are its labels.
    pub n_days: i32,
}

impl Horizon {
    const fn length_s(self) -> i64 {
        self.n_days as i64 * SECONDS_PER_DAY
    }

    /// Cut-offs in Unix seconds, newest first, for a log that begins at `first_s`: a week apart, or closer where few weeks
    /// would fit.
    fn cut_offs(self, first_s: i64, most: i64) -> Vec<i64> {
        let newest = self.until_s - self.length_s();
        // Before the oldest cut-off are as many days as behind it.
        let room = (newest - first_s - self.length_s()).max(0);
        let step = WEEK_S.min((room / FEW_CUT_OFFS).max(SECONDS_PER_DAY));
        (0..=(room / step).min(most - 1)).map(|back| newest - back * step).collect()
    }
}

/// A cut-off, with what is known of items then.
#[derive(Debug)]
pub(crate) struct CutOff {
    pub(crate) at_s: i64,
    /// Row-major `[I, ITEM_STATISTICS]`.
    pub(crate) statistics: Vec<f32>,
    /// Positives of each item in the 84 days before.
    pub(crate) lately: Vec<u32>,
}

/// Rows of one cut-off and one fold: (place in the cut-offs, fold, users).
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) cut_off: usize,
    pub(crate) fold: usize,
    pub(crate) users: Vec<usize>,
}

/// All rows.
#[derive(Debug)]
pub struct TrainingRows<'a> {
    pub(crate) by_item: &'a ByItem<'a>,
    pub(crate) horizon: Horizon,
    pub(crate) history_len: usize,
    pub(crate) cut_offs: Vec<CutOff>,
    /// Unix seconds of the first action on each item.
    pub(crate) first_s: Vec<i64>,
    groups: Vec<Group>,
}

impl<'a> TrainingRows<'a> {
    /// The rows of the users for whom `keep` holds (by row), each with the `history_len` newest actions before its cut-off.
    ///
    /// # Errors
    /// [`PartsError::NoRows`].
    pub fn of(
        by_item: &'a ByItem<'a>,
        horizon: Horizon,
        history_len: usize,
        keep: impl Fn(usize) -> bool + Sync,
    ) -> Result<Self, PartsError> {
        let sequences = by_item.sequences();
        let n_items = sequences.items.ids().len();
        let seen = sequences.actions.timestamp.iter().copied().filter(|&at| at < horizon.until_s);
        let Some(first_s) = seen.min() else { return Err(PartsError::NoRows(horizon.n_days)) };
        let most = (MOST_STATISTICS / (n_items * ITEM_STATISTICS).max(1)).max(2) as i64;
        let cut_offs = horizon.cut_offs(first_s, most.min(MOST_CUT_OFFS));
        let whole = ItemCounts::of(by_item, horizon.until_s, history_len);
        let born = whole.first_actions().map(|first| first.unwrap_or(i64::MAX)).collect();
        let n_folds = n_folds(n_items);
        let mut rows =
            Self { by_item, horizon, history_len, cut_offs: Vec::new(), first_s: born, groups: Vec::new() };
        for at_s in cut_offs {
            let users: Vec<usize> = (0..sequences.n_users())
                .into_par_iter()
                .filter(|&user| keep(user) && rows.is_row(user, at_s))
                .collect();
            if users.is_empty() {
                continue;
            }
            let mut folds = vec![Vec::new(); n_folds];
            for user in users {
                folds[fold_of(sequences.users.get(user), n_folds)].push(user);
            }
            let cut_off = rows.cut_offs.len();
            let group = |(fold, users)| Group { cut_off, fold, users };
            rows.groups
                .extend(folds.into_iter().enumerate().filter(|(_, users)| !users.is_empty()).map(group));
            let counts = ItemCounts::of(by_item, at_s, history_len);
            rows.cut_offs.push(CutOff {
                at_s,
                statistics: counts.statistics(),
                lately: counts.lately().collect(),
            });
        }
        if rows.groups.is_empty() { Err(PartsError::NoRows(horizon.n_days)) } else { Ok(rows) }
    }

    /// Whether a user has an action before a cut-off, and a positive in the days after it.
    fn is_row(&self, user: usize, at_s: i64) -> bool {
        let sequences = self.by_item.sequences();
        let range = sequences.range(user);
        let newest_first = &sequences.actions.timestamp[range.clone()];
        let n_from = newest_first.partition_point(|&timestamp| timestamp >= at_s);
        if n_from == newest_first.len() {
            return false;
        }
        let until_s = at_s + self.horizon.length_s();
        let n_later = newest_first.partition_point(|&timestamp| timestamp >= until_s);
        (range.start + n_later..range.start + n_from).any(|at| sequences.actions.positive[at])
    }

    /// Distinct positives of a row in the days after its cut-off, on items met before it; ascending.
    pub(crate) fn labels(&self, row: UserAsOf) -> Vec<u32> {
        let sequences = self.by_item.sequences();
        let actions = &sequences.actions;
        let window = row.until_s..row.until_s + self.horizon.length_s();
        let mut items: Vec<u32> = sequences
            .range(row.user)
            .filter(|&at| window.contains(&actions.timestamp[at]) && actions.positive[at])
            .map(|at| actions.item[at])
            .filter(|&item| self.first_s[item as usize] < row.until_s)
            .collect();
        items.sort_unstable();
        items.dedup();
        items
    }

    /// The rows of a group.
    pub(crate) fn rows(&self, group: &Group) -> Vec<UserAsOf> {
        let until_s = self.cut_offs[group.cut_off].at_s;
        group.users.iter().map(|&user| UserAsOf { user, until_s, history_len: self.history_len }).collect()
    }

    /// Number of users who have a row.
    #[must_use]
    pub fn n_users(&self) -> usize {
        let mut has_row = vec![false; self.by_item.sequences().n_users()];
        self.groups.iter().flat_map(|group| &group.users).for_each(|&user| has_row[user] = true);
        has_row.into_iter().filter(|&has_row| has_row).count()
    }

    /// Groups of at most `n_rows` rows in a random order, `n` of them: as many epochs as that takes.
    pub(crate) fn shuffled(&self, n_rows: usize, n: usize, rng: &mut Pcg64Mcg) -> Vec<Group> {
        let mut all = Vec::with_capacity(n);
        while all.len() < n {
            let mut epoch = Vec::new();
            for group in &self.groups {
                let mut users = group.users.clone();
                users.shuffle(rng);
                let pieces = users.len().div_ceil(n_rows);
                let size = users.len().div_ceil(pieces);
                epoch.extend(users.chunks(size).map(|users| Group { users: users.to_vec(), ..*group }));
            }
            epoch.shuffle(rng);
            epoch.truncate(n - all.len());
            all.append(&mut epoch);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cut_offs_are_weeks_apart_where_there_are_weeks() {
        let day = SECONDS_PER_DAY;
        let horizon = Horizon { until_s: 1000 * day, n_days: 14 };
        let weekly = horizon.cut_offs(0, 60);
        assert_eq!((weekly.len(), weekly[0], weekly[1]), (60, 986 * day, 979 * day));
        let short = horizon.cut_offs(956 * day, 60);
        assert_eq!((short.len(), short[1]), (9, 984 * day), "16 days of room, two days apart");
        assert_eq!(horizon.cut_offs(980 * day, 60), [986 * day]);
    }
}
