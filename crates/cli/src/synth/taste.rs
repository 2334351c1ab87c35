//! What a user is interested in, week by week: a few interests that wander slowly over the ring of all interests.

use rand::RngExt as _;
use rand_pcg::Pcg64Mcg;

use super::options::SynthOptions;
use super::random::{Purpose, generator};

/// Of the moves of an interest, the share that leads anywhere instead of to a neighbour on the ring.
const JUMPS: f64 = 0.1;
/// Most that the log-weight of an interest changes in a week, and the most it can be.
const WEIGHT_STEP: f32 = 0.3;
const WEIGHT_BOUND: f32 = 1.5;

/// A user's interests in one week.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Taste {
    /// Interests, counted in `0..n_interests`; two may be the same.
    pub(crate) interests: Vec<u32>,
    /// How much the user cares for each; not normalised.
    pub(crate) weights: Vec<f32>,
    log_weights: Vec<f32>,
}

impl Taste {
    /// The taste of `user` in `week`, walked from week 0 on: a pure function, with no state between weeks.
    pub(crate) fn of(options: &SynthOptions, user: u64, week: u32) -> Self {
        let mut rng = generator(options.seed, Purpose::Taste, user, 0);
        let slots = 0..options.n_tastes;
        let interests = slots.clone().map(|_| rng.random_range(0..options.n_interests)).collect();
        let log_weights: Vec<f32> = slots.map(|_| rng.random_range(-WEIGHT_BOUND..WEIGHT_BOUND)).collect();
        let mut taste = Self { interests, weights: log_weights.clone(), log_weights };
        for _ in 0..week {
            taste.walk(options, &mut rng);
        }
        taste.weigh();
        taste
    }

    /// The taste a week later, as drawn from `rng`.
    pub(crate) fn next(&self, options: &SynthOptions, rng: &mut Pcg64Mcg) -> Self {
        let mut next = self.clone();
        next.walk(options, rng);
        next.weigh();
        next
    }

    /// Share of `interest` among the user's own.
    pub(crate) fn share(&self, interest: u32) -> f64 {
        let own = self.interests.iter().zip(&self.weights);
        let cares: f64 = own.filter(|(own, _)| **own == interest).map(|(_, &weight)| f64::from(weight)).sum();
        cares / self.weights.iter().map(|&weight| f64::from(weight)).sum::<f64>()
    }

    fn walk(&mut self, options: &SynthOptions, rng: &mut Pcg64Mcg) {
        let n = options.n_interests;
        for (interest, log_weight) in self.interests.iter_mut().zip(&mut self.log_weights) {
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

    fn weigh(&mut self) {
        for (weight, &log_weight) in self.weights.iter_mut().zip(&self.log_weights) {
            *weight = log_weight.exp();
        }
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
