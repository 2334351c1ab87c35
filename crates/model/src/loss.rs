//! The losses over one pool of in-batch and random negatives, with their gradients: the sampled softmax with logQ
//! correction (the paper, section 5.1), and the binary cross-entropy of SASRec.
//!
//! `[P, C]` logits at once would be the largest tensor of a step by far (216 MB at the paper's sizes), and automatic
//! differentiation would pass over it some ten times. Here a block of rows that fits the cache goes forward and
//! backward before the next is touched, and only the gradients of the embeddings remain.

use tch::{Device, Kind, Tensor};

use crate::batch::Loss;

/// Logits of a block of rows: 2 MiB on a CPU, where caches are small; 256 MiB on a GPU.
fn block_cells(device: Device) -> i64 {
    if device.is_cuda() { 1 << 26 } else { 1 << 19 }
}

/// What the loss reads. Item embeddings are already divided by the temperature.
pub(crate) struct Pairs<'a> {
    /// User embeddings at the trained positions, `[P, D]`.
    pub(crate) users: Tensor,
    /// Item embeddings of the labels, `[P, D]`.
    pub(crate) labels: Tensor,
    /// Item embeddings of the negative pool, `[C, D]`.
    pub(crate) pool: Tensor,
    /// `log Q_i(p_i)` of each pair, `[P]`.
    pub(crate) label_log_q: Tensor,
    /// `log Q` of each column of the pool, `[C]`.
    pub(crate) pool_log_q: Tensor,
    /// Weight of each pair, `[P]`.
    pub(crate) weight: Tensor,
    /// Cells `row * C + column` that are not negatives, by ascending row.
    pub(crate) masked: &'a [i64],
}

/// The loss and its gradients.
pub(crate) struct LossGradients {
    /// Softmax: `Σ_i w_i (log(exp z_i + Σ_j exp z_ij) - z_i)`, where `z` are logits less `log Q`. Binary cross-entropy:
    /// `Σ_i w_i (softplus(-z_i) + mean_j softplus(z_ij))`, where `z` are logits and the mean is over the row's negatives.
    pub(crate) loss: f64,
    users: Tensor,
    labels: Tensor,
    pool: Tensor,
}

impl LossGradients {
    /// A scalar whose gradients with respect to the embeddings are those of the loss.
    pub(crate) fn surrogate(&self, pairs: &Pairs<'_>) -> Tensor {
        let dot = |a: &Tensor, b: &Tensor| (a * b).sum(Kind::Float);
        dot(&pairs.users, &self.users) + dot(&pairs.labels, &self.labels) + dot(&pairs.pool, &self.pool)
    }
}

/// Loss and gradients, block of rows by block of rows.
pub(crate) fn loss(kind: Loss, pairs: &Pairs<'_>) -> LossGradients {
    let _no_grad = tch::no_grad_guard();
    let (n_pairs, n_columns) = (pairs.users.size()[0], pairs.pool.size()[0]);
    let device = pairs.users.device();
    let bias = match kind {
        Loss::SampledSoftmax => (-&pairs.pool_log_q).unsqueeze(0), // [1, C]
        Loss::BinaryCrossEntropy => pairs.pool_log_q.zeros_like().unsqueeze(0),
    };
    let columns = pairs.pool.transpose(0, 1); // [D, C]
    let mut of_pool = pairs.pool.zeros_like();
    let (mut of_users, mut of_labels, mut losses) = (Vec::new(), Vec::new(), Vec::new());
    let rows_of_block = (block_cells(device) / n_columns.max(1)).max(1);
    for first in (0..n_pairs).step_by(rows_of_block as usize) {
        let n_rows = rows_of_block.min(n_pairs - first);
        let rows = |column: &Tensor| column.narrow(0, first, n_rows);
        let (users, labels, weight) = (rows(&pairs.users), rows(&pairs.labels), rows(&pairs.weight));
        let logits = bias.addmm(&users, &columns); // [rows, C]
        let masked = masked_cells(pairs.masked, first, n_rows, n_columns);
        let masked = Tensor::from_slice(&masked).to_device(device);
        let _ = logits.view([-1]).index_fill_(0, &masked, f64::NEG_INFINITY);
        let positives = (&users * &labels).sum_dim_intlist([-1_i64].as_slice(), false, Kind::Float);
        let block = match kind {
            Loss::SampledSoftmax => softmax_block(logits, &(positives - rows(&pairs.label_log_q)), &weight),
            Loss::BinaryCrossEntropy => cross_entropy_block(logits, &positives, &weight),
        };
        losses.push(block.loss);
        let of_positive = block.of_positive.unsqueeze(1); // [rows, 1]
        of_users.push(block.of_negatives.mm(&pairs.pool) + &of_positive * &labels);
        of_labels.push(of_positive * &users);
        of_pool += block.of_negatives.transpose(0, 1).mm(&users);
    }
    LossGradients {
        loss: Tensor::stack(&losses, 0).sum(Kind::Double).double_value(&[]),
        users: Tensor::cat(&of_users, 0),
        labels: Tensor::cat(&of_labels, 0),
        pool: of_pool,
    }
}

