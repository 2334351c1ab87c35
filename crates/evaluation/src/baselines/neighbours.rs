//! Items bought by users who bought the user's newest items.

use dayvec_core::Sequences;
use dayvec_items::Csr;
use rayon::prelude::*;
use tch::Tensor;

use super::matrix::{column_entries, counts, mapped};
use crate::{EvaluationError, Scorer};

/// Sum of the cosines between an item and each of the user's last distinct items; an item is the set of users who
/// bought it. A last item is its own nearest neighbour; an item that shares no user with any is not retrieved.
#[derive(Debug)]
pub struct ItemNeighbours {
    name: String,
    last_items: Vec<Vec<u32>>,
    by_user: Csr, // users × items, columns of length 1
    by_item: Csr, // its transpose
}

impl ItemNeighbours {
    /// Neighbours of the last `n_items` distinct items of each user.
    #[must_use]
    pub fn new(history: &Sequences, n_items: usize) -> Self {
        let counts = counts(history);
        let lengths: Vec<f32> = column_entries(&counts).iter().map(|&n| (n as f32).sqrt()).collect();
        let by_user = mapped(&counts, |item, _| 1.0 / lengths[item as usize]);
        Self {
            name: format!("neighbours of the last {n_items} items"),
            last_items: (0..history.n_users()).map(|user| last_items(history, user, n_items)).collect(),
            by_item: by_user.transpose(),
            by_user,
        }
    }

    /// Scores of one user, `[n]`; `weights` must be all zeros, and is again afterwards.
    fn score(&self, user: usize, weights: &mut [f32], scores: &mut [f32]) {
        let mut neighbours = Vec::new();
        for &item in &self.last_items[user] {
            for (neighbour, weight) in self.by_item.row(item as usize) {
                if weights[neighbour as usize] == 0.0 {
                    neighbours.push(neighbour as usize);
                }
                weights[neighbour as usize] += weight;
            }
        }
        for neighbour in neighbours {
            let weight = ::core::mem::take(&mut weights[neighbour]);
            for (item, value) in self.by_user.row(neighbour) {
                scores[item as usize] += weight * value;
            }
        }
        for score in scores.iter_mut().filter(|score| **score == 0.0) {
            *score = f32::NEG_INFINITY;
        }
    }
}

/// The newest distinct items that a user bought, newest first.
fn last_items(history: &Sequences, user: usize, n_items: usize) -> Vec<u32> {
    let mut items = Vec::with_capacity(n_items);
    for at in history.range(user) {
        let item = history.actions.item[at];
        if items.len() < n_items && history.actions.positive[at] && !items.contains(&item) {
            items.push(item);
        }
    }
    items
}

impl Scorer for ItemNeighbours {
    fn name(&self) -> &str {
        &self.name
    }

    fn scores(&self, users: &[usize]) -> Result<Tensor, EvaluationError> {
        let n_items = self.by_user.n_cols().max(1);
        let mut scores = vec![0.0; users.len() * n_items];
        scores.par_chunks_exact_mut(n_items).zip(users).for_each_init(
            || vec![0.0; self.by_user.n_rows()],
            |weights, (scores, &user)| self.score(user, weights, scores),
        );
        Ok(Tensor::f_from_slice(&scores)?.f_reshape([users.len() as i64, -1])?)
    }
}
