//! The residual bag: a learned weighted sum of the user's own item vectors, added to the user embedding.
//!
//! An option that the paper does not have (its user tower must rebuild a user's taste from the residual stream); on
//! logs where people buy again what they bought, it carries what a decayed sum of item vectors carries.

use dayvec_core::{HistoryBag, ModelSpec, SECONDS_PER_DAY};
use tch::{Kind, Tensor};

use crate::item_tower::normalise;
use crate::parameters::{Init, ParameterList, WeightId, Weights};
use crate::tokens::TokenTensors;

/// `u = normalise(e + gate · normalise(Σ_j exp(type_j - rate · age_j) p_j))`, over the actions `j` up to the query.
#[derive(Debug)]
pub(crate) struct HistoryResidual {
    type_weight: WeightId,
    log_rate: WeightId,
    gate: WeightId,
}

impl HistoryResidual {
    pub(crate) fn new(list: &mut ParameterList, spec: &ModelSpec, bag: HistoryBag) -> Self {
        let rate = std::f64::consts::LN_2 / bag.half_life_days.max(1e-3);
        Self {
            type_weight: list.free("user.history.type", &[spec.events.actions.len()], Init::Constant(0.0)),
            log_rate: list.free("user.history.log_rate", &[1], Init::Constant(rate.ln() as f32)),
            gate: list.free("user.history.gate", &[1], Init::Constant(1.0)),
        }
    }

    /// What is added to the head's unit vectors, `[B, S, D]`; `visible` is `[B, S, T]` bool, `vectors` are the item
    /// embeddings of the tokens, `[B, T, D]`.
    pub(crate) fn forward(
        &self,
        w: &Weights,
        tokens: &TokenTensors,
        visible: &Tensor,
        vectors: &Tensor,
    ) -> Tensor {
        let (b, t) = (tokens.n_users, tokens.n_steps);
        let by_type = w[self.type_weight].index_select(0, &tokens.action_type).view([b, 1, t]);
        // exp(-rate (t_s - t_j)) up to a factor of the query, which normalising takes away: ages from the newest
        let age_days = (tokens.since_latest.to_kind(Kind::Float) / SECONDS_PER_DAY as f64).view([b, 1, t]);
        let log_weight = by_type - w[self.log_rate].exp() * age_days; // [B, 1, T]
        let log_weight = log_weight.where_scalarother(visible, f64::NEG_INFINITY); // [B, S, T]
        normalise(&log_weight.softmax(-1, Kind::Float).bmm(vectors)) * &w[self.gate] // [B, S, D]
    }
}
