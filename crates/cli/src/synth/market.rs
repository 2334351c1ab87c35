//! What is on offer: how popular each item of an interest is on a day, which items are born yet, and which one is the hit.
//!
//! An item's weight is its popularity by rank, halved with every half-life of its age. Ages grow alike, so a day's
//! probabilities are the weights of the items born by then over their sum: with the items of an interest in the order of
//! birth, one table of running sums serves every day.

use rand::RngExt as _;
use rand_pcg::Pcg64Mcg;

use super::options::SynthOptions;
use super::random::{Purpose, Ranks, generator};

/// The items of all interests over the days of a log.
#[derive(Debug)]
pub(crate) struct Market<'a> {
    pub(crate) options: &'a SynthOptions,
    /// One shelf an interest where items are born during the log; empty where they are all there from the start.
    shelves: Vec<Shelf>,
}

/// The items of one interest in the order of birth.
#[derive(Debug)]
struct Shelf {
    ranks: Vec<u32>,
    births: Vec<i32>,
    /// Sum of the weights up to and including each item.
    sums: Vec<f64>,
}

impl Shelf {
    /// Number of items that are born by `day`.
    fn n_born(&self, day: u32) -> usize {
        self.births.partition_point(|&birth| birth <= day as i32)
    }

    fn total(&self, day: u32) -> f64 {
        self.n_born(day).checked_sub(1).map_or(0.0, |last| self.sums[last])
    }
}

impl<'a> Market<'a> {
    pub(crate) fn new(options: &'a SynthOptions) -> Self {
        let mut market = Self { options, shelves: Vec::new() };
        if options.new_items > 0.0 {
            market.shelves = (0..options.n_interests).map(|interest| market.shelf(interest)).collect();
        }
        market
    }

    fn shelf(&self, interest: u32) -> Shelf {
        let mut born: Vec<(i32, u32)> = (0..self.options.items_of(interest))
            .map(|rank| (self.birth(self.options.item_of(interest, rank)), rank))
            .collect();
        born.sort_unstable();
        let sums = born.iter().scan(0.0, |sum, &(_, rank)| {
            *sum += self.weight(interest, rank);
            Some(*sum)
        });
        Shelf {
            sums: sums.collect(),
            ranks: born.iter().map(|&(_, rank)| rank).collect(),
            births: born.iter().map(|&(birth, _)| birth).collect(),
        }
    }

    /// Day on which an item is born; negative before the log, and so for all items of a catalogue that does not grow.
    pub(crate) fn birth(&self, item: u32) -> i32 {
        if self.options.new_items == 0.0 {
            return -1;
        }
        let n_days = f64::from(self.options.n_days);
        let ago: f64 = generator(self.options.seed, Purpose::Birth, u64::from(item), 0).random();
        (n_days - ago * n_days / self.options.new_items).floor() as i32
    }

    /// Weight of an item among those of its interest; it does not change with the day.
    pub(crate) fn weight(&self, interest: u32, rank: u32) -> f64 {
        let options = self.options;
        let popularity = self.ranks(interest).mass(rank);
        if options.half_life_days == 0.0 {
            return popularity;
        }
        let age_at_end = f64::from(options.n_days) - f64::from(self.birth(options.item_of(interest, rank)));
        popularity * (-age_at_end / options.half_life_days).exp2()
    }

    /// Sum of the weights of the items of `interest` that are born by `day`.
    pub(crate) fn total(&self, interest: u32, day: u32) -> f64 {
        self.shelves.get(interest as usize).map_or(1.0, |shelf| shelf.total(day))
    }

    /// Probability that `rank` is the hit of `interest` on `day`, where `is_known` says whether its hit is known; none without a hit.
    pub(crate) fn hit_chance(&self, interest: u32, rank: u32, day: u32, is_known: bool) -> Option<f64> {
        if is_known {
            self.hit(interest, day).map(|hit| f64::from(u8::from(hit == rank)))
        } else {
            Some(1.0 / self.n_born(interest, day) as f64)
        }
    }

