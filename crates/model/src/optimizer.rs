//! AdamW over the flat weights, with a learning rate that is a function of the step alone.

use tch::Tensor;

use crate::parameters::Parameters;

/// Settings of the optimizer; the paper does not publish its own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OptimizerConfig {
    /// Highest learning rate.
    pub learning_rate: f64,
    /// Share of all steps with a linearly rising rate; then a cosine falls to 0.
    pub warm_up_share: f64,
    /// Decoupled weight decay of matrices and tables; biases, gains and phases have none.
    pub weight_decay: f64,
    /// Gradients of a larger norm are scaled down to this one.
    pub clip_norm: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Share of the user tower's activations that a training step zeroes; the paper does not report one.
    pub dropout: f64,
    /// Seed of the dropout masks.
    pub seed: u64,
    /// Which of the processes that train one model together this is; 0 when it trains alone.
    pub rank: u32,
    /// Steps of the whole training.
    pub steps: u64,
}

impl OptimizerConfig {
    /// Learning rate of a step, counted from 0.
    #[must_use]
    pub fn learning_rate_at(&self, step: u64) -> f64 {
        let warm_up = (self.warm_up_share * self.steps as f64).max(1.0);
        let step = step as f64;
        if step < warm_up {
            return self.learning_rate * (step + 1.0) / warm_up;
        }
        let done = ((step - warm_up) / (self.steps as f64 - warm_up).max(1.0)).min(1.0);
        self.learning_rate * 0.5 * (1.0 + (std::f64::consts::PI * done).cos())
    }
}

/// First and second moments, `[n]` each.
#[derive(Debug)]
pub struct AdamW {
    pub(crate) mean: Tensor,
    pub(crate) square: Tensor,
}

impl AdamW {
    /// Moments of zero.
    #[must_use]
    pub fn new(parameters: &Parameters) -> Self {
        let zeros = || parameters.flat.detach().zeros_like();
        Self { mean: zeros(), square: zeros() }
    }

    /// One update; returns the norm of the gradient before clipping. The gradient is cleared.
    pub fn step(&mut self, parameters: &mut Parameters, config: &OptimizerConfig, step: u64) -> f64 {
        let _no_grad = tch::no_grad_guard();
        let gradient = parameters.flat.grad();
        let norm = gradient.norm().double_value(&[]);
        let scale = if norm > config.clip_norm { config.clip_norm / norm } else { 1.0 };
        let gradient = gradient * scale;
        let rate = config.learning_rate_at(step);
        let power = step as i32 + 1;
        let _ = self.mean.lerp_(&gradient, 1.0 - config.beta1);
        let _ = self.square.lerp_(&gradient.square(), 1.0 - config.beta2);
        let corrected = (&self.square / (1.0 - config.beta2.powi(power))).sqrt() + 1e-8;
        let update = &self.mean / corrected * (rate / (1.0 - config.beta1.powi(power)));
        let decay = &parameters.decays * (rate * config.weight_decay) * &parameters.flat;
        let _ = parameters.flat.g_sub_(&(update + decay));
        parameters.flat.zero_grad();
        norm
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_rises_then_falls_to_zero() {
        let config = OptimizerConfig {
            learning_rate: 1.0,
            warm_up_share: 0.1,
            weight_decay: 0.0,
            clip_norm: 1.0,
            beta1: 0.9,
            beta2: 0.999,
            dropout: 0.0,
            seed: 0,
            rank: 0,
            steps: 100,
        };
        assert!((config.learning_rate_at(0) - 0.1).abs() < 1e-12);
        assert!((config.learning_rate_at(9) - 1.0).abs() < 1e-12);
        assert!((config.learning_rate_at(55) - 0.5).abs() < 1e-12);
        assert!(config.learning_rate_at(100) < 1e-12);
    }
}
