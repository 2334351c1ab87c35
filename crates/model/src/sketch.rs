//! Count-min sketches of what training has drawn, for the logQ correction (the paper, section 5.1 of its loss).

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

const WIDTH: usize = 1 << 20;
const DEPTH: usize = 2;

/// How often each key was met; never below the truth, above it only where keys share every counter.
#[derive(Debug, Clone)]
pub(crate) struct CountMinSketch {
    counters: Vec<u32>,
    multipliers: [u64; DEPTH],
    total: u64,
}

impl CountMinSketch {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = Pcg64Mcg::seed_from_u64(seed);
        let multipliers = std::array::from_fn(|_| rng.random::<u64>() | 1);
        Self { counters: vec![0; WIDTH * DEPTH], multipliers, total: 0 }
    }

    fn cells(&self, key: u64) -> [usize; DEPTH] {
        std::array::from_fn(|row| {
            // multiply-shift: the high bits of an odd multiple are a universal hash
            let hash = (key ^ (key >> 32)).wrapping_mul(self.multipliers[row]);
            row * WIDTH + (hash >> (64 - WIDTH.trailing_zeros())) as usize
        })
    }

    pub(crate) fn add(&mut self, key: u64) {
        for cell in self.cells(key) {
            self.counters[cell] = self.counters[cell].saturating_add(1);
        }
        self.total += 1;
    }

    pub(crate) fn count(&self, key: u64) -> u32 {
        self.cells(key).map(|cell| self.counters[cell]).into_iter().min().unwrap_or(0)
    }

    pub(crate) const fn total(&self) -> u64 {
        self.total
    }

    pub(crate) fn counters(&self) -> &[u32] {
        &self.counters
    }

    /// Take over saved counters; the length must be that of [`Self::counters`].
    pub(crate) fn restore(&mut self, counters: Vec<u32>, total: u64) {
        self.counters = counters;
        self.total = total;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_never_low_and_seldom_high() {
        let mut sketch = CountMinSketch::new(7);
        for key in 0..50_000_u64 {
            for _ in 0..=(key % 3) {
                sketch.add(key);
            }
        }
        let truth = |key: u64| (key % 3 + 1) as u32;
        assert!((0..50_000).all(|key| sketch.count(key) >= truth(key)));
        let high = (0..50_000).filter(|&key| sketch.count(key) > truth(key)).count();
        assert!(high < 1_000, "{high} of 50,000 counts are too high");
        assert_eq!(sketch.total(), (0..50_000_u64).map(|key| key % 3 + 1).sum::<u64>());
    }
}
