//! Every weight of the model in one flat tensor.
//!
//! A step then sees one gradient, one norm and one AdamW update instead of one per weight, and a checkpoint is a list
//! of named slices. Weights are views made by a single split, whose backward is a single concatenation.

use std::cell::RefCell;
use std::ops::Index;

use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use tch::{Device, Kind, Tensor};

/// How a weight starts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Init {
    /// The same number everywhere.
    Constant(f32),
    /// Uniform in ± `1/sqrt(fan_in)`.
    FanIn(usize),
    /// Uniform with this standard deviation.
    Spread(f32),
}

/// A weight, by its place in the list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Param(usize);

#[derive(Debug)]
struct Slot {
    name: String,
    shape: Vec<i64>,
    init: Init,
    decays: bool,
}

/// The list of weights while a network is being described.
#[derive(Debug, Default)]
pub(crate) struct ParameterList(Vec<Slot>);

impl ParameterList {
    /// A matrix or table, under weight decay.
    pub(crate) fn weight(&mut self, name: impl Into<String>, shape: &[usize], init: Init) -> Param {
        self.add(name.into(), shape, init, true)
    }

    /// A bias, gain, phase or scalar, without weight decay.
    pub(crate) fn free(&mut self, name: impl Into<String>, shape: &[usize], init: Init) -> Param {
        self.add(name.into(), shape, init, false)
    }

    fn add(&mut self, name: String, shape: &[usize], init: Init, decays: bool) -> Param {
        let shape = shape.iter().map(|&n| n as i64).collect();
        self.0.push(Slot { name, shape, init, decays });
        Param(self.0.len() - 1)
    }
}

/// The weights of a network.
#[derive(Debug)]
pub(crate) struct Parameters {
    slots: Vec<Slot>,
    sizes: Vec<i64>,
    /// `[n]` f32, the leaf that gradients reach.
    pub(crate) flat: Tensor,
    /// `[n]` f32, 1 where weight decay applies, else 0.
    pub(crate) decays: Tensor,
}

/// The weights as tensors of their own shapes, for one pass.
pub(crate) struct Views {
    weights: Vec<Tensor>,
    dropout: Option<Dropout>,
}

/// Zeroes a share of activations, from a seed of its own: libtorch's generator belongs to the whole process.
#[derive(Debug)]
pub(crate) struct Dropout {
    /// Of 256 activations, how many are zeroed.
    zeroed: u8,
    rng: RefCell<Pcg64Mcg>,
}

impl Dropout {
    /// Zero `share` (0 to 1, to the nearest 256th), drawn from `seed`.
    pub(crate) fn new(share: f64, seed: u64) -> Self {
        Self { zeroed: (share * 256.0) as u8, rng: RefCell::new(Pcg64Mcg::seed_from_u64(seed)) }
    }

    fn apply(&self, x: &Tensor) -> Tensor {
        let mut draws = vec![0_u8; x.numel()];
        self.rng.borrow_mut().fill(&mut draws[..]);
        let kept = Tensor::from_slice(&draws).to_device(x.device()).ge(i64::from(self.zeroed)).view_as(x);
        x * kept.to_kind(x.kind()) * (256.0 / (256.0 - f64::from(self.zeroed)))
    }
}

impl Index<Param> for Views {
    type Output = Tensor;
    fn index(&self, param: Param) -> &Tensor {
        &self.weights[param.0]
    }
}

impl Views {
    /// In a training pass with dropout, `x` with a share of it zeroed and the rest scaled up; else `x`.
    pub(crate) fn drop(&self, x: Tensor) -> Tensor {
        match &self.dropout {
            Some(dropout) if dropout.zeroed > 0 => dropout.apply(&x),
            _ => x,
        }
    }
}

impl Parameters {
    /// Draw the initial weights from `seed`; the same on every device.
    pub(crate) fn new(list: ParameterList, device: Device, seed: u64) -> Self {
        let slots = list.0;
        let sizes: Vec<i64> = slots.iter().map(|slot| slot.shape.iter().product()).collect();
        let mut rng = Pcg64Mcg::seed_from_u64(seed);
        let total = sizes.iter().sum::<i64>() as usize;
        let (mut values, mut decays) = (Vec::with_capacity(total), Vec::with_capacity(total));
        for (slot, &size) in slots.iter().zip(&sizes) {
            let bound = match slot.init {
                Init::Constant(_) => 0.0,
                Init::FanIn(fan_in) => 1.0 / (fan_in as f32).sqrt(),
                Init::Spread(deviation) => deviation * 3.0_f32.sqrt(),
            };
            let centre = if let Init::Constant(value) = slot.init { value } else { 0.0 };
            values.extend((0..size).map(
                |_| {
                    if bound == 0.0 { centre } else { rng.random_range(-bound..bound) }
                },
            ));
            decays.extend((0..size).map(|_| f32::from(u8::from(slot.decays))));
        }
        let flat = Tensor::from_slice(&values).to_device(device).set_requires_grad(true);
        Self { slots, sizes, flat, decays: Tensor::from_slice(&decays).to_device(device) }
    }

    /// The weights by [`Param`]; gradients flow back into [`Self::flat`].
    pub(crate) fn views(&self) -> Views {
        self.views_with_dropout(None)
    }

    /// The weights of a training pass.
    pub(crate) fn views_with_dropout(&self, dropout: Option<Dropout>) -> Views {
        let parts = self.flat.split_with_sizes(&self.sizes[..], 0);
        let weights = parts.iter().zip(&self.slots).map(|(part, slot)| part.view(&slot.shape[..])).collect();
        Views { weights, dropout }
    }

    /// Name and shape of each weight, in the order of the flat tensor.
    pub(crate) fn layout(&self) -> impl Iterator<Item = (&str, &[i64])> {
        self.slots.iter().map(|slot| (slot.name.as_str(), &slot.shape[..]))
    }

    /// Copy `values` (f32, the whole flat tensor) over the weights.
    pub(crate) fn set(&mut self, values: &[f32]) {
        let values = Tensor::from_slice(values).to_device(self.flat.device()).to_kind(Kind::Float);
        tch::no_grad(|| self.flat.copy_(&values));
    }
}