/// The loss of a block of rows, and its gradients with respect to the logits.
struct Block {
    loss: Tensor,         // []
    of_positive: Tensor,  // [rows]
    of_negatives: Tensor, // [rows, C]
}

/// `logits` of the negatives, minus infinity where masked; their memory becomes that of the gradient.
fn softmax_block(mut logits: Tensor, positives: &Tensor, weight: &Tensor) -> Block {
    let highest = logits.amax([-1_i64].as_slice(), true).clamp_min(-1e30); // [rows, 1]; finite if all are masked
    let _ = logits.g_sub_(&highest).exp_();
    let total = logits.sum_dim_intlist([-1_i64].as_slice(), true, Kind::Float); // [rows, 1]
    let negatives = (total.log() + highest).squeeze_dim(1); // [rows]
    // log(exp z + exp n) - z = softplus(n - z), and its slope in n is sigmoid(n - z)
    let excess = negatives - positives;
    let slope = excess.sigmoid() * weight;
    let _ = logits.g_mul_(&(slope.unsqueeze(1) / total.clamp_min(1e-30)));
    Block { loss: (excess.softplus() * weight).sum(Kind::Float), of_positive: -slope, of_negatives: logits }
}

/// As [`softmax_block`], each pair against the mean of its negatives.
fn cross_entropy_block(mut logits: Tensor, positives: &Tensor, weight: &Tensor) -> Block {
    // softplus(-inf) = sigmoid(-inf) = 0: masked columns cost nothing and have no gradient
    let row_sum = |values: Tensor| values.sum_dim_intlist([-1_i64].as_slice(), false, Kind::Float);
    let n_negatives = row_sum(logits.isfinite()).clamp_min(1.0); // [rows]
    let losses = (-positives).softplus() + row_sum(logits.softplus()) / &n_negatives;
    let _ = logits.sigmoid_().g_mul_(&(weight / n_negatives).unsqueeze(1));
    Block {
        loss: (losses * weight).sum(Kind::Float),
        of_positive: -(-positives).sigmoid() * weight,
        of_negatives: logits,
    }
}

