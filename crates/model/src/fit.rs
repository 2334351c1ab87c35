//! One training step after another: forward, loss, backward, update. All state is here and in the step number.

use std::collections::HashMap;
use std::path::Path;

use tch::Tensor;

use crate::batch::{QueryGroup, TrainBatch};
use crate::checkpoint::{self, NamedArray, read_arrays, take};
use crate::dropout::Dropout;
use crate::error::ModelError;
use crate::label_counts::LabelCounts;
use crate::loss::{Pairs, loss};
use crate::model::{Model, to_vec};
use crate::optimizer::{AdamW, OptimizerConfig};
use crate::parameters::Weights;
use crate::random::{Purpose, generator};
use crate::tokens::TokenTensors;
use crate::user_tower::UserInput;

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepStats {
    /// Loss of the batch, every user weighing the same.
    pub loss: f64,
    /// Users with a pair.
    pub n_users: usize,
    /// (position, label) pairs.
    pub n_pairs: usize,
    /// Real actions in the input.
    pub n_tokens: usize,
    /// Rate of this step.
    pub learning_rate: f64,
    /// Temperature τ after the step.
    pub temperature: f64,
    /// Norm of the gradient before clipping.
    pub grad_norm: f64,
}

/// A model in training.
#[derive(Debug)]
pub struct Fit {
    model: Model,
    config: OptimizerConfig,
    adam: AdamW,
    counts: LabelCounts,
}

impl Fit {
    /// Start from a model.
    #[must_use]
    pub fn new(model: Model, config: OptimizerConfig) -> Self {
        let adam = AdamW::new(&model.parameters);
        Self { model, config, adam, counts: LabelCounts::new() }
    }

    /// The model as it stands.
    #[must_use]
    pub const fn model(&self) -> &Model {
        &self.model
    }

    /// The model, when training is over.
    #[must_use]
    pub fn into_model(self) -> Model {
        self.model
    }

    /// The counts behind the logQ correction, apart from the model.
    #[cfg(test)]
    pub(crate) fn clone_counts(&self) -> LabelCounts {
        self.counts.clone()
    }

    /// One step.
    ///
    /// # Errors
    /// When the loss is not finite.
    pub fn step(&mut self, batch: &TrainBatch, step: u64) -> Result<StepStats, ModelError> {
        let loss = self.forward_backward(batch, step);
        if !loss.is_finite() {
            return Err(ModelError::Diverged { step, loss });
        }
        let grad_norm = self.adam.step(&mut self.model.parameters, &self.config, step);
        self.model.clamp_temperature();
        Ok(StepStats {
            loss,
            n_users: batch.n_users(),
            n_pairs: batch.n_pairs(),
            n_tokens: batch.n_tokens(),
            learning_rate: self.config.learning_rate_at(step),
            temperature: self.model.temperature(),
            grad_norm,
        })
    }

    /// The loss of a batch; its gradient is left in the weights. The batch's labels are counted first, then read, as
    /// the logQ correction needs them.
    pub(crate) fn forward_backward(&mut self, batch: &TrainBatch, step: u64) -> f64 {
        let (label_log_q, pool_log_q) = self.counts.log_q(batch);
        let model = &self.model;
        let device = model.content.device();
        let integers = |values: &[i64]| Tensor::from_slice(values).to_device(device);
        let floats = |values: &[f32]| Tensor::from_slice(values).to_device(device);
        let rng = generator(self.config.seed, Purpose::Dropout { rank: self.config.rank }, step);
        let w = model.parameters.weights_with_dropout(Some(Dropout::new(self.config.dropout, rng)));
        let described = model.item_tower.describe(&w, &model.content, &integers(&batch.items));
        let vectors = model.item_tower.forward(&w, &described); // [n, D]
        let users: Vec<Tensor> =
            batch.groups.iter().map(|group| embed_queries(model, &w, group, &vectors)).collect();
        let scaled = &vectors * model.inverse_temperature(&w);
        let pairs = Pairs {
            users: Tensor::cat(&users, 0),                           // [P, D]
            labels: scaled.index_select(0, &integers(&batch.label)), // [P, D]
            pool: scaled.index_select(0, &integers(&batch.pool)),    // [C, D]
            label_log_q: floats(&label_log_q),
            pool_log_q: floats(&pool_log_q),
            weight: floats(&batch.weight),
            masked: &batch.masked,
        };
        let result = loss(batch.loss, &pairs);
        result.surrogate(&pairs).backward();
        result.loss
    }

    /// Write the optimizer's moments and the sketches.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save_optimizer(&self, path: &Path) -> Result<(), ModelError> {
        let (mean, square) = (to_vec(&self.adam.mean)?, to_vec(&self.adam.square)?);
        let mut arrays = vec![NamedArray::f32("adam.mean", &mean), NamedArray::f32("adam.square", &square)];
        let mut metadata = HashMap::new();
        for (name, sketch) in self.counts.sketches() {
            arrays.push(NamedArray::u32(name, sketch.counters()));
            metadata.insert(format!("{name}.total"), sketch.total().to_string());
        }
        checkpoint::write_arrays(path, &arrays, metadata)
    }

    /// Take over what [`Self::save_optimizer`] wrote for the same model.
    ///
    /// # Errors
    /// When the file is missing, damaged or of another model.
    pub fn load_optimizer(&mut self, path: &Path) -> Result<(), ModelError> {
        let (mut arrays, metadata) = read_arrays(path)?;
        let n = self.model.n_parameters();
        for (name, moment) in [("adam.mean", &mut self.adam.mean), ("adam.square", &mut self.adam.square)] {
            let values = take::<f32>(&mut arrays, path, name, n)?;
            *moment = Tensor::from_slice(&values).to_device(moment.device());
        }
        for (name, sketch) in self.counts.sketches_mut() {
            let counters = take::<u32>(&mut arrays, path, name, sketch.counters().len())?;
            let total = metadata.get(&format!("{name}.total")).and_then(|text| text.parse().ok());
            let missing = || checkpoint::corrupt(path, format!("the total of `{name}` is missing"));
            sketch.restore(counters, total.ok_or_else(missing)?);
        }
        Ok(())
    }
}

/// User embeddings at a group's trained positions, `[P, D]`.
fn embed_queries(model: &Model, w: &Weights, group: &QueryGroup, vectors: &Tensor) -> Tensor {
    let device = model.content.device();
    let tokens = TokenTensors::new(&group.tokens, device);
    let described = model.item_tower.describe(w, &model.content, &tokens.item);
    let queries =
        Tensor::from_slice(&group.queries).to_device(device).view([tokens.n_users, group.n_queries as i64]); // [B, S]
    let vectors = model.user_tower.reads_item_vectors().then(|| {
        let items = Tensor::from_slice(&group.token_item).to_device(device);
        vectors.index_select(0, &items).view([tokens.n_users, tokens.n_steps, -1]) // [B, T, D]
    });
    let input = UserInput { tokens: &tokens, described: &described, vectors };
    let all = model.user_tower.forward(w, &input, &queries); // [B, S, D]
    let valid = Tensor::from_slice(&group.valid).to_device(device);
    all.flatten(0, 1).index_select(0, &valid) // [P, D]
}
