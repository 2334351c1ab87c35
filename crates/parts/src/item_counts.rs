//! What is known of each item as of a day: the other side of the trend.
//!
//! Everything is counted in whole numbers, so counts of parts of the users add up to the same, in whatever order.

use std::ops::Range;

use dayvec_core::SECONDS_PER_DAY;
use rayon::iter::{IntoParallelIterator, ParallelIterator};

use crate::by_item::{ByItem, ItemAction, UserAsOf};
use crate::history::days_with_action;

/// Statistics of an item, in the order of [`ItemCounts::statistics`].
pub const ITEM_STATISTICS: usize = 16;

/// Days over which positives are counted.
const WINDOWS: [i64; 7] = [1, 3, 7, 14, 28, 84, 365];
/// Days over which distinct users are counted.
const OWNER_WINDOWS: [i64; 3] = [7, 28, 84];
/// Parts of one in which logarithms are added up.
const FIXED_POINT: f64 = (1 << 20) as f64;
/// Users that are counted by one task.
const CHUNK_USERS: usize = 8192;
/// Brings the share of users who came back to about one.
const RETURNED_SCALE: f64 = 3.0;

/// Counts of one item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Counts {
    /// Positives of the last days, by [`WINDOWS`].
    positives: [u32; WINDOWS.len()],
    /// Users with a positive in the last days, by [`OWNER_WINDOWS`].
    owners: [u32; OWNER_WINDOWS.len()],
    /// Those of the longest window who have positives on more than one day.
    returned: u32,
    /// Users who have positives on more than one day, ever.
    repeats: u32,
    /// Sum over them of log(1 + mean gap in days), in [`FIXED_POINT`].
    log_gaps: i64,
    /// Unix seconds of the first and last action of anyone.
    first_s: i64,
    last_s: i64,
}

const NOTHING: Counts = Counts {
    positives: [0; WINDOWS.len()],
    owners: [0; OWNER_WINDOWS.len()],
    returned: 0,
    repeats: 0,
    log_gaps: 0,
    first_s: i64::MAX,
    last_s: i64::MIN,
};

impl Counts {
    /// Add one user's actions, oldest first.
    fn add_user(&mut self, actions: &[ItemAction], until_s: i64) {
        self.first_s = self.first_s.min(actions[0].timestamp);
        self.last_s = self.last_s.max(actions[actions.len() - 1].timestamp);
        let positives: Vec<ItemAction> = actions.iter().copied().filter(|action| action.positive).collect();
        let (Some(first), Some(last)) = (positives.first(), positives.last()) else { return };
        let within = |timestamp: i64, days: i64| until_s - timestamp <= days * SECONDS_PER_DAY;
        for (count, days) in self.positives.iter_mut().zip(WINDOWS) {
            *count +=
                positives.iter().rev().take_while(|action| within(action.timestamp, days)).count() as u32;
        }
        for (count, days) in self.owners.iter_mut().zip(OWNER_WINDOWS) {
            *count += u32::from(within(last.timestamp, days));
        }
        let n_days = days_with_action(&positives);
        if n_days > 1 {
            let span = (last.timestamp - first.timestamp) as f64 / SECONDS_PER_DAY as f64;
            self.repeats += 1;
            self.returned += u32::from(within(last.timestamp, OWNER_WINDOWS[2]));
            self.log_gaps += ((span / (n_days - 1) as f64).ln_1p() * FIXED_POINT).round() as i64;
        }
    }

    fn add(&mut self, other: &Self) {
        let add = |to: &mut [u32], from: &[u32]| to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
        add(&mut self.positives, &other.positives);
        add(&mut self.owners, &other.owners);
        self.returned += other.returned;
        self.repeats += other.repeats;
        self.log_gaps += other.log_gaps;
        self.first_s = self.first_s.min(other.first_s);
        self.last_s = self.last_s.max(other.last_s);
    }