/// The masked cells of some rows, counted from the first of them.
fn masked_cells(masked: &[i64], first: i64, n_rows: i64, n_columns: i64) -> Vec<i64> {
    let start = masked.partition_point(|&cell| cell < first * n_columns);
    let end = masked.partition_point(|&cell| cell < (first + n_rows) * n_columns);
    masked[start..end].iter().map(|cell| cell - first * n_columns).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same loss in one piece, left to automatic differentiation.
    fn plain(kind: Loss, pairs: &Pairs<'_>) -> Tensor {
        let positive =
            (&pairs.users * &pairs.labels).sum_dim_intlist([-1_i64].as_slice(), false, Kind::Float);
        let logits = pairs.users.mm(&pairs.pool.transpose(0, 1));
        let size = logits.size();
        let masked = Tensor::from_slice(pairs.masked);
        let without_masked =
            |logits: Tensor, value| logits.flatten(0, 1).index_fill(0, &masked, value).view(&size[..]);
        let losses = match kind {
            Loss::SampledSoftmax => {
                let positive = positive - &pairs.label_log_q;
                let logits = without_masked(logits - pairs.pool_log_q.unsqueeze(0), f64::NEG_INFINITY);
                let all = Tensor::cat(&[positive.unsqueeze(1), logits], 1);
                all.logsumexp([-1_i64].as_slice(), false) - positive
            }
            Loss::BinaryCrossEntropy => {
                let is_negative = without_masked(logits.ones_like(), 0.0);
                let costs = -(-&logits).log_sigmoid() * &is_negative;
                let rows = |values: Tensor| values.sum_dim_intlist([-1_i64].as_slice(), false, Kind::Float);
                rows(costs) / rows(is_negative).clamp_min(1.0) - positive.log_sigmoid()
            }
        };
        (losses * &pairs.weight).sum(Kind::Float)
    }

    #[test]
    fn blocks_equal_automatic_differentiation() {
        for kind in [Loss::SampledSoftmax, Loss::BinaryCrossEntropy] {
            tch::manual_seed(1);
            let (n_pairs, n_columns, dim) = (700, 3_000, 8); // several blocks
            let rows = |n| Tensor::randn([n, dim], (Kind::Float, Device::Cpu)).set_requires_grad(true);
            let masked: Vec<i64> = (0..n_pairs * n_columns).step_by(977).collect();
            let pairs = Pairs {
                users: rows(n_pairs),
                labels: rows(n_pairs),
                pool: rows(n_columns),
                label_log_q: -Tensor::rand([n_pairs], (Kind::Float, Device::Cpu)),
                pool_log_q: -Tensor::rand([n_columns], (Kind::Float, Device::Cpu)),
                weight: Tensor::rand([n_pairs], (Kind::Float, Device::Cpu)) / n_pairs as f64,
                masked: &masked,
            };
            let blocks = loss(kind, &pairs);
            let whole = plain(kind, &pairs);
            whole.backward();
            assert!((blocks.loss - whole.double_value(&[])).abs() < 1e-5, "{kind:?}");
            let gradients =
                [(&pairs.users, &blocks.users), (&pairs.labels, &blocks.labels), (&pairs.pool, &blocks.pool)];
            for (embeddings, gradient) in gradients {
                let difference = (embeddings.grad() - gradient).abs().max().double_value(&[]);
                assert!(difference < 1e-7, "{kind:?}: {difference}");
            }
        }
    }

    /// One pair whose only negative is masked.
    fn all_masked(kind: Loss) -> LossGradients {
        let ones = || Tensor::ones([1, 2], (Kind::Float, Device::Cpu));
        let zero = || Tensor::zeros([1], (Kind::Float, Device::Cpu));
        let pairs = Pairs {
            users: ones(),
            labels: ones(),
            pool: ones(),
            label_log_q: zero(),
            pool_log_q: zero(),
            weight: zero() + 1.0,
            masked: &[0],
        };
        loss(kind, &pairs)
    }

    #[test]
    fn a_pair_whose_negatives_are_all_masked_costs_nothing_beyond_itself() {
        let softmax = all_masked(Loss::SampledSoftmax);
        assert!(softmax.loss.abs() < 1e-6, "{}", softmax.loss);
        assert_eq!(softmax.users.abs().max().double_value(&[]), 0.0);
        let cross_entropy = all_masked(Loss::BinaryCrossEntropy);
        let alone = (-2.0_f64).exp().ln_1p(); // -log σ(2)
        assert!((cross_entropy.loss - alone).abs() < 1e-6, "{}", cross_entropy.loss);
        assert_eq!(cross_entropy.pool.abs().max().double_value(&[]), 0.0);
    }
}