    /// Number of items of `interest` that are born when the period of hits of `day` begins.
    fn n_born(&self, interest: u32, day: u32) -> usize {
        let period_start = day / self.options.hit_days * self.options.hit_days;
        let all = self.options.items_of(interest) as usize;
        self.shelves.get(interest as usize).map_or(all, |shelf| shelf.n_born(period_start))
    }

    /// A rank of `interest` by popularity on `day`; none when no item is born yet.
    pub(crate) fn draw(&self, interest: u32, day: u32, rng: &mut Pcg64Mcg) -> Option<u32> {
        let Some(shelf) = self.shelves.get(interest as usize) else {
            return Some(self.ranks(interest).draw(rng));
        };
        let n_born = shelf.n_born(day);
        let place = rng.random::<f64>() * shelf.total(day);
        let nth = shelf.sums[..n_born].partition_point(|&sum| sum <= place);
        shelf.ranks[..n_born].get(nth.min(n_born.saturating_sub(1))).copied()
    }

    /// The `nth` favourite of `user` in `interest`, an item that was there on the first day; none when there was none.
    pub(crate) fn favourite(&self, user: u64, interest: u32, nth: u32) -> Option<u32> {
        let key = u64::from(interest) << 32 | u64::from(nth);
        self.draw(interest, 0, &mut generator(self.options.seed, Purpose::Favourites, user, key))
    }

    /// The hit of `interest` on `day`: any of the items that are born when its period begins, alike.
    pub(crate) fn hit(&self, interest: u32, day: u32) -> Option<u32> {
        let period = day / self.options.hit_days;
        let mut rng = generator(self.options.seed, Purpose::Hit, u64::from(interest), u64::from(period));
        match self.shelves.get(interest as usize) {
            None => Some(rng.random_range(0..self.options.items_of(interest))),
            Some(shelf) => match shelf.n_born(period * self.options.hit_days) {
                0 => None,
                n_born => Some(shelf.ranks[rng.random_range(0..n_born)]),
            },
        }
    }

    const fn ranks(&self, interest: u32) -> Ranks {
        Ranks { n: self.options.items_of(interest), exponent: self.options.popularity_exponent }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_drawn_by_weight_among_those_that_are_born() {
        let options = SynthOptions {
            n_items: 40,
            n_interests: 2,
            n_days: 20,
            new_items: 0.6,
            half_life_days: 4.0,
            ..SynthOptions::default()
        };
        let market = Market::new(&options);
        let n_late = (0..40).filter(|&item| market.birth(item) >= 0).count();
        assert!((12..=36).contains(&n_late), "{n_late} of 40 are born during the log");
        for day in [3, 12] {
            let mut counts = [0_u32; 20];
            let mut rng = generator(1, Purpose::Day, 0, 0);
            for _ in 0..40_000 {
                counts[market.draw(1, day, &mut rng).unwrap() as usize] += 1;
            }
            // Directly: the popularity of the rank, halved every four days of age on that day.
            let now = |rank: u32| {
                let age = f64::from(day) - f64::from(market.birth(options.item_of(1, rank)));
                if age < 0.0 { 0.0 } else { (1.0 + 1.0 / f64::from(rank + 1)).ln() * 0.5_f64.powf(age / 4.0) }
            };
            let total: f64 = (0..20).map(now).sum();
            for rank in 0..20 {
                let (expected, found) = (now(rank) / total, f64::from(counts[rank as usize]) / 40_000.0);
                assert!((found - expected).abs() < 0.012, "day {day}, rank {rank}: {found} for {expected}");
                let mass = market.weight(1, rank) / market.total(1, day);
                assert!(expected == 0.0 || (mass - expected).abs() < 1e-9, "{mass} for {expected}");
            }
        }
    }

    #[test]
    fn a_hit_lasts_its_period() {
        let options = SynthOptions { hit_days: 3, ..SynthOptions::default() };
        let market = Market::new(&options);
        let hits: Vec<_> = (0..60).map(|day| market.hit(5, day)).collect();
        assert!(hits.chunks(3).all(|period| period[0] == period[2]));
        assert!(hits.chunks(3).collect::<std::collections::BTreeSet<_>>().len() > 15);
    }
}
