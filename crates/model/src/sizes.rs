//! Sizes of the network and of its pool of negatives, with presets.

use dayvec_core::ModelSpec;

use crate::sampler::NegativeConfig;

/// What a preset decides: a part of the [`ModelSpec`], and the negatives of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Longest input sequence (M).
    pub max_len: usize,
    /// Transformer blocks (L).
    pub n_layers: usize,
    /// Width of the residual stream (H).
    pub hidden_dim: usize,
    /// Attention heads; they divide `hidden_dim`.
    pub n_heads: usize,
    /// Width of an embedding (D).
    pub dim: usize,
    /// Inner width of the item tower's MLP.
    pub item_hidden_dim: usize,
    /// Width of the action-type table.
    pub action_dim: usize,
    /// Width of the surface table.
    pub surface_dim: usize,
    /// Negatives of a step.
    pub negatives: NegativeConfig,
}

/// Sizes by name: `tiny` for tests, `small` for minutes on a CPU, `paper` as published (sections 2.1 and 4.2).
#[must_use]
pub fn preset(name: &str) -> Option<Sizes> {
    let sizes =
        |[max_len, n_layers, hidden_dim, n_heads, dim, item_hidden_dim]: [usize; 6], negatives| Sizes {
            max_len,
            n_layers,
            hidden_dim,
            n_heads,
            dim,
            item_hidden_dim,
            action_dim: 8,
            surface_dim: 8,
            negatives,
        };
    let negatives = |random, in_batch| NegativeConfig { random, in_batch };
    match name {
        "tiny" => Some(sizes([16, 1, 16, 2, 8, 32], negatives(32, 32))),
        "small" => Some(sizes([128, 2, 128, 4, 64, 256], negatives(2_048, 2_048))),
        "paper" => Some(sizes([256, 6, 768, 8, 256, 1024], negatives(8_192, 5_000))),
        _ => None,
    }
}

impl Sizes {
    /// Take over these sizes in a spec.
    pub const fn apply(self, spec: &mut ModelSpec) {
        spec.max_len = self.max_len;
        spec.n_layers = self.n_layers;
        spec.hidden_dim = self.hidden_dim;
        spec.n_heads = self.n_heads;
        spec.dim = self.dim;
        spec.item_hidden_dim = self.item_hidden_dim;
        spec.action_dim = self.action_dim;
        spec.surface_dim = self.surface_dim;
    }
}
