//! How often two items are acted on together, from sequences.
//!
//! Every action of an item hands out a weight of about 1, shared evenly by the item's partners in that basket, so a
//! basket of 500 items counts 500 actions and not 125,000 pairs. In a basket of more than `max_partners` others each
//! item is paired with that many, drawn at random, which bounds the work as well.

use dayvec_core::{Day, Sequences};
use rand::seq::SliceRandom;
use rand_pcg::Pcg64;

use crate::csr::Csr;
use crate::options::{Basket, BuildOptions};

/// Items of the next basket that each item of a basket is paired with: enough to tie baskets together, few enough
/// that the pairs within baskets stay most of the work.
const NEIGHBOUR_PARTNERS: usize = 4;

/// The distinct items of every basket, users one after the other, oldest basket first.
#[derive(Debug, Default)]
pub(crate) struct Baskets {
    items: Vec<u32>,
    ends: Vec<usize>,
    /// Whether the basket is its user's first one.
    opens: Vec<bool>,
}

impl Baskets {
    /// `rows` gives the row of each of the sequences' items in the table that is being built.
    pub(crate) fn of(sequences: &Sequences, rows: &[u32], basket: Basket) -> Self {
        let mut baskets = Self::default();
        for user in 0..sequences.n_users() {
            let mut previous = None;
            for at in sequences.range(user).rev() {
                let timestamp = sequences.actions.timestamp[at];
                match previous {
                    Some(before) if is_same_basket(basket, before, timestamp) => {}
                    _ => baskets.open(previous.is_none()),
                }
                baskets.items.push(rows[sequences.actions.item[at] as usize]);
                previous = Some(timestamp);
            }
            if previous.is_some() {
                baskets.close();
            }
        }
        baskets
    }

    fn open(&mut self, first_of_user: bool) {
        if !first_of_user {
            self.close();
        }
        self.opens.push(first_of_user);
    }

    /// A basket of a user of its own.
    #[cfg(test)]
    pub(crate) fn push(&mut self, items: &[u32]) {
        self.opens.push(true);
        self.items.extend_from_slice(items);
        self.close();
    }

