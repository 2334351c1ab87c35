//! The neighbourhood of every item, by random walks over items and baskets.

use rand::RngExt as _;
use rand_pcg::Pcg64;
use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::options::PinSageOptions;
use crate::cooccurrence::Baskets;
use crate::csr::Csr;

/// Hard negatives come from the ranks after the neighbours, up to this many times their number.
const HARD_RANKS: usize = 4;

/// What the walks from each item met.
#[derive(Debug)]
pub(crate) struct Neighbourhoods {
    /// The most visited items of each, with their shares of the visits: rows sum to 1, or are empty.
    pub(crate) neighbours: Csr, // n × n
    /// The items visited next most, from which hard negatives are drawn.
    pub(crate) less_visited: Vec<Vec<u32>>,
    /// Number of baskets of each item.
    pub(crate) n_baskets: Vec<u32>,
}

impl Neighbourhoods {
    /// Walk from every item, in parallel: each has random numbers of its own, so the result is that of `seed`.
    /// Equally often visited items are ranked by row.
    pub(crate) fn walk(baskets: &Baskets, n_items: usize, options: &PinSageOptions, seed: u64) -> Self {
        let members = Csr::from_rows(
            n_items,
            (0..baskets.len()).map(|basket| baskets.items_of(basket).iter().map(|&item| (item, 1.0))),
        );
        let of_item = members.transpose(); // items × baskets
        let baskets_of: Vec<Vec<u32>> =
            (0..n_items).map(|item| of_item.row(item).map(|(basket, _)| basket).collect()).collect();
        let ranked: Vec<Vec<(u32, u32)>> = (0..n_items)
            .into_par_iter()
            .map(|item| {
                let mut rng = Pcg64::new(u128::from(seed), 0x7069_6e73 ^ ((item as u128) << 32));
                let mut visits: FxHashMap<u32, u32> = FxHashMap::default();
                let mut here = item;
                for _ in 0..options.walk_steps {
                    if baskets_of[item].is_empty() {
                        break;
                    }
                    let basket = baskets_of[here][rng.random_range(0..baskets_of[here].len())];
                    let items = baskets.items_of(basket as usize);
                    here = items[rng.random_range(0..items.len())] as usize;
                    if here != item {
                        *visits.entry(here as u32).or_default() += 1;
                    }
                    if rng.random::<f32>() < options.restart {
                        here = item;
                    }
                }
                let mut ranked: Vec<(u32, u32)> = visits.into_iter().collect();
                ranked.sort_unstable_by(|(a, n_a), (b, n_b)| n_b.cmp(n_a).then(a.cmp(b)));
                ranked.truncate(options.n_neighbours * HARD_RANKS);
                ranked
            })
            .collect();
        let neighbours = ranked.iter().map(|ranked| {
            let nearest = &ranked[..ranked.len().min(options.n_neighbours)];
            let total: u32 = nearest.iter().map(|(_, visits)| visits).sum();
            nearest.iter().map(move |&(item, visits)| (item, visits as f32 / total as f32))
        });
        let rest = |ranked: &Vec<(u32, u32)>| {
            ranked.iter().skip(options.n_neighbours).map(|&(item, _)| item).collect()
        };
        Self {
            neighbours: Csr::from_rows(n_items, neighbours),
            less_visited: ranked.iter().map(rest).collect(),
            n_baskets: baskets_of.iter().map(|baskets| baskets.len() as u32).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn baskets(lists: &[&[u32]]) -> Baskets {
        let mut baskets = Baskets::default();
        lists.iter().for_each(|list| baskets.push(list));
        baskets
    }

    #[test]
    fn one_step_visits_are_those_of_the_graph() {
        // From 0: half of the steps over {0, 1, 2}, half over {0, 1}; away from 0 by 1/6 + 1/4 to 1 and 1/6 to 2.
        let options =
            PinSageOptions { restart: 1.0, walk_steps: 40_000, n_neighbours: 2, ..PinSageOptions::default() };
        let around = Neighbourhoods::walk(&baskets(&[&[0, 1, 2], &[0, 1], &[3]]), 5, &options, 1);
        let shares: Vec<(u32, f32)> = around.neighbours.row(0).collect();
        assert_eq!(shares.iter().map(|&(item, _)| item).collect::<Vec<_>>(), [1, 2]);
        assert!((shares[0].1 - 5.0 / 7.0).abs() < 0.01, "{shares:?}");
        assert!((shares[0].1 + shares[1].1 - 1.0).abs() < 1e-6);
        assert_eq!(around.n_baskets, [2, 2, 1, 1, 0]);
        assert_eq!((around.neighbours.row(3).len(), around.neighbours.row(4).len()), (0, 0));
    }

    #[test]
    fn neighbours_are_the_most_visited_and_hard_negatives_the_next() {
        let all: Vec<u32> = (0..30).collect();
        let mut lists: Vec<&[u32]> = vec![&all];
        lists.extend([&[0_u32, 7, 9] as &[u32]; 40]);
        let options = PinSageOptions { n_neighbours: 2, ..PinSageOptions::default() };
        let around = Neighbourhoods::walk(&baskets(&lists), 30, &options, 3);
        let mut nearest: Vec<u32> = around.neighbours.row(0).map(|(item, _)| item).collect();
        nearest.sort_unstable();
        assert_eq!(nearest, [7, 9]);
        assert_eq!(around.less_visited[0].len(), 2 * (HARD_RANKS - 1));
        assert!(around.less_visited[0].iter().all(|item| ![0, 7, 9].contains(item)));
        let again = Neighbourhoods::walk(&baskets(&lists), 30, &options, 3);
        assert_eq!((&again.neighbours, &again.less_visited), (&around.neighbours, &around.less_visited));
        assert_ne!(Neighbourhoods::walk(&baskets(&lists), 30, &options, 4).neighbours, around.neighbours);
    }
}
