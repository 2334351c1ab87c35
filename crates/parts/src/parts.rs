//! Trained parts: encode users and items, save, load.

use std::collections::HashMap;
use std::path::Path;

use dayvec_core::{PartsSpec, Sequences};
use dayvec_model::{
    Arrays, ModelError, NamedArray, ParameterList, Parameters, read_arrays, take, to_vec, write_arrays,
};
use tch::{Device, Tensor};

use crate::alignment::{Alignment, columns, rotate};
use crate::basis::Basis;
use crate::batch::{Standard, UserInput};
use crate::by_item::{ByItem, UserAsOf};
use crate::error::PartsError;
use crate::history::{Histories, PAIR_STATISTICS, USER_STATISTICS};
use crate::item_counts::{ITEM_STATISTICS, ItemCounts};
use crate::network::Network;

/// Rows and pairs that the nets read at once when encoding. A block is filled up to this size, so that a row's numbers do
/// not depend on who else is encoded: libtorch adds up products in an order that depends on the shape.
const BLOCK_ROWS: usize = 1024;

/// Trained parts.
#[derive(Debug)]
pub struct Parts {
    pub(crate) spec: PartsSpec,
    pub(crate) network: Network,
    pub(crate) parameters: Parameters,
    pub(crate) basis: Basis,
    pub(crate) standard: Standard,
    /// One a part, where the space was turned onto an older one's; else none.
    pub(crate) rotations: Vec<Tensor>,
    pub(crate) device: Device,
}

impl Parts {
    /// What they are.
    #[must_use]
    pub const fn spec(&self) -> PartsSpec {
        self.spec
    }

    /// Number of weights, the basis not counted.
    #[must_use]
    pub fn n_parameters(&self) -> usize {
        self.parameters.flat.numel()
    }

    /// User vectors at their newest action: `[n, D]`, row-major, in the order of `users`. A user without an action has
    /// what nothing is known of.
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn encode_users(&self, sequences: &Sequences, users: &[usize]) -> Result<Vec<f32>, PartsError> {
        let by_item = ByItem::of(sequences);
        let history_len = self.spec.history_len;
        let row = |&user: &usize| UserAsOf { user, until_s: i64::MAX, history_len };
        let mut vectors = Vec::with_capacity(users.len() * self.spec.dim());
        for users in users.chunks(BLOCK_ROWS - 1) {
            let rows: Vec<UserAsOf> = users.iter().map(row).collect();
            let mut histories = Histories::of(&by_item, &rows);
            histories.fill(BLOCK_ROWS);
            let encoded = to_vec(&self.encode(&histories)?)?;
            vectors.extend_from_slice(&encoded[..users.len() * self.spec.dim()]);
        }
        Ok(vectors)
    }

    /// `[B, D]`.
    fn encode(&self, histories: &Histories) -> Result<Tensor, PartsError> {
        let _no_grad = tch::no_grad_guard();
        let input = UserInput::new(histories, &self.standard, self.device)?;
        let vectors = self.network.users(&self.parameters.weights(), &input, &self.basis);
        rotate(self.spec, &self.rotations, &vectors)
    }

    /// Item vectors of every item as of the day of `counts`: `[I, D]`, row-major.
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn encode_items(&self, counts: &ItemCounts) -> Result<Vec<f32>, PartsError> {
        let _no_grad = tch::no_grad_guard();
        let statistics = self.standard.items(&counts.statistics(), self.device)?;
        let vectors = self.network.items(&self.parameters.weights(), &statistics, &self.basis);
        Ok(to_vec(&rotate(self.spec, &self.rotations, &vectors)?)?)
    }

    /// Turn the space; no inner product changes.
    pub fn align(&mut self, alignment: Alignment) {
        self.rotations = alignment.rotations.iter().map(|rotation| rotation.to_device(self.device)).collect();
    }

