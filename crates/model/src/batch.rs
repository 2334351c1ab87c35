//! A training batch: everything that one step reads, drawn ahead of it.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::tokens::TokenGroup;

/// logQ correction of the sampled softmax: what is subtracted from the logits, so that an item which is often drawn is
/// not punished for that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a map with `negatives` and `positives`")]
pub struct Correction {
    /// Of the negatives.
    pub negatives: NegativeCorrection,
    /// Of the positives.
    pub positives: PositiveCorrection,
}

/// Q of an item among the negatives. `q` is its share of the labels drawn so far, `n` the number of draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NegativeCorrection {
    /// None (an ablation of the paper).
    Off,
    /// The expected number of times that the item is in the pool, `n q`: the usual approximation of `Exact`.
    Linear,
    /// The chance that the item is in the pool at all, `1 − (1 − q)^n`.
    Exact,
}

/// Q of a positive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PositiveCorrection {
    /// None.
    Off,
    /// `P(item is drawn | user is in the batch)`, the paper's `Q_i(p_i)`.
    Conditional,
    /// That which the item would have among the negatives.
    Marginal,
    /// The positive is always there, so its Q is 1; the negatives are draws of anything else, so theirs is divided by
    /// the chance `1 − q` of drawing something else. The gradient is then that of a softmax over the negatives alone,
    /// weighted by the chance that the model still gets the pair wrong (Khrylchenko et al., arXiv 2507.09331).
    Refined,
}

/// What the logits of a pair and of its negatives become.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// Softmax over the positive and the pool, with the logQ correction (the paper, section 4.1).
    SampledSoftmax,
    /// `−log σ(positive)` and the mean of `−log σ(−negative)` over the pool: SASRec's one random negative a positive, in
    /// expectation. It takes no logQ correction.
    BinaryCrossEntropy,
}

/// Sequences of like length with the positions that are trained in them.
#[derive(Debug, Clone)]
pub(crate) struct QueryGroup {
    pub(crate) tokens: TokenGroup,
    /// Index in [`TrainBatch::items`] of each token's item, `[B * T]`; empty when the model does not need it.
    pub(crate) token_item: Vec<i64>,
    /// Time steps, `[B, S]`, padded with 0.
    pub(crate) queries: Vec<i64>,
    /// S.
    pub(crate) n_queries: usize,
    /// Which of `queries` are real: flat indices, one a pair of this group.
    pub(crate) valid: Vec<i64>,
}

/// Everything that one training step reads.
#[derive(Debug, Clone)]
pub struct TrainBatch {
    pub(crate) groups: Vec<QueryGroup>,
    /// The distinct items of the step: rows of the item table.
    pub(crate) items: Vec<i64>,
    /// Index in `items` of each pair's label, `[P]`, in the order of the groups' `valid`.
    pub(crate) label: Vec<i64>,
    /// Row of each pair's user in the training sequences, `[P]`.
    pub(crate) user: Vec<usize>,
    /// Weight of each pair: every user of the batch weighs the same, and all weights sum to 1.
    pub(crate) weight: Vec<f32>,
    /// Indices in `items` of the negative pool, `[C]`: the in-batch ones, then the random ones.
    pub(crate) pool: Vec<i64>,
    /// The pairs that the in-batch part of the pool comes from, in the order of its columns.
    pub(crate) pool_pairs: Vec<usize>,
    /// How many items random negatives are drawn from.
    pub(crate) n_eligible: usize,
    /// Cells `pair * C + column` of the logits that are not negatives (same item, or same user), by rising pair.
    pub(crate) masked: Vec<i64>,
    pub(crate) correction: Correction,
    pub(crate) loss: Loss,
    pub(crate) n_users: usize,
}

impl TrainBatch {
    /// Users with at least one pair.
    #[must_use]
    pub const fn n_users(&self) -> usize {
        self.n_users
    }

    /// (position, label) pairs.
    #[must_use]
    pub const fn n_pairs(&self) -> usize {
        self.label.len()
    }

    /// Real actions in the input, without padding.
    #[must_use]
    pub fn n_tokens(&self) -> usize {
        self.groups.iter().map(|group| group.tokens.n_tokens()).sum()
    }

    /// Find, for each pair, the columns of the pool that hold its own label or come from its own user.
    pub(crate) fn mask_own_columns(&mut self) {
        let (mut of_item, mut of_user) = (HashMap::<i64, Vec<i64>>::new(), HashMap::<usize, Vec<i64>>::new());
        for (column, &item) in self.pool.iter().enumerate() {
            of_item.entry(item).or_default().push(column as i64);
        }
        for (column, &pair) in self.pool_pairs.iter().enumerate() {
            of_user.entry(self.user[pair]).or_default().push(column as i64);
        }
        let n_columns = self.pool.len() as i64;
        for (pair, (label, user)) in self.label.iter().zip(&self.user).enumerate() {
            let columns = [of_item.get(label), of_user.get(user)];
            let cells =
                columns.into_iter().flatten().flatten().map(|column| pair as i64 * n_columns + column);
            self.masked.extend(cells);
        }
    }
}
