//! Sampled softmax with logQ correction over one pool of in-batch and random negatives (the paper, section 5.1).

use tch::{Kind, Tensor};

/// The negative pool as the loss reads it.
pub(crate) struct Pool {
    /// Item embeddings divided by the temperature, transposed, `[D, C]`.
    pub(crate) vectors: Tensor,
    /// `-log Q` of each column, `[1, C]`.
    pub(crate) minus_log_q: Tensor,
}

/// The pairs of one group.
pub(crate) struct PairTensors {
    /// User embeddings at the trained positions, `[P, D]`.
    pub(crate) users: Tensor,
    /// Item embeddings of the labels divided by the temperature, `[P, D]`.
    pub(crate) labels: Tensor,
    /// `-log Q_i(p_i)`, `[P]`.
    pub(crate) minus_log_q: Tensor,
    /// Flat cells of `[P, C]` that are no negatives.
    pub(crate) masked: Tensor,
    /// Weight of each pair, `[P]`.
    pub(crate) weight: Tensor,
}

/// `Σ_i w_i (log(exp z_i + Σ_j exp z_ij) - z_i)`, where `z` are logits less `log Q`; a scalar.
pub(crate) fn sampled_softmax(pairs: &PairTensors, pool: &Pool) -> Tensor {
    let positive = (&pairs.users * &pairs.labels).sum_dim_intlist([-1_i64].as_slice(), false, Kind::Float)
        + &pairs.minus_log_q; // [P]
    let logits = pool.minus_log_q.addmm(&pairs.users, &pool.vectors); // [P, C]
    let _ = logits.view([-1]).index_fill_(0, &pairs.masked, f64::NEG_INFINITY);
    let negatives = logits.logsumexp([-1_i64].as_slice(), false); // [P]
    // log(exp z + exp n) - z = softplus(n - z)
    ((negatives - positive).softplus() * &pairs.weight).sum(Kind::Float)
}
