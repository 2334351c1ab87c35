//! Every weight of the model in one flat tensor.
//!
//! A step then sees one gradient, one norm and one AdamW update instead of one per weight, and a checkpoint is a list
//! of named slices. Weights are views made by a single split, whose backward is a single concatenation.

use std::ops::Index;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use tch::{Device, Kind, Tensor};

use crate::dropout::Dropout;

/// How a weight starts.
#[derive(Debug, Clone, Copy)]
pub enum Init {
    /// The same number everywhere.
    Constant(f32),
    /// Uniform in ± `1/sqrt(fan_in)`.
    FanIn(usize),
    /// Uniform with this standard deviation.
    UniformStd(f32),
}

/// A weight, by its place in the list.
#[derive(Debug, Clone, Copy)]
pub struct WeightId(usize);

#[derive(Debug)]
struct Entry {
    name: String,
    shape: Vec<i64>,
    init: Init,
    decays: bool,
}

/// The list of weights while a network is being described.
#[derive(Debug, Default)]
pub struct ParameterList(Vec<Entry>);

impl ParameterList {
    /// A matrix or table, under weight decay.
    pub fn weight(&mut self, name: impl Into<String>, shape: &[usize], init: Init) -> WeightId {
        self.add(name.into(), shape, init, true)
    }

    /// A bias, gain, phase or scalar, without weight decay.
    pub fn free(&mut self, name: impl Into<String>, shape: &[usize], init: Init) -> WeightId {
        self.add(name.into(), shape, init, false)
    }

    fn add(&mut self, name: String, shape: &[usize], init: Init, decays: bool) -> WeightId {
        let shape = shape.iter().map(|&n| n as i64).collect();
        self.0.push(Entry { name, shape, init, decays });
        WeightId(self.0.len() - 1)
    }
}

/// The weights of a network.
#[derive(Debug)]
pub struct Parameters {
    entries: Vec<Entry>,
    sizes: Vec<i64>,
    /// `[n]` f32, the leaf that gradients reach.
    pub flat: Tensor,
    /// `[n]` f32, 1 where weight decay applies, else 0.
    pub(crate) decays: Tensor,
}

/// The weights as tensors of their own shapes, for one pass.
#[derive(Debug)]
pub struct Weights {
    tensors: Vec<Tensor>,
    dropout: Option<Dropout>,
}

impl Index<WeightId> for Weights {
    type Output = Tensor;
    fn index(&self, id: WeightId) -> &Tensor {
        &self.tensors[id.0]
    }
}

impl Weights {
    /// In a training pass with dropout, `x` with a share of it zeroed and the rest scaled up; else `x`.
    pub(crate) fn drop(&self, x: Tensor) -> Tensor {
        match &self.dropout {
            Some(dropout) => dropout.apply(x),
            None => x,
        }
    }
}

impl Parameters {
    /// Draw the initial weights from `seed`; the same on every device.
    #[must_use]
    pub fn new(list: ParameterList, device: Device, seed: u64) -> Self {
        let entries = list.0;
        let sizes: Vec<i64> = entries.iter().map(|entry| entry.shape.iter().product()).collect();
        let mut rng = Pcg64Mcg::seed_from_u64(seed);
        let total = sizes.iter().sum::<i64>() as usize;
        let (mut values, mut decays) = (Vec::with_capacity(total), Vec::with_capacity(total));
        for (entry, &size) in entries.iter().zip(&sizes) {
            let bound = match entry.init {
                Init::Constant(_) => 0.0,
                Init::FanIn(fan_in) => 1.0 / (fan_in as f32).sqrt(),
                Init::UniformStd(deviation) => deviation * 3.0_f32.sqrt(),
            };
            let centre = if let Init::Constant(value) = entry.init { value } else { 0.0 };
            values.extend((0..size).map(
                |_| {
                    if bound == 0.0 { centre } else { rng.random_range(-bound..bound) }
                },
            ));
            decays.extend((0..size).map(|_| f32::from(u8::from(entry.decays))));
        }
        let flat = Tensor::from_slice(&values).to_device(device).set_requires_grad(true);
        Self { entries, sizes, flat, decays: Tensor::from_slice(&decays).to_device(device) }
    }

    /// The weights by [`WeightId`]; gradients flow back into [`Self::flat`].
    #[must_use]
    pub fn weights(&self) -> Weights {
        self.weights_with_dropout(None)
    }

    /// The weights of a training pass.
    pub(crate) fn weights_with_dropout(&self, dropout: Option<Dropout>) -> Weights {
        let parts = self.flat.split_with_sizes(&self.sizes[..], 0);
        let tensors =
            parts.iter().zip(&self.entries).map(|(part, entry)| part.view(&entry.shape[..])).collect();
        Weights { tensors, dropout }
    }

    /// Name and shape of each weight, in the order of the flat tensor.
    pub fn layout(&self) -> impl Iterator<Item = (&str, &[i64])> {
        self.entries.iter().map(|entry| (entry.name.as_str(), &entry.shape[..]))
    }

    /// Copy `values` (f32, the whole flat tensor) over the weights.
    pub fn set(&mut self, values: &[f32]) {
        let values = Tensor::from_slice(values).to_device(self.flat.device()).to_kind(Kind::Float);
        tch::no_grad(|| self.flat.copy_(&values));
    }
}
