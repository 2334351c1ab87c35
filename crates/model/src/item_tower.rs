//! Item tower: item features become item embeddings of unit norm (the paper, section 3.2 of its model).

use dayvec_core::ModelSpec;
use tch::Tensor;

use crate::parameters::{Init, ParameterList, WeightId, Weights};

/// `p = normalise(MLP([content ; id]))`, one hidden layer with GELU.
#[derive(Debug)]
pub(crate) struct ItemTower {
    id_table: Option<WeightId>,
    in_weight: WeightId,
    in_bias: WeightId,
    out_weight: WeightId,
    out_bias: WeightId,
}

impl ItemTower {
    pub(crate) fn new(list: &mut ParameterList, spec: &ModelSpec) -> Self {
        let (width, inner) = (spec.item_dim + spec.item_id_dim, spec.item_hidden_dim);
        let id_table = (spec.item_id_dim > 0)
            .then(|| list.free("item.id.table", &[spec.n_items, spec.item_id_dim], Init::Constant(0.0)));
        Self {
            id_table,
            in_weight: list.weight("item.in.weight", &[inner, width], Init::FanIn(width)),
            in_bias: list.free("item.in.bias", &[inner], Init::FanIn(width)),
            out_weight: list.weight("item.out.weight", &[spec.dim, inner], Init::FanIn(inner)),
            out_bias: list.free("item.out.bias", &[spec.dim], Init::FanIn(inner)),
        }
    }

    /// Content beside the learned id embedding, where the model has one, `[N, F + F_id]`; both towers read it.
    pub(crate) fn describe(&self, w: &Weights, content: &Tensor, items: &Tensor) -> Tensor {
        let content = content.index_select(0, items); // [N, F]
        match self.id_table {
            Some(table) => Tensor::cat(&[content, w[table].index_select(0, items)], 1), // [N, F + F_id]
            None => content,
        }
    }

    /// Item embeddings of described items, `[N, F + F_id]` → `[N, D]`, unit norm.
    pub(crate) fn forward(&self, w: &Weights, described: &Tensor) -> Tensor {
        let hidden = described.linear(&w[self.in_weight], Some(&w[self.in_bias])).gelu("none"); // [N, inner]
        normalise(&hidden.linear(&w[self.out_weight], Some(&w[self.out_bias]))) // [N, D]
    }
}

/// Rows of unit L2 norm. A row of zeros stays one, and so does its gradient: the root is never taken of 0.
pub(crate) fn normalise(rows: &Tensor) -> Tensor {
    let squares = rows.square().sum_dim_intlist([-1_i64].as_slice(), true, None);
    rows * squares.clamp_min(1e-20).rsqrt()
}
