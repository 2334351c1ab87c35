//! What a user is interested in, week by week: a few interests that wander slowly over the ring of all interests.

use rand::RngExt as _;

use super::options::SynthOptions;
use super::random::{Purpose, generator};

/// Interests that a user has at any time.
const N_INTERESTS: usize = 3;
/// Of the moves of an interest, the share that leads anywhere instead of to a neighbour on the ring.
const JUMPS: f64 = 0.1;
/// Most that the log-weight of an interest changes in a week, and the most it can be.
const WEIGHT_STEP: f32 = 0.3;
const WEIGHT_BOUND: f32 = 1.5;

/// A user's interests in one week.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Taste {
    /// Interests, counted in `0..n_interests`; two may be the same.
    pub(crate) interests: [u32; N_INTERESTS],
    /// How much the user cares for each; not normalised.
    pub(crate) weights: [f32; N_INTERESTS],
}

impl Taste {
    /// The taste of `user` in `week`, walked from week 0 on: a pure function, with no state between weeks.
    pub(crate) fn of(options: &SynthOptions, user: u64, week: u32) -> Self {
        let mut rng = generator(options.seed, Purpose::Taste, user, 0);
        let n = options.n_interests;
        let mut interests = [0; N_INTERESTS].map(|_: u32| rng.random_range(0..n));
        let mut log_weights = [0.0; N_INTERESTS].map(|_: f32| rng.random_range(-WEIGHT_BOUND..WEIGHT_BOUND));
        for _ in 0..week {
            for (interest, log_weight) in interests.iter_mut().zip(&mut log_weights) {
                if rng.random_bool(options.drift_per_week) {
                    *interest = match rng.random_bool(JUMPS) {
                        true => rng.random_range(0..n),
                        false if rng.random() => (*interest + 1) % n,
                        false => (*interest + n - 1) % n,
                    };
                }
                let step = rng.random_range(-WEIGHT_STEP..WEIGHT_STEP);
                *log_weight = (*log_weight + step).clamp(-WEIGHT_BOUND, WEIGHT_BOUND);
            }
        }
        Self { interests, weights: log_weights.map(f32::exp) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Share of interests that are the same `weeks` later, over many users.
    fn kept(drift_per_week: f64, weeks: u32) -> f64 {
        let options = SynthOptions { drift_per_week, ..SynthOptions::default() };
        let same = |user| {
            let (early, late) = (Taste::of(&options, user, 0), Taste::of(&options, user, weeks));
            early.interests.iter().zip(&late.interests).filter(|(a, b)| a == b).count()
        };
        (0..500).map(same).sum::<usize>() as f64 / 1500.0
    }

    #[test]
    fn interests_wander_slowly() {
        assert!((kept(0.0, 20) - 1.0).abs() < f64::EPSILON);
        let (week, quarter) = (kept(0.1, 1), kept(0.1, 13));
        assert!((week - 0.9).abs() < 0.03, "{week}");
        assert!(quarter < 0.55, "{quarter}");
    }

    #[test]
    fn weeks_extend_each_other() {
        let options = SynthOptions::default();
        assert_eq!(Taste::of(&options, 7, 5), Taste::of(&options, 7, 5));
        assert_ne!(Taste::of(&options, 7, 5).weights, Taste::of(&options, 7, 6).weights);
    }
}