    fn statistics(&self, until_s: i64) -> [f64; ITEM_STATISTICS] {
        let log = |count: u32| f64::from(count).ln_1p();
        let [_, _, c7, _, c28, c84, _] = self.positives.map(f64::from);
        let days_since = |timestamp: i64| {
            let never = timestamp == i64::MAX || timestamp == i64::MIN;
            let days = (until_s - timestamp.clamp(0, until_s)) as f64 / SECONDS_PER_DAY as f64;
            if never { WINDOWS[6] as f64 } else { days }
        };
        let age = if self.first_s == i64::MAX { 0.0 } else { days_since(self.first_s) };
        let share = |part: u32, of: u32| if of > 0 { f64::from(part) / f64::from(of) } else { 0.0 };
        let log_gap =
            if self.repeats > 0 { self.log_gaps as f64 / FIXED_POINT / f64::from(self.repeats) } else { 0.0 };
        let mut all = [0.0; ITEM_STATISTICS];
        all[..7].copy_from_slice(&self.positives.map(log));
        all[7] = (4.0 * c7).ln_1p() - c28.ln_1p();
        all[8] = (3.0 * c28).ln_1p() - c84.ln_1p();
        all[9] = age.ln_1p();
        all[10..13].copy_from_slice(&self.owners.map(log));
        all[13] = days_since(self.last_s).ln_1p();
        all[14] = share(self.returned, self.owners[2]) * RETURNED_SCALE;
        all[15] = log_gap;
        all
    }
}

/// Counts of every item as of a time, over some users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemCounts {
    until_s: i64,
    items: Vec<Counts>,
}

impl ItemCounts {
    /// Of no user.
    #[must_use]
    pub fn none(n_items: usize, until_s: i64) -> Self {
        Self { until_s, items: vec![NOTHING; n_items] }
    }

    /// Of all users, from their actions before `until_s` (Unix seconds), the `history_len` newest of each.
    #[must_use]
    pub fn of(by_item: &ByItem<'_>, until_s: i64, history_len: usize) -> Self {
        let n_items = by_item.sequences().items.ids().len();
        let n_users = by_item.sequences().n_users();
        let chunks: Vec<Range<usize>> =
            (0..n_users).step_by(CHUNK_USERS).map(|first| first..n_users.min(first + CHUNK_USERS)).collect();
        chunks
            .into_par_iter()
            .fold(
                || Self::none(n_items, until_s),
                |mut counts, users| {
                    for user in users {
                        let row = UserAsOf { user, until_s, history_len };
                        by_item.for_each_item(row, |item, actions| {
                            counts.items[item as usize].add_user(actions, until_s);
                        });
                    }
                    counts
                },
            )
            .reduce(|| Self::none(n_items, until_s), Self::plus)
    }

    fn plus(mut self, other: Self) -> Self {
        self.add(&other);
        self
    }

    /// Add the counts of other users, as of the same time.
    ///
    /// # Panics
    /// When they are of another time or another catalogue.
    pub fn add(&mut self, other: &Self) {
        assert_eq!(
            (self.until_s, self.items.len()),
            (other.until_s, other.items.len()),
            "the same day and items"
        );
        for (to, from) in self.items.iter_mut().zip(&other.items) {
            to.add(from);
        }
    }

    /// Unix seconds as of which they are.
    #[must_use]
    pub const fn until_s(&self) -> i64 {
        self.until_s
    }

    /// Unix seconds of the first action on each item; none for an item that was never met.
    pub fn first_actions(&self) -> impl Iterator<Item = Option<i64>> + '_ {
        self.items.iter().map(|counts| (counts.first_s < i64::MAX).then_some(counts.first_s))
    }

    /// Positives of each item in the last 84 days.
    pub(crate) fn lately(&self) -> impl Iterator<Item = u32> + '_ {
        self.items.iter().map(|counts| counts.positives[5])
    }

    /// The statistics of every item, row-major `[I, ITEM_STATISTICS]`: the logarithm of 1 + positives of the last 1, 3, 7,
    /// 14, 28, 84 and 365 days (0–6), their trends over 7 and 28 days (7, 8), the logarithm of 1 + days since the first
    /// action (9), of 1 + distinct users of the last 7, 28 and 84 days (10–12), of 1 + days since the last action (13), the
    /// share of the users of 84 days who came back on another day × 3 (14), and the mean logarithm of 1 + days between
    /// (15).
    #[must_use]
    pub fn statistics(&self) -> Vec<f32> {
        self.items
            .iter()
            .flat_map(|counts| counts.statistics(self.until_s))
            .map(|statistic| statistic as f32)
            .collect()
    }
}