    /// Write the weights, the basis and the standardisation.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), PartsError> {
        let values = to_vec(&self.parameters.flat)?;
        let bases = self.basis.named().map(|(name, vectors)| (name.to_owned(), vectors));
        let rotations = (0..).zip(&self.rotations).map(|(part, rotation)| (rotation_name(part), rotation));
        let frozen = bases.into_iter().chain(rotations);
        let frozen = frozen.map(|(name, tensor)| Ok::<_, ModelError>((name, tensor.size(), to_vec(tensor)?)));
        let frozen = frozen.collect::<Result<Vec<_>, _>>()?;
        let mut arrays = Vec::new();
        let mut rest = &values[..];
        for (name, shape) in self.parameters.layout() {
            let (here, after) = rest.split_at(shape.iter().product::<i64>() as usize);
            arrays.push(NamedArray::f32(name, here).shaped(shape));
            rest = after;
        }
        for (name, shape, values) in &frozen {
            arrays.push(NamedArray::f32(name, values).shaped(shape));
        }
        arrays.push(NamedArray::f32(STANDARD_USERS, &self.standard.users));
        arrays.push(NamedArray::f32(STANDARD_ITEMS, &self.standard.items));
        Ok(write_arrays(path, &arrays, HashMap::new())?)
    }

    /// The parts of a checkpoint, for a catalogue of `n_items`.
    ///
    /// # Errors
    /// When the file is missing, damaged or of other parts.
    pub fn load(spec: PartsSpec, n_items: usize, path: &Path, device: Device) -> Result<Self, PartsError> {
        let (mut arrays, _) = read_arrays(path)?;
        let mut list = ParameterList::default();
        let network = Network::new(&mut list, spec);
        let mut parameters = Parameters::new(list, device, 0);
        let mut values = Vec::with_capacity(parameters.flat.numel());
        for (name, shape) in parameters.layout() {
            values.extend(take::<f32>(&mut arrays, path, name, shape.iter().product::<i64>() as usize)?);
        }
        parameters.set(&values);
        let basis = Basis::take(&mut arrays, path, n_items, spec)?.to_device(device);
        let mut moments = |name, width| take::<f32>(&mut arrays, path, name, 2 * width);
        let standard = Standard {
            users: moments(STANDARD_USERS, USER_STATISTICS)?,
            items: moments(STANDARD_ITEMS, ITEM_STATISTICS)?,
        };
        let mut rotations = Vec::new();
        for (part, (_, width)) in (0..).zip(columns(spec)) {
            if arrays.contains_key(&rotation_name(part)) {
                let values = take::<f32>(&mut arrays, path, &rotation_name(part), (width * width) as usize)?;
                rotations.push(Tensor::f_from_slice(&values)?.f_view([width, width])?.f_to_device(device)?);
            }
        }
        Ok(Self { spec, network, parameters, basis, standard, rotations, device })
    }
}

fn rotation_name(part: usize) -> String {
    format!("rotation.{part}")
}

const STANDARD_USERS: &str = "standard.users";
const STANDARD_ITEMS: &str = "standard.items";

impl Basis {
    fn named(&self) -> [(&'static str, &Tensor); 3] {
        [
            ("basis.memory", &self.memory),
            ("basis.cooccurrence.source", &self.source),
            ("basis.cooccurrence.target", &self.target),
        ]
    }

    fn take(arrays: &mut Arrays, path: &Path, n_items: usize, spec: PartsSpec) -> Result<Self, PartsError> {
        let mut vectors = |name, width: usize| -> Result<Tensor, PartsError> {
            let values = take::<f32>(arrays, path, name, n_items * width)?;
            Ok(Tensor::f_from_slice(&values)?.f_reshape([n_items as i64, width as i64])?)
        };
        Ok(Self {
            memory: vectors("basis.memory", spec.memory)?,
            source: vectors("basis.cooccurrence.source", spec.cooccurrence)?,
            target: vectors("basis.cooccurrence.target", spec.cooccurrence)?,
        })
    }

    fn to_device(&self, device: Device) -> Self {
        let [memory, source, target] = self.named().map(|(_, vectors)| vectors.to_device(device));
        Self { memory, source, target }
    }
}

impl Histories {
    /// Add rows and pairs of nothing, at least one row, up to multiples of `block`. The pairs are the last row's, which
    /// nobody asked for.
    fn fill(&mut self, block: usize) {
        let n_pairs = self.items.len();
        let n_rows = (self.n_rows() + 1).next_multiple_of(block);
        self.starts.resize(n_rows, n_pairs as i64);
        self.users.resize(n_rows * USER_STATISTICS, 0.0);
        let n_pairs = n_pairs.next_multiple_of(block).max(block);
        self.items.resize(n_pairs, 0);
        self.pairs.resize(n_pairs * PAIR_STATISTICS, 0.0);
    }
}
