//! The settings of PinSage, with the reason for each default.

use serde::{Deserialize, Serialize};

/// What a step of the training minimises.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum PinSageLoss {
    /// The paper's: max(0, z_q·z_n - z_q·z_i + margin), mean over the negatives.
    MaxMargin {
        /// Δ: by how much a positive should score higher than a negative; the paper doesn't give its own.
        margin: f64,
    },
    /// Cross-entropy of the positive among the negatives, of cosines over the temperature.
    SampledSoftmax {
        /// What cosines are divided by.
        temperature: f64,
    },
}

/// How PinSage's features are learned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PinSageOptions {
    /// Neighbours of an item (the paper's T = 50).
    pub n_neighbours: usize,
    /// Steps of the walks from an item, each from an item over one of its baskets to another item. A thousand visits
    /// tell fifty neighbours apart.
    pub walk_steps: usize,
    /// Chance that a step starts at the item again, which keeps walks short: two steps on average.
    pub restart: f32,
    /// Width of the two convolutions, the paper's m (2,048 for billions of items).
    pub hidden_dim: usize,
    /// Steps of training: by the measure at `method`, three times as many gain nothing.
    pub steps: usize,
    /// Pairs of a step.
    pub batch: usize,
    /// Random negatives of a step, shared by its pairs (the paper's 500).
    pub n_negatives: usize,
    /// Hard negatives of a pair at the end of the training: none in the first of as many rounds and one, and one more
    /// with each (the paper's 6). They are items that walks from the query visit, but less than its neighbours.
    pub n_hard: usize,
    /// What a step minimises. By the measure at `method` the softmax gives 0.047 and the paper's max-margin 0.041; a
    /// temperature of 0.2 gives 0.046 and one of 0.05 0.043.
    pub loss: PinSageLoss,
    /// Highest learning rate: a linear rise in the first tenth, then an exponential decay to a tenth of it.
    pub learning_rate: f64,
}

impl Default for PinSageOptions {
    fn default() -> Self {
        Self {
            n_neighbours: 50,
            walk_steps: 1000,
            restart: 0.5,
            hidden_dim: 128,
            steps: 300,
            batch: 512,
            n_negatives: 500,
            n_hard: 6,
            loss: PinSageLoss::SampledSoftmax { temperature: 0.1 },
            learning_rate: 0.002,
        }
    }
}

impl PinSageOptions {
    /// Everything that is wrong with the options, one sentence a fault.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let counts = [
            ("n_neighbours", self.n_neighbours),
            ("walk_steps", self.walk_steps),
            ("hidden_dim", self.hidden_dim),
            ("batch", self.batch),
            ("n_negatives", self.n_negatives),
        ];
        for (name, count) in counts {
            if count == 0 {
                faults.push(format!("method.{name}: must be at least 1"));
            }
        }
        if !(0.0..=1.0).contains(&self.restart) {
            faults.push(format!("method.restart: {} must be between 0 and 1", self.restart));
        }
        let loss = match self.loss {
            PinSageLoss::MaxMargin { margin } => ("loss.margin", margin),
            PinSageLoss::SampledSoftmax { temperature } => ("loss.temperature", temperature),
        };
        for (name, value) in [loss, ("learning_rate", self.learning_rate)] {
            if !(value > 0.0 && value.is_finite()) {
                faults.push(format!("method.{name}: {value} must be finite and positive"));
            }
        }
        faults
    }
}