    /// Sort the open basket and drop repeats.
    fn close(&mut self) {
        let start = self.ends.last().copied().unwrap_or(0);
        self.items[start..].sort_unstable();
        let mut kept = start;
        for at in start..self.items.len() {
            if kept == start || self.items[at] != self.items[kept - 1] {
                self.items[kept] = self.items[at];
                kept += 1;
            }
        }
        self.items.truncate(kept);
        self.ends.push(kept);
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The distinct items of a basket.
    pub(crate) fn items_of(&self, basket: usize) -> &[u32] {
        &self.items[self.range(basket)]
    }

    fn range(&self, basket: usize) -> std::ops::Range<usize> {
        let start = if basket == 0 { 0 } else { self.ends[basket - 1] };
        start..self.ends[basket]
    }

    /// Put the items of each basket into an order drawn at random, so that taking the next ones is sampling.
    fn shuffle(&mut self, seed: u64) {
        let mut rng = Pcg64::new(u128::from(seed), 0x9e37_79b9_7f4a_7c15);
        for basket in 0..self.len() {
            let range = self.range(basket);
            self.items[range].shuffle(&mut rng);
        }
    }

    /// Call `f(a, b, weight)` once for each pair that is counted; `a` and `b` differ.
    fn each_pair(&self, max_partners: usize, neighbour_weight: f32, mut f: impl FnMut(u32, u32, f32)) {
        for basket in 0..self.len() {
            let here = &self.items[self.range(basket)];
            each_pair_within(here, max_partners, &mut f);
            if basket > 0 && !self.opens[basket] && neighbour_weight > 0.0 {
                let before = &self.items[self.range(basket - 1)];
                each_pair_between(before, here, |a, b, weight| f(a, b, weight * neighbour_weight));
            }
        }
    }

    fn n_pairs(&self, max_partners: usize, neighbour_weight: f32) -> usize {
        let mut n_pairs = 0;
        for basket in 0..self.len() {
            let n_here = self.range(basket).len();
            n_pairs += n_here * n_here.saturating_sub(1).min(max_partners) / 2;
            if basket > 0 && !self.opens[basket] && neighbour_weight > 0.0 {
                n_pairs += self.range(basket - 1).len() * n_here.min(NEIGHBOUR_PARTNERS);
            }
        }
        n_pairs
    }
}

fn is_same_basket(basket: Basket, before: i64, after: i64) -> bool {
    match basket {
        Basket::Day => Day::of_timestamp(before) == Day::of_timestamp(after),
        Basket::Session { gap_s } => after - before <= i64::from(gap_s),
    }
}

/// All pairs; or, when each item has more others than `max_partners`, each with the nearest ones around a ring.
fn each_pair_within(items: &[u32], max_partners: usize, f: &mut impl FnMut(u32, u32, f32)) {
    let n = items.len();
    if n < 2 {
        return;
    }
    if n - 1 <= max_partners {
        let weight = 1.0 / (n - 1) as f32;
        for (at, &a) in items.iter().enumerate() {
            for &b in &items[at + 1..] {
                f(a, b, weight);
            }
        }
        return;
    }
    let half = max_partners / 2;
    let weight = 1.0 / (2 * half) as f32;
    for (at, &a) in items.iter().enumerate() {
        for step in 1..=half {
            f(a, items[(at + step) % n], weight);
        }
    }
}

/// Every item of one basket with up to `NEIGHBOUR_PARTNERS` of the next one, taken in turn.
fn each_pair_between(before: &[u32], here: &[u32], mut f: impl FnMut(u32, u32, f32)) {
    let n_partners = here.len().min(NEIGHBOUR_PARTNERS);
    let sampled = here.len() as f32 / n_partners as f32;
    let weight = sampled / before.len().max(here.len()) as f32;
    for (at, &a) in before.iter().enumerate() {
        for step in 0..n_partners {
            let b = here[(at * n_partners + step) % here.len()];
            if a != b {
                f(a, b, weight);
            }
        }
    }
}

/// Symmetric co-occurrence weights `[n_items, n_items]` with an empty diagonal and ascending columns.
pub(crate) fn count_pairs(mut baskets: Baskets, n_items: usize, options: &BuildOptions) -> Csr {
    let neighbour_weight = options.neighbour_weight;
    let mut max_partners = options.max_partners;
    while max_partners > 3 && baskets.n_pairs(max_partners, neighbour_weight) > options.max_pairs {
        max_partners /= 2;
    }
    if max_partners < options.max_partners {
        tracing::info!(
            max_partners,
            options.max_pairs,
            "using fewer partners per item to bound the number of pairs"
        );
    }
    baskets.shuffle(options.seed);
    let mut starts = vec![0_usize; n_items + 1];
    baskets.each_pair(max_partners, neighbour_weight, |a, b, _| {
        starts[a as usize + 1] += 1;
        starts[b as usize + 1] += 1;
    });
    for row in 0..n_items {
        starts[row + 1] += starts[row];
    }
    let mut next = starts.clone();
    let mut partners = vec![(0_u32, 0.0_f32); starts[n_items]];
    baskets.each_pair(max_partners, neighbour_weight, |a, b, weight| {
        for (row, partner) in [(a, b), (b, a)] {
            let at = &mut next[row as usize];
            partners[*at] = (partner, weight);
            *at += 1;
        }
    });
    let mut sums = vec![0.0_f32; n_items];
    let mut touched = Vec::new();
    let rows = (0..n_items).map(|row| {
        for &(partner, weight) in &partners[starts[row]..starts[row + 1]] {
            let sum = &mut sums[partner as usize];
            if *sum == 0.0 {
                touched.push(partner);
            }
            *sum += weight;
        }
        touched.sort_unstable();
        let row: Vec<(u32, f32)> =
            touched.drain(..).map(|partner| (partner, std::mem::take(&mut sums[partner as usize]))).collect();
        row
    });
    Csr::from_rows(n_items, rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn baskets(lists: &[&[u32]]) -> Baskets {
        let mut baskets = Baskets::default();
        lists.iter().for_each(|list| baskets.push(list));
        baskets
    }

    fn row_sums(counts: &Csr) -> Vec<f32> {
        (0..counts.n_rows()).map(|row| counts.row(row).map(|(_, weight)| weight).sum()).collect()
    }

    #[test]
    fn an_action_hands_out_a_weight_of_one_whatever_the_basket() {
        let large: Vec<u32> = (0..50).collect();
        for max_partners in [8, 64] {
            let options = BuildOptions { max_partners, ..BuildOptions::default() };
            let counts = count_pairs(baskets(&[&large, &[0, 1, 1], &[2]]), 50, &options);
            for (item, sum) in row_sums(&counts).into_iter().enumerate() {
                let expected = if item < 2 { 2.0 } else { 1.0 };
                assert!((sum - expected).abs() < 1e-4, "item {item} of {max_partners} partners: {sum}");
            }
            assert_eq!(counts, counts.transpose(), "symmetric, to the bit");
            let n_partners = counts.row(9).len();
            assert_eq!(n_partners, max_partners.min(49));
        }
    }

    #[test]
    fn successive_baskets_of_a_user_share_a_smaller_weight() {
        let mut baskets = Baskets::default();
        for (first_of_user, items) in [(true, [0, 1]), (false, [2, 3])] {
            if first_of_user {
                baskets.opens.push(true);
            } else {
                baskets.open(false);
            }
            baskets.items.extend(items);
        }
        baskets.close();
        let options = BuildOptions { neighbour_weight: 0.5, ..BuildOptions::default() };
        let counts = count_pairs(baskets, 4, &options);
        assert_eq!(counts.row(0).collect::<Vec<_>>(), [(1, 1.0), (2, 0.25), (3, 0.25)]);
    }

    #[test]
    fn the_bound_on_pairs_is_met() {
        let large: Vec<u32> = (0..100).collect();
        let options = BuildOptions { max_pairs: 500, ..BuildOptions::default() };
        let counts = count_pairs(baskets(&[&large]), 100, &options);
        assert!(counts.n_entries() / 2 <= 500, "{}", counts.n_entries());
        assert!(counts.n_entries() > 0);
    }

    #[test]
    fn days_and_sessions_part_baskets() {
        assert!(is_same_basket(Basket::Day, 0, 86_399));
        assert!(!is_same_basket(Basket::Day, 86_399, 86_400));
        let session = Basket::Session { gap_s: 1800 };
        assert!(is_same_basket(session, 86_399, 86_400));
        assert!(!is_same_basket(session, 0, 1801));
    }
}
