//! Dropout of activations during training.

use std::cell::RefCell;

use rand::RngExt;
use rand_pcg::Pcg64Mcg;
use tch::Tensor;

/// An activation is zeroed by comparing 16 random bits with a threshold; fewer would miss a share of 0.1 by a tenth.
const LEVELS: f64 = 65_536.0;

/// Zeroes a share of activations, from a generator of its own: libtorch's belongs to the whole process.
#[derive(Debug)]
pub(crate) struct Dropout {
    /// Of 65,536 activations, how many are zeroed; not all of them.
    zeroed: u16,
    rng: RefCell<Pcg64Mcg>,
}

impl Dropout {
    /// Zero `share` (0 to 1, to the nearest 65,536th), drawn from `rng`.
    pub(crate) fn new(share: f64, rng: Pcg64Mcg) -> Self {
        Self { zeroed: (share * LEVELS).round() as u16, rng: RefCell::new(rng) }
    }

    /// The share that is zeroed.
    fn share(&self) -> f64 {
        f64::from(self.zeroed) / LEVELS
    }

    /// `x` with a share of it zeroed and the rest scaled up, so that the mean stays.
    pub(crate) fn apply(&self, x: Tensor) -> Tensor {
        if self.zeroed == 0 {
            return x;
        }
        let mut draws = vec![0_i16; x.numel()];
        self.rng.borrow_mut().fill(&mut draws[..]);
        let threshold = i64::from(self.zeroed) + i64::from(i16::MIN);
        let kept = Tensor::from_slice(&draws).to_device(x.device()).ge(threshold).view_as(&x);
        let kept = kept.to_kind(x.kind());
        x * kept * (1.0 / (1.0 - self.share()))
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use tch::{Device, Kind};

    use super::*;

    #[test]
    fn the_share_is_the_nearest_representable_one() {
        for share in [0.0, 1e-5, 0.1, 0.5, 0.9, 1.0 - 1e-9] {
            let dropout = Dropout::new(share, Pcg64Mcg::seed_from_u64(1));
            assert!((dropout.share() - share).abs() <= 1.0 / LEVELS, "{share} became {}", dropout.share());
        }
        let tenth = Dropout::new(0.1, Pcg64Mcg::seed_from_u64(1)).share();
        assert!((tenth - 0.1).abs() < 0.5 / LEVELS, "{tenth}");
    }

    #[test]
    fn that_share_is_zeroed_and_the_mean_stays() {
        let n = 1_000_000_i64;
        for share in [0.1, 0.5] {
            let ones = Tensor::ones([n], (Kind::Float, Device::Cpu));
            let dropped = Dropout::new(share, Pcg64Mcg::seed_from_u64(1)).apply(ones);
            let zeroed = dropped.eq(0.0).sum(Kind::Double).double_value(&[]) / n as f64;
            assert!((zeroed - share).abs() < 2e-3, "{zeroed} of {share}");
            assert!((dropped.mean(Kind::Double).double_value(&[]) - 1.0).abs() < 3e-3);
        }
    }
}
