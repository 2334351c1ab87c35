//! The two towers together: build, load, save, encode.

use std::collections::HashMap;
use std::path::Path;

use dayvec_core::{ItemTable, ModelSpec, Sequences};
use tch::{Device, Kind, Tensor};

use crate::checkpoint::{NamedArray, read_arrays, take, write_arrays};
use crate::error::ModelError;
use crate::item_tower::ItemTower;
use crate::parameters::{Init, ParameterList, Parameters, WeightId, Weights};
use crate::tokens::{InputRange, TokenGroup, TokenTensors, group_by_length};
use crate::user_tower::{UserInput, UserTower};

/// Lowest temperature (the paper, section 3.3 of its model).
const LOWEST_TEMPERATURE: f64 = 0.01;
const FIRST_TEMPERATURE: f64 = 0.07;
/// Tokens of a group when encoding, padding included: enough to fill the cores, small enough for their caches.
const ENCODE_TOKENS: usize = 16_384;
/// Items encoded at once.
const ENCODE_ITEMS: usize = 65_536;

/// Both towers with their weights, and the frozen item features they read.
#[derive(Debug)]
pub struct Model {
    spec: ModelSpec,
    pub(crate) parameters: Parameters,
    pub(crate) user_tower: UserTower,
    pub(crate) item_tower: ItemTower,
    log_inverse_temperature: WeightId,
    /// `[I, F]`, scaled so that a coordinate is of the size of a cosine.
    pub(crate) content: Tensor,
}

fn check_spec(spec: &ModelSpec) -> Result<(), ModelError> {
    let fault = |text: String| Err(ModelError::BadSpec(text));
    let sizes = [
        ("max_len", spec.max_len),
        ("n_layers", spec.n_layers),
        ("hidden_dim", spec.hidden_dim),
        ("n_heads", spec.n_heads),
        ("dim", spec.dim),
        ("item_dim", spec.item_dim),
        ("item_hidden_dim", spec.item_hidden_dim),
        ("action_dim", spec.action_dim),
        ("n_items", spec.n_items),
    ];
    for (name, size) in sizes {
        if size == 0 {
            return fault(format!("{name} must be positive"));
        }
    }
    if !spec.hidden_dim.is_multiple_of(spec.n_heads) {
        return fault(format!(
            "hidden_dim {} must be a multiple of n_heads {}",
            spec.hidden_dim, spec.n_heads
        ));
    }
    if let [fault, ..] = &spec.events.faults()[..] {
        return Err(ModelError::BadSpec(fault.clone()));
    }
    Ok(())
}

/// Refuse another item table than the one that a spec describes.
///
/// # Errors
/// [`ModelError::ItemsMismatch`].
pub fn check_items(spec: &ModelSpec, items: &ItemTable) -> Result<(), ModelError> {
    if items.dim == spec.item_dim && items.len() == spec.n_items {
        return Ok(());
    }
    Err(ModelError::ItemsMismatch(format!(
        "the model (items version {}) expects {} items of width {}, the table has {} of width {}",
        spec.items_version,
        spec.n_items,
        spec.item_dim,
        items.len(),
        items.dim
    )))
}

impl Model {
    /// A model with weights drawn from `seed`.
    ///
    /// # Errors
    /// When the spec cannot be built, or `items` is not the table it describes.
    pub fn new(spec: &ModelSpec, items: &ItemTable, device: Device, seed: u64) -> Result<Self, ModelError> {
        check_spec(spec)?;
        check_items(spec, items)?;
        if let Some(at) = items.features.iter().position(|value| !value.is_finite()) {
            let id = items.ids.ids().get(at / items.dim);
            return Err(ModelError::ItemsMismatch(format!("the features of item `{id}` are not finite")));
        }
        let mut list = ParameterList::default();
        let user_tower = UserTower::new(&mut list, spec);
        let item_tower = ItemTower::new(&mut list, spec);
        let first = -FIRST_TEMPERATURE.ln() as f32;
        let log_inverse_temperature = list.free("log_inverse_temperature", &[1], Init::Constant(first));
        let scale = (items.dim as f64).sqrt();
        let content = Tensor::from_slice(&items.features).view([items.len() as i64, items.dim as i64]);
        Ok(Self {
            spec: spec.clone(),
            parameters: Parameters::new(list, device, seed),
            user_tower,
            item_tower,
            log_inverse_temperature,
            content: (content * scale).to_device(device),
        })
    }

