//! Confidence intervals from resampled users.

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

use dayvec_report::Interval;

/// Sums over some users; an estimate is one ratio of sums.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sums {
    /// Sum of the numerators.
    pub(crate) over: f64,
    /// Sum of the denominators.
    pub(crate) under: f64,
}

impl Sums {
    fn ratio(self) -> f64 {
        if self.under > 0.0 { self.over / self.under } else { 0.0 }
    }

    fn plus(self, other: Self) -> Self {
        Self { over: self.over + other.over, under: self.under + other.under }
    }
}

/// Ratios of sums over `users`, with the 2.5 % and 97.5 % percentiles of `n_resamples` draws of as many users with
/// replacement. All `N` estimates share the draws. 0 where nothing can be divided.
pub(crate) fn intervals<const N: usize>(users: &[[Sums; N]], n_resamples: usize, seed: u64) -> [Interval; N] {
    let total = |sums: [Sums; N], user: &[Sums; N]| ::std::array::from_fn(|at| sums[at].plus(user[at]));
    let estimate = users.iter().fold([Sums::default(); N], total).map(Sums::ratio);
    let mut rng = Pcg64::seed_from_u64(seed);
    let mut resampled: [Vec<f64>; N] = ::std::array::from_fn(|_| Vec::with_capacity(n_resamples));
    for _ in 0..if users.is_empty() { 0 } else { n_resamples } {
        let draw = (0..users.len()).map(|_| &users[rng.random_range(0..users.len())]);
        let sums = draw.fold([Sums::default(); N], total);
        for (ratios, sums) in resampled.iter_mut().zip(sums) {
            ratios.push(sums.ratio());
        }
    }
    ::std::array::from_fn(|at| {
        resampled[at].sort_unstable_by(f64::total_cmp);
        let percentile = |share: f64| {
            let last = resampled[at].len().checked_sub(1)?;
            Some(resampled[at][(share * last as f64).round() as usize])
        };
        Interval {
            value: estimate[at],
            low: percentile(0.025).unwrap_or(estimate[at]),
            high: percentile(0.975).unwrap_or(estimate[at]),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users() -> Vec<[Sums; 1]> {
        (0..200).map(|user| [Sums { over: f64::from(user % 2), under: 1.0 }]).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_interval() {
        let [first] = intervals(&users(), 1000, 7);
        assert_eq!([first], intervals(&users(), 1000, 7));
        assert_ne!([first], intervals(&users(), 1000, 8));
    }

    #[test]
    fn the_interval_is_that_of_a_binomial() {
        let [interval] = intervals(&users(), 1000, 7);
        assert_eq!(interval.value, 0.5);
        let two_standard_errors = 1.96 * (0.25f64 / 200.0).sqrt();
        assert!((interval.low - (0.5 - two_standard_errors)).abs() < 0.02, "{interval:?}");
        assert!((interval.high - (0.5 + two_standard_errors)).abs() < 0.02, "{interval:?}");
    }

    #[test]
    fn users_who_are_all_alike_leave_no_doubt_and_no_user_none_either() {
        let alike = [[Sums { over: 1.0, under: 4.0 }]; 5];
        assert_eq!(intervals(&alike, 100, 1), [Interval { value: 0.25, low: 0.25, high: 0.25 }]);
        assert_eq!(intervals::<1>(&[], 100, 1), [Interval { value: 0.0, low: 0.0, high: 0.0 }]);
    }
}
