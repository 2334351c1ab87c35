//! A training batch: everything that one step reads, drawn ahead of it.

use std::collections::HashMap;

use crate::tokens::TokenGroup;

/// What is subtracted from a positive's logit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PositiveCorrection {
    /// `log P(item is drawn | user is in the batch)`, the paper's `Q_i(p_i)`.
    Conditional,
    /// The same `log Q` as the item would have among the negatives.
    Marginal,
    /// No logQ at all, neither on positives nor on negatives (an ablation of the paper).
    Off,
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
    pub(crate) correction: PositiveCorrection,
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
