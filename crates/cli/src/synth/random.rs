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

/// A rank in `0..n` by Zipf's law of exponent 1: rank r has probability ln(1 + 1/(r+1)) / ln(n+1).
pub(crate) fn zipf(rng: &mut Pcg64Mcg, n: u32) -> u32 {
    let rank = (f64::from(n) + 1.0).powf(rng.random()) as u32;
    (rank - 1).min(n - 1)
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
        let first = mean(|| f64::from(u8::from(zipf(&mut rng, 100) == 0)));
        assert!((first - 2.0_f64.ln() / 101.0_f64.ln()).abs() < 0.02, "{first}");
    }

    #[test]
    fn a_name_is_a_stream() {
        let draw = |seed, a| generator(seed, Purpose::Day, a, 0).random::<u64>();
        assert_eq!(draw(1, 2), draw(1, 2));
        assert_ne!(draw(1, 2), draw(1, 3));
        assert_ne!(draw(1, 2), draw(2, 2));
    }
}
