//! What is known of a user, and of each pair of the user and an item, as numbers. **Ages count from the user's newest action,
//! never from a clock.**

use dayvec_core::{Day, SECONDS_PER_DAY};
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use crate::by_item::{ByItem, ItemAction, UserAsOf};

/// Statistics of a pair of user and item, in the order of `pair_statistics`.
pub const PAIR_STATISTICS: usize = 15;
/// Statistics of a user, in the order of `user_statistics`.
pub const USER_STATISTICS: usize = 7;

/// Half-lives of decayed counts, in days.
const HALF_LIVES: [f64; 4] = [7.0, 21.0, 60.0, 180.0];
/// Counts above this are not told apart.
const MOST_COUNTED: f64 = 20.0;
/// An age and a gap are told apart up to this logarithm of their ratio.
const MOST_LOG_RATIO: f64 = 3.0;
/// Brings logarithms of days and capped counts to about one.
const SCALE: f64 = 3.0;
const RECENT_DAYS: f64 = 28.0;

/// The histories of some rows in columns: row `b` owns the pairs from `starts[b]` to the next row's start.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Histories {
    /// First pair of each row, `[B]`.
    pub starts: Vec<i64>,
    /// Item of each pair, `[P]`; ascending within a row.
    pub items: Vec<i64>,
    /// Statistics of each pair, row-major `[P, PAIR_STATISTICS]`.
    pub pairs: Vec<f32>,
    /// Statistics of each row's user, row-major `[B, USER_STATISTICS]`.
    pub users: Vec<f32>,
}

impl Histories {
    /// The histories of `rows`, in that order. A row without an action has no pair, and zeros.
    #[must_use]
    pub fn of(by_item: &ByItem<'_>, rows: &[UserAsOf]) -> Self {
        let each: Vec<Self> = rows.par_iter().map(|&row| Self::of_row(by_item, row)).collect();
        let mut all = Self::default();
        for row in each {
            all.starts.push(all.items.len() as i64);
            all.items.extend(row.items);
            all.pairs.extend(row.pairs);
            all.users.extend(row.users);
        }
        all
    }

    fn of_row(by_item: &ByItem<'_>, row: UserAsOf) -> Self {
        let mut history = Self { users: vec![0.0; USER_STATISTICS], ..Self::default() };
        let Some(newest_s) = by_item.newest(row) else { return history };
        let mut sums = UserSums::default();
        by_item.for_each_item(row, |item, actions| {
            history.items.push(i64::from(item));
            history.pairs.extend(pair_statistics(actions, newest_s).map(|x| x as f32));
            sums.add(actions, newest_s);
        });
        history.users = user_statistics(&mut sums).map(|x| x as f32).to_vec();
        history
    }

    /// Number of rows.
    #[must_use]
    pub const fn n_rows(&self) -> usize {
        self.starts.len()
    }

    /// Distinct items of a row.
    #[must_use]
    pub fn items_of(&self, row: usize) -> &[i64] {
        let end = self.starts.get(row + 1).map_or(self.items.len(), |&end| end as usize);
        &self.items[self.starts[row] as usize..end]
    }
}

fn days(seconds: i64) -> f64 {
    seconds as f64 / SECONDS_PER_DAY as f64
}

/// Statistics of a pair from its actions, oldest first, as of `newest_s`, the time of the user's newest action on any item:
/// the logarithm of 1 + positives decayed with half-lives of 7, 21, 60, 180 days and not at all (0–4), of 1 + days since
/// the last / 3 (5), of 1 + other actions (6), of 1 + days with an action (7), of 1 + days from the first to the last / 3
/// (8), of 1 + their mean gap in days / 3 (9), of (days since the last + 1) / (mean gap + 1), within ± 3 (10), whether
/// there is only one day (11), and the counts decayed with 21, 60 and 180 days, at most 20, / 3 (12–14).
fn pair_statistics(actions: &[ItemAction], newest_s: i64) -> [f64; PAIR_STATISTICS] {
    let mut decayed = [0.0; HALF_LIVES.len()];
    let mut positives = 0.0;
    for action in actions.iter().filter(|action| action.positive) {
        let age = days(newest_s - action.timestamp);
        positives += 1.0;
        for (sum, half_life) in decayed.iter_mut().zip(HALF_LIVES) {
            *sum += (-age / half_life).exp2();
        }
    }
    let others = actions.len() as f64 - positives;
    let (first, last) = (actions[0].timestamp, actions[actions.len() - 1].timestamp);
    let n_days = days_with_action(actions) as f64;
    let (age, span) = (days(newest_s - last), days(last - first));
    let gap = if n_days > 1.0 { span / (n_days - 1.0) } else { 0.0 };
    let overdue = if n_days > 1.0 { ((age + 1.0) / (gap + 1.0)).ln() } else { 0.0 };
    let capped = |sum: f64| sum.min(MOST_COUNTED) / SCALE;
    [
        decayed[0].ln_1p(),
        decayed[1].ln_1p(),
        decayed[2].ln_1p(),
        decayed[3].ln_1p(),
        positives.ln_1p(),
        age.ln_1p() / SCALE,
        others.ln_1p(),
        n_days.ln_1p(),
        span.ln_1p() / SCALE,
        gap.ln_1p() / SCALE,
        overdue.clamp(-MOST_LOG_RATIO, MOST_LOG_RATIO),
        f64::from(u8::from(n_days < 2.0)),
        capped(decayed[1]),
        capped(decayed[2]),
        capped(decayed[3]),
    ]
}

/// Distinct days of actions in the order of time.
pub(crate) fn days_with_action(actions: &[ItemAction]) -> usize {
    actions.chunk_by(|a, b| day(a) == day(b)).count()
}

fn day(action: &ItemAction) -> Day {
    Day::of_timestamp(action.timestamp)
}

/// What [`user_statistics`] are made of.
#[derive(Default)]
struct UserSums {
    actions: f64,
    recent: f64,
    items: f64,
    oldest_age: f64,
    days: Vec<Day>,
}

impl UserSums {
    fn add(&mut self, actions: &[ItemAction], newest_s: i64) {
        self.items += 1.0;
        for action in actions {
            let age = days(newest_s - action.timestamp);
            self.actions += 1.0;
            self.recent += f64::from(u8::from(age < RECENT_DAYS));
            self.oldest_age = self.oldest_age.max(age);
            self.days.push(day(action));
        }
    }
}

/// Statistics of a user: the logarithm of 1 + actions (0), actions of the last 28 days (1), distinct items (2), days since
/// the first action (3), days with an action (4), distinct items by action (5), and the share of the last 28 days (6).
fn user_statistics(sums: &mut UserSums) -> [f64; USER_STATISTICS] {
    sums.days.sort_unstable();
    sums.days.dedup();
    [
        sums.actions.ln_1p(),
        sums.recent.ln_1p(),
        sums.items.ln_1p(),
        sums.oldest_age.ln_1p(),
        (sums.days.len() as f64).ln_1p(),
        sums.items / sums.actions,
        sums.recent / sums.actions,
    ]
}
