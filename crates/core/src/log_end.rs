//! Where a log ends: its last day that has a day's worth of rows.
//!
//! Real logs have rows behind their end: a device whose clock is wrong, a batch that arrived a month late, the first
//! minutes of a day that is still going on. None of them may move what is counted back from the end of the log (the
//! test days of a training), so the end is found from the numbers of rows a day, and what lies behind it is named.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Day;

/// A day counts as one of the log's when it has this share of a typical day's rows: a holiday does, stragglers do not.
const LEAST_SHARE: f64 = 0.1;
/// Days behind the end hold at most this share of all rows together; more of them are a part of the log that is quieter.
const MOST_STRAY: f64 = 0.05;
/// A log does not pause longer than this many days, or this many times its usual distance of two days, whichever is
/// more: shops close for some weeks, and monthly batches are a month apart.
const LONGEST_PAUSE: i32 = 28;
const LONGEST_PAUSE_OF_USUAL: i32 = 10;

/// A day and its number of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayRows {
    /// The day.
    pub day: Day,
    /// Rows of the log on it.
    pub rows: u64,
}

/// Where a log ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEnd {
    /// The last day with a day's worth of rows.
    pub last: Day,
    /// The days after it that have rows all the same, ascending: stragglers, wrong clocks, a day that has just begun.
    pub stray: Vec<DayRows>,
}

/// The days of some timestamps (Unix seconds) with their numbers of rows, ascending; days without rows are left out.
#[must_use]
pub fn rows_per_day(timestamps: &[i64]) -> Vec<DayRows> {
    let mut days: BTreeMap<Day, u64> = BTreeMap::new();
    // Rows of the same day are often neighbours.
    for same in timestamps.chunk_by(|a, b| Day::of_timestamp(*a) == Day::of_timestamp(*b)) {
        *days.entry(Day::of_timestamp(same[0])).or_default() += same.len() as u64;
    }
    days.into_iter().map(|(day, rows)| DayRows { day, rows }).collect()
}

impl LogEnd {
    /// The end of a log with these days, ascending; `None` for a log without rows.
    ///
    /// A typical day has the median number of rows of the busiest days that make up 95 % of the log. The end is the last
    /// day with at least a tenth of that which no implausible pause separates from the days before it (more than 28 days
    /// and ten times the usual distance of two days), provided that at most 5 % of the rows lie behind it. A log that has
    /// more rows behind such a day has become quiet there, and the rule is applied to what follows.
    #[must_use]
    pub fn of(days: &[DayRows]) -> Option<Self> {
        let n_rows = |days: &[DayRows]| days.iter().map(|day| day.rows).sum::<u64>() as f64;
        let most_stray = MOST_STRAY * n_rows(days);
        let mut from = 0;
        while n_rows(&days[from..]) > 0.0 {
            let end = from + end_of(&days[from..], most_stray);
            if n_rows(&days[end + 1..]) <= most_stray {
                return Some(Self { last: days[end].day, stray: days[end + 1..].to_vec() });
            }
            from = end + 1;
        }
        None
    }
}

/// Index of the last of `days` with a day's worth of rows; after a pause that is implausible, only where more than
/// `most_stray` rows follow it.
fn end_of(days: &[DayRows], most_stray: f64) -> usize {
    let least = LEAST_SHARE * typical_rows(days);
    let whole: Vec<usize> = (0..days.len()).filter(|&at| days[at].rows as f64 >= least).collect();
    let pause = |pair: &[usize]| days[pair[1]].day.days_since(days[pair[0]].day);
    let mut pauses: Vec<i32> = whole.windows(2).map(pause).collect();
    pauses.sort_unstable();
    let usual = pauses.get(pauses.len() / 2).copied().unwrap_or(1);
    let longest = LONGEST_PAUSE.max(usual.saturating_mul(LONGEST_PAUSE_OF_USUAL));
    let is_end = |pair: &&[usize]| {
        let after: u64 = days[pair[0] + 1..].iter().map(|day| day.rows).sum();
        pause(pair) > longest && after as f64 <= most_stray
    };
    let cut = whole.windows(2).find(is_end).map(|pair| pair[0]);
    // The busiest day is always a whole one.
    cut.or(whole.last().copied()).unwrap_or(days.len() - 1)
}

