//! Generators named by what they are for, so that any event can be drawn without drawing those before it.

use rand::RngExt as _;
use rand_distr::{Exp1, Poisson, StandardNormal};
use rand_pcg::Pcg64Mcg;
use xxhash_rust::xxh3::xxh3_128_with_seed;

/// What a generator draws; part of its name.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    /// Habits of a user: appetite, preferred hour.
    Habits,
    /// A user's interests from the first week on.
    Taste,
    /// A user's favourite items of an interest.
    Favourites,
    /// One user's events of one day.
    Day,
    /// Title of an item.
    Title,
    /// Centre of an interest in the embedding space.
    Centre,
    /// An item's place around its centre.
    Embedding,
    /// A user's bursts, by period.
    Burst,
    /// An interest's hits, by period.
    Hit,
    /// Day on which an item is born.
    Birth,
    /// Whether a user is thin.
    Thin,
    /// A user's possible tastes after the cut-off, for the truth; never in a log.
    Future,
}

/// The generator for `purpose` of (`a`, `b`): a pure function of its arguments.
pub(crate) fn generator(seed: u64, purpose: Purpose, a: u64, b: u64) -> Pcg64Mcg {
    let mut name = [0; 24];
    name[..8].copy_from_slice(&(purpose as u64).to_le_bytes());
    name[8..16].copy_from_slice(&a.to_le_bytes());
    name[16..].copy_from_slice(&b.to_le_bytes());
    Pcg64Mcg::new(xxh3_128_with_seed(&name, seed))
}

/// A standard normal number.
pub(crate) fn normal(rng: &mut Pcg64Mcg) -> f64 {
    rng.sample(StandardNormal)
}

/// An exponential number with mean 1.
pub(crate) fn exponential(rng: &mut Pcg64Mcg) -> f64 {
    rng.sample(Exp1)
}

/// A Poisson number with mean `mean`, at most `most`; 0 for a mean that is not positive.
pub(crate) fn poisson(rng: &mut Pcg64Mcg, mean: f64, most: u32) -> u32 {
    Poisson::new(mean).map_or(0, |poisson| rng.sample(poisson).min(f64::from(most)) as u32)
}

/// Popularity of the ranks `0..n`: rank r has the mass of [r + 1, r + 2) under a density ∝ x^-exponent on [1, n + 1). With
/// exponent 1, Zipf's law, that is ln(1 + 1/(r+1)) / ln(n+1).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ranks {
    pub(crate) n: u32,
    pub(crate) exponent: f64,
}

impl Ranks {
    /// Draw a rank.
    pub(crate) fn draw(self, rng: &mut Pcg64Mcg) -> u32 {
        let end = f64::from(self.n) + 1.0;
        let uniform: f64 = rng.random();
        let place = if self.is_log() {
            end.powf(uniform)
        } else {
            let power = 1.0 - self.exponent;
            (uniform * (end.powf(power) - 1.0) + 1.0).powf(1.0 / power)
        };
        ((place as u32).max(1) - 1).min(self.n - 1)
    }

    /// Probability of `rank`.
    pub(crate) fn mass(self, rank: u32) -> f64 {
        let (from, end) = (f64::from(rank) + 1.0, f64::from(self.n) + 1.0);
        if self.is_log() {
            (1.0 / from).ln_1p() / end.ln()
        } else {
            let power = 1.0 - self.exponent;
            ((from + 1.0).powf(power) - from.powf(power)) / (end.powf(power) - 1.0)
        }
    }

    fn is_log(self) -> bool {
        (self.exponent - 1.0).abs() < 1e-9
    }
}

/// An index of `weights`, drawn in proportion to them.
pub(crate) fn weighted(rng: &mut Pcg64Mcg, weights: &[f32]) -> usize {
    let mut left = rng.random::<f32>() * weights.iter().sum::<f32>();
    for (idx, weight) in weights.iter().enumerate() {
        left -= weight;
        if left < 0.0 {
            return idx;
        }
    }
    weights.len() - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean(mut draw: impl FnMut() -> f64) -> f64 {
        (0..20_000).map(|_| draw()).sum::<f64>() / 20_000.0
    }

    #[test]
    fn draws_have_their_means() {
        let mut rng = generator(1, Purpose::Day, 2, 3);
        assert!(mean(|| normal(&mut rng)).abs() < 0.03);
        assert!((mean(|| exponential(&mut rng)) - 1.0).abs() < 0.03);
        assert!((mean(|| f64::from(poisson(&mut rng, 0.7, 40))) - 0.7).abs() < 0.03);
        assert!((mean(|| weighted(&mut rng, &[1.0, 0.0, 3.0]) as f64) - 1.5).abs() < 0.03);
    }

    #[test]
    fn ranks_are_drawn_by_their_masses() {
        let mut rng = generator(1, Purpose::Day, 2, 4);
        for exponent in [0.0, 0.7, 1.0, 1.6] {
            let ranks = Ranks { n: 100, exponent };
            assert!(((0..100).map(|rank| ranks.mass(rank)).sum::<f64>() - 1.0).abs() < 1e-12);
            for rank in [0, 3] {
                let share = mean(|| f64::from(u8::from(ranks.draw(&mut rng) == rank)));
                assert!((share - ranks.mass(rank)).abs() < 0.02, "{exponent}, {rank}: {share}");
            }
        }
        let zipf = Ranks { n: 100, exponent: 1.0 };
        assert!((zipf.mass(0) - 2.0_f64.ln() / 101.0_f64.ln()).abs() < 1e-12);
    }

    #[test]
    fn a_name_is_a_stream() {
        let draw = |seed, a| generator(seed, Purpose::Day, a, 0).random::<u64>();
        assert_eq!(draw(1, 2), draw(1, 2));
        assert_ne!(draw(1, 2), draw(1, 3));
        assert_ne!(draw(1, 2), draw(2, 2));
    }
}
