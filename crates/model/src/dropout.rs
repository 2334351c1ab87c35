//! Dropout of activations during training.

use std::cell::RefCell;

use rand::RngExt;
use rand_pcg::Pcg64Mcg;
use tch::Tensor;

/// Zeroes a share of activations, from a generator of its own: libtorch's generator belongs to the whole process.
#[derive(Debug)]
pub(crate) struct Dropout {
    /// Of 256 activations, how many are zeroed.
    zeroed: u8,
    rng: RefCell<Pcg64Mcg>,
}

impl Dropout {
    /// Zero `share` (0 to 1, to the nearest 256th), drawn from `rng`.
    pub(crate) fn new(share: f64, rng: Pcg64Mcg) -> Self {
        Self { zeroed: (share * 256.0) as u8, rng: RefCell::new(rng) }
    }

    /// `x` with a share of it zeroed and the rest scaled up, so that the mean stays.
    pub(crate) fn apply(&self, x: Tensor) -> Tensor {
        if self.zeroed == 0 {
            return x;
        }
        let mut draws = vec![0_u8; x.numel()];
        self.rng.borrow_mut().fill(&mut draws[..]);
        let kept = Tensor::from_slice(&draws).to_device(x.device()).ge(i64::from(self.zeroed)).view_as(&x);
        let kept = kept.to_kind(x.kind());
        x * kept * (256.0 / (256.0 - f64::from(self.zeroed)))
    }
}