/// The median of the numbers of rows of the busiest days that make up 95 % of all.
fn typical_rows(days: &[DayRows]) -> f64 {
    let mut rows: Vec<u64> = days.iter().map(|day| day.rows).collect();
    rows.sort_unstable_by(|a, b| b.cmp(a));
    let enough = (1.0 - MOST_STRAY) * rows.iter().sum::<u64>() as f64;
    let mut so_far = 0.0;
    let busiest = rows.iter().take_while(|&&rows| {
        let before = so_far;
        so_far += rows as f64;
        before < enough
    });
    let n_busiest = busiest.count();
    rows.get(n_busiest / 2).map_or(0.0, |&rows| rows as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log of `rows` rows on each of the days `0..rows.len()`, and of `more` (day, rows).
    fn end(rows: &[u64], more: &[(i32, u64)]) -> Option<(i32, Vec<i32>)> {
        let start: Day = "2024-01-01".parse().unwrap();
        let mut days: BTreeMap<Day, u64> = BTreeMap::new();
        let regular = (0..).zip(rows.iter().copied());
        for (day, rows) in regular.chain(more.iter().copied()).filter(|(_, rows)| *rows > 0) {
            *days.entry(start.plus(day)).or_default() += rows;
        }
        let days: Vec<DayRows> = days.into_iter().map(|(day, rows)| DayRows { day, rows }).collect();
        let end = LogEnd::of(&days)?;
        let stray = end.stray.iter().map(|stray| stray.day.days_since(start)).collect();
        Some((end.last.days_since(start), stray))
    }

    #[test]
    fn the_last_day_of_a_regular_log_is_its_end() {
        assert_eq!(end(&[1000; 60], &[]), Some((59, vec![])));
        assert_eq!(end(&[7], &[]), Some((0, vec![])));
        assert_eq!(end(&[], &[]), None);
        let weekdays: Vec<u64> = (0..200).map(|day| [900, 1000, 1100, 1000, 800, 0, 150][day % 7]).collect();
        assert_eq!(end(&weekdays[..196], &[]), Some((195, vec![])), "a quiet Sunday is a day of the log");
    }

    #[test]
    fn stragglers_wrong_clocks_and_a_day_that_has_just_begun_do_not_move_it() {
        let month_late: Vec<(i32, u64)> = (60..90).map(|day| (day, 1)).collect();
        assert_eq!(end(&[1000; 60], &month_late), Some((59, (60..90).collect())));
        // As many stray days as real ones, with 4 % of the rows.
        let late: Vec<(i32, u64)> = (44..58).map(|day| (day, 40)).collect();
        assert_eq!(end(&[1000; 14], &late), Some((13, (44..58).collect())));
        assert_eq!(end(&[1000; 60], &[(60, 30)]), Some((59, vec![60])), "a thin last day");
        // A clock far ahead, with as many rows as a day.
        assert_eq!(end(&[1000; 60], &[(5128, 900)]), Some((59, vec![5128])));
        assert_eq!(end(&[1000; 60], &[(-19_000, 3), (61, 2), (5128, 900)]), Some((59, vec![61, 5128])));
    }

    #[test]
    fn pauses_bursts_and_decline_are_not_mistaken_for_an_end() {
        // Closed for three weeks, then open again.
        let reopened: Vec<(i32, u64)> = (81..84).map(|day| (day, 900)).collect();
        assert_eq!(end(&[1000; 60], &reopened), Some((83, vec![])));
        // A log of monthly batches.
        let monthly: Vec<(i32, u64)> = (0..60).map(|month| (30 * month, 500)).collect();
        assert_eq!(end(&[], &monthly), Some((59 * 30, vec![])));
        // An import of old events on the first day.
        assert_eq!(end(&[1000; 90], &[(0, 200_000)]), Some((89, vec![])));
        // Growth by three orders of magnitude, and the same backwards.
        let growing: Vec<u64> = (0..300).map(|day| 10 + (f64::from(day) / 40.0).exp() as u64).collect();
        assert_eq!(end(&growing, &[]), Some((299, vec![])));
        let mut quiet = vec![10_000; 30];
        quiet.extend([500; 100]);
        assert_eq!(end(&quiet, &[(140, 3)]), Some((129, vec![140])), "a seventh of the rows are not strays");
        // Of a handful of rows a day, none is thin.
        assert_eq!(end(&[3, 1, 0, 4, 2, 1, 5, 1], &[]), Some((7, vec![])));
    }

    #[test]
    fn rows_are_counted_by_day() {
        let day: Day = "2024-01-01".parse().unwrap();
        let at = |days: i32, seconds: i64| day.plus(days).start_s() + seconds;
        let counted = rows_per_day(&[at(1, 5), at(1, 4), at(0, 86_399), at(1, 0), at(-1, 3)]);
        let expected = [(-1, 1), (0, 1), (1, 3)].map(|(days, rows)| DayRows { day: day.plus(days), rows });
        assert_eq!(counted, expected);
        assert_eq!(rows_per_day(&[]), []);
    }
}