    /// The model of a checkpoint.
    ///
    /// # Errors
    /// As [`Self::new`], and when the file is missing, damaged or of another model.
    pub fn load(
        spec: &ModelSpec,
        items: &ItemTable,
        path: &Path,
        device: Device,
    ) -> Result<Self, ModelError> {
        let mut model = Self::new(spec, items, device, 0)?;
        let (mut arrays, _) = read_arrays(path)?;
        let mut values = Vec::with_capacity(model.parameters.flat.numel());
        for (name, shape) in model.parameters.layout() {
            values.extend(take::<f32>(&mut arrays, path, name, shape.iter().product::<i64>() as usize)?);
        }
        model.parameters.set(&values);
        Ok(model)
    }

    /// Write `model.safetensors`: one array a weight, by name.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), ModelError> {
        let values = to_vec(&self.parameters.flat)?;
        let mut rest = &values[..];
        let mut arrays = Vec::new();
        for (name, shape) in self.parameters.layout() {
            let (here, after) = rest.split_at(shape.iter().product::<i64>() as usize);
            arrays.push(NamedArray::f32(name, here).shaped(shape));
            rest = after;
        }
        let metadata = HashMap::from([("model_id".to_owned(), self.spec.model_id.clone())]);
        write_arrays(path, &arrays, metadata)
    }

    /// What the model is.
    #[must_use]
    pub const fn spec(&self) -> &ModelSpec {
        &self.spec
    }

    /// Name the model, once it is known what it was trained with.
    pub fn rename(&mut self, model_id: &str, tower_pair_id: &str) {
        model_id.clone_into(&mut self.spec.model_id);
        tower_pair_id.clone_into(&mut self.spec.tower_pair_id);
    }

    /// Number of weights.
    #[must_use]
    pub fn n_parameters(&self) -> usize {
        self.parameters.flat.numel()
    }

    /// The learned temperature τ, at least 0.01.
    #[must_use]
    pub fn temperature(&self) -> f64 {
        let w = self.parameters.weights();
        1.0 / tch::no_grad(|| self.inverse_temperature(&w)).double_value(&[0])
    }

    /// `1 / τ`, `[1]`.
    pub(crate) fn inverse_temperature(&self, w: &Weights) -> Tensor {
        w[self.log_inverse_temperature].exp()
    }

    /// Keep the temperature at 0.01 or above; called after each update, so that it can rise again.
    pub(crate) fn clamp_temperature(&mut self) {
        let _no_grad = tch::no_grad_guard();
        let _ = self.parameters.weights()[self.log_inverse_temperature]
            .shallow_clone()
            .clamp_max_(-LOWEST_TEMPERATURE.ln());
    }

    /// User embeddings at their newest action: `[n, D]`, row-major, in the order of `users`, unit norm.
    ///
    /// `sequences` must be resolved against the model's item table. Users are batched by length, so padding costs
    /// next to nothing; each embedding is that of the user alone.
    ///
    /// # Errors
    /// When a user has no action.
    pub fn encode_users(&self, sequences: &Sequences, users: &[usize]) -> Result<Vec<f32>, ModelError> {
        let inputs = self.newest_inputs(sequences, users)?;
        let _no_grad = tch::no_grad_guard();
        let w = self.parameters.weights();
        let table = self.user_tower.reads_item_vectors().then(|| self.item_matrix(&w));
        let dim = self.spec.dim;
        let mut embeddings = vec![0.0; users.len() * dim];
        for members in group_by_length(&inputs, ENCODE_TOKENS) {
            let group = TokenGroup::new(sequences, &self.spec, &inputs, &members);
            let newest = (Tensor::from_slice(&group.length) - 1).unsqueeze(1); // [B, 1]
            let encoded = to_vec(&self.encode_group(&w, &group, &newest, table.as_ref()))?; // [B, 1, D]
            for (row, &idx) in members.iter().enumerate() {
                embeddings[idx * dim..(idx + 1) * dim].copy_from_slice(&encoded[row * dim..(row + 1) * dim]);
            }
        }
        Ok(embeddings)
    }

    /// User embeddings at every position of one user's input sequence, newest first: `[len, D]`, row-major.
    ///
    /// # Errors
    /// When the user has no action.
    pub fn encode_positions(&self, sequences: &Sequences, user: usize) -> Result<Vec<f32>, ModelError> {
        let inputs = self.newest_inputs(sequences, &[user])?;
        let _no_grad = tch::no_grad_guard();
        let w = self.parameters.weights();
        let table = self.user_tower.reads_item_vectors().then(|| self.item_matrix(&w));
        let group = TokenGroup::new(sequences, &self.spec, &inputs, &[0]);
        let steps: Vec<i64> = (0..group.length[0]).rev().collect();
        to_vec(&self.encode_group(&w, &group, &Tensor::from_slice(&steps).unsqueeze(0), table.as_ref()))
    }

    fn newest_inputs(&self, sequences: &Sequences, users: &[usize]) -> Result<Vec<InputRange>, ModelError> {
        let input = |&user: &usize| {
            let range = sequences.range(user);
            if range.is_empty() {
                return Err(ModelError::NoActions(sequences.users.get(user).to_owned()));
            }
            Ok(InputRange::ending_at(sequences, &self.spec, user, range.start))
        };
        users.iter().map(input).collect()
    }

    /// User embeddings at `queries`, `[B, S]`: `[B, S, D]`.
    fn encode_group(
        &self,
        w: &Weights,
        group: &TokenGroup,
        queries: &Tensor,
        table: Option<&Tensor>,
    ) -> Tensor {
        let device = self.content.device();
        let tokens = TokenTensors::new(group, device);
        let described = self.item_tower.describe(w, &self.content, &tokens.item);
        let vectors = table.map(|table| {
            table.index_select(0, &tokens.item).view([tokens.n_users, tokens.n_steps, -1]) // [B, T, D]
        });
        let input = UserInput { tokens: &tokens, described: &described, vectors };
        self.user_tower.forward(w, &input, &queries.to_device(device))
    }

    /// Item embeddings of every item: `[n_items, D]`, row-major, unit norm.
    ///
    /// # Errors
    /// When libtorch does.
    pub fn encode_items(&self) -> Result<Vec<f32>, ModelError> {
        let _no_grad = tch::no_grad_guard();
        to_vec(&self.item_matrix(&self.parameters.weights()))
    }

    fn item_matrix(&self, w: &Weights) -> Tensor {
        let n_items = self.spec.n_items as i64;
        let parts: Vec<Tensor> = (0..n_items)
            .step_by(ENCODE_ITEMS)
            .map(|first| {
                let end = n_items.min(first + ENCODE_ITEMS as i64);
                let items = Tensor::arange_start(first, end, (Kind::Int64, self.content.device()));
                self.item_tower.forward(w, &self.item_tower.describe(w, &self.content, &items))
            })
            .collect();
        Tensor::cat(&parts, 0)
    }
}

/// Copy a tensor to host memory.
///
/// # Errors
/// When libtorch does.
pub fn to_vec(tensor: &Tensor) -> Result<Vec<f32>, ModelError> {
    let tensor = tensor.detach().to_device(Device::Cpu).contiguous();
    let mut values = vec![0.0; tensor.numel()];
    let len = values.len();
    tensor.f_copy_data(&mut values, len)?;
    Ok(values)
}
