//! Recall of parts of the pairs: of users by how much they did, of items by how popular they are.

use dayvec_report::Interval;

use crate::bootstrap::{Sums, intervals};
use crate::{Outcomes, Truth};

/// Recall@10 of some of the pairs, seen items allowed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GroupRecall {
    /// Mean over the pairs, with its interval over users; 0 without pairs.
    pub recall: Interval,
    /// Users with such a pair.
    pub n_users: usize,
    /// Distinct (user, relevant item) pairs.
    pub n_pairs: usize,
}

impl Outcomes {
    /// Recall over the pairs of the users for whose row in the history `keep` holds.
    #[must_use]
    pub fn recall_of_users(&self, keep: &dyn Fn(usize) -> bool) -> GroupRecall {
        let kept = self.users.iter().zip(&self.allowed).filter(|(user, _)| keep(**user));
        self.recall_of(kept.map(|(_, outcome)| (outcome.hits.len(), outcome.n_pairs as usize)))
    }

    /// Recall over the pairs for whose item row `keep` holds. `truth` is the one that was measured.
    #[must_use]
    pub fn recall_of_items(&self, truth: &Truth, keep: &dyn Fn(u32) -> bool) -> GroupRecall {
        let kept = |items: &[u32]| items.iter().filter(|item| keep(**item)).count();
        let users = self.allowed.iter().zip(&truth.relevant);
        self.recall_of(users.map(|(outcome, relevant)| (kept(&outcome.hits), kept(relevant))))
    }

    /// Of (hits, pairs) a user.
    fn recall_of(&self, users: impl Iterator<Item = (usize, usize)>) -> GroupRecall {
        let sums = users.filter(|&(_, pairs)| pairs > 0);
        let sums: Vec<[Sums; 1]> =
            sums.map(|(hits, pairs)| [Sums { over: hits as f64, under: pairs as f64 }]).collect();
        let [recall] = intervals(&sums, self.n_resamples, self.seed);
        let n_pairs = sums.iter().map(|[sum]| sum.under as usize).sum();
        GroupRecall { recall, n_users: sums.len(), n_pairs }
    }
}

/// At most `n` ranges of about equally many of `numbers`, ascending, both ends included: equal numbers are never separated.
#[must_use]
pub fn ranges(mut numbers: Vec<u64>, n: usize) -> Vec<(u64, u64)> {
    numbers.sort_unstable();
    let mut ranges = Vec::new();
    let mut start = 0;
    for part in 1..=n {
        let end = part * numbers.len() / n.max(1);
        if end <= start {
            continue;
        }
        let last = numbers[end - 1];
        ranges.push((numbers[start], last));
        start = numbers.partition_point(|&number| number <= last);
    }
    ranges
}

/// `rows` in `n` parts of equally many, by ascending number; equal numbers in the order of `rows`. A part is empty
/// where there are fewer rows than parts.
#[must_use]
pub fn equal_parts(rows: &[u32], number: &dyn Fn(u32) -> u64, n: usize) -> Vec<Vec<u32>> {
    let mut rows = rows.to_vec();
    rows.sort_by_key(|&row| number(row));
    let end = |part: usize| part * rows.len() / n.max(1);
    (0..n).map(|part| rows[end(part)..end(part + 1)].to_vec()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcomes::UserOutcome;

    fn outcome(hits: &[u32], n_pairs: u32) -> UserOutcome {
        let hits = hits.to_vec();
        UserOutcome { n_pairs, hits, ndcg: 0.0, listed: 0, first: Vec::new(), entropy: None }
    }

    /// Users 3, 5 and 8 have the relevant items 0 1 2, 1 and none, and find 0 2, nothing and nothing.
    fn three_users() -> (Outcomes, Truth) {
        let outcomes = Outcomes {
            scorer: "model".into(),
            users: vec![3, 5, 8],
            n_outside: vec![0; 3],
            n_eligible: 4,
            allowed: vec![outcome(&[0, 2], 3), outcome(&[], 1), outcome(&[], 0)],
            filtered: Vec::new(),
            n_resamples: 20,
            seed: 1,
        };
        let relevant = vec![vec![0, 1, 2], vec![1], Vec::new()];
        let (users, n_outside) = (outcomes.users.clone(), outcomes.n_outside.clone());
        (outcomes, Truth { users, relevant, eligible: vec![true; 4], n_outside })
    }

    fn figures(group: &GroupRecall) -> (f64, usize, usize) {
        (group.recall.value, group.n_users, group.n_pairs)
    }

    #[test]
    fn recall_of_users_counts_their_pairs() {
        let (outcomes, _) = three_users();
        assert_eq!(figures(&outcomes.recall_of_users(&|_| true)), (0.5, 2, 4));
        assert_eq!(figures(&outcomes.recall_of_users(&|user| user == 3)), (2.0 / 3.0, 1, 3));
        assert_eq!(figures(&outcomes.recall_of_users(&|user| user == 8)), (0.0, 0, 0));
    }

    #[test]
    fn recall_of_items_counts_the_pairs_with_them() {
        let (outcomes, truth) = three_users();
        assert_eq!(figures(&outcomes.recall_of_items(&truth, &|item| item == 2)), (1.0, 1, 1));
        assert_eq!(figures(&outcomes.recall_of_items(&truth, &|item| item < 2)), (1.0 / 3.0, 2, 3));
        assert_eq!(figures(&outcomes.recall_of_items(&truth, &|item| item == 3)), (0.0, 0, 0));
    }

    #[test]
    fn ranges_hold_equal_numbers_together() {
        let check = |numbers: &[u64], n, expected: &[(u64, u64)]| {
            assert_eq!(ranges(numbers.to_vec(), n), expected, "{numbers:?}");
        };
        check(&[9, 1, 2, 5, 3, 4], 3, &[(1, 2), (3, 4), (5, 9)]);
        check(&[1, 1, 1, 1, 2, 7], 3, &[(1, 1), (2, 7)]);
        check(&[4], 3, &[(4, 4)]);
        check(&[], 3, &[]);
    }

    #[test]
    fn parts_are_equally_large() {
        let parts = equal_parts(&[0, 1, 2, 3, 4], &|row| [5, 0, 5, 9, 1][row as usize], 2);
        assert_eq!(parts, [vec![1, 4], vec![0, 2, 3]]);
        assert_eq!(equal_parts(&[7], &|_| 0, 3), [vec![], vec![], vec![7]]);
    }
}
