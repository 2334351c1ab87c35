//! Lists that another program predicted, as a scorer.

use std::collections::HashMap;

use tch::Tensor;

use crate::{EvaluationError, Scorer};

/// An item of a predicted list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// Item row of the history.
    pub item: u32,
    /// Place in the list, from 1, at most 2^24; items of equal place are tied.
    pub place: u32,
}

/// Lists by user. An item that is not in a user's list is not retrieved, and a user without a list retrieves nothing.
#[derive(Debug)]
pub struct Predicted {
    name: String,
    n_items: usize,
    lists: HashMap<usize, Vec<Placed>>,
}

impl Predicted {
    /// `lists` by user row; `n_items` is the number of items of the history.
    #[must_use]
    pub fn new(name: &str, n_items: usize, lists: HashMap<usize, Vec<Placed>>) -> Self {
        Self { name: name.to_owned(), n_items, lists }
    }
}

impl Scorer for Predicted {
    fn name(&self) -> &str {
        &self.name
    }

    fn scores(&self, users: &[usize]) -> Result<Tensor, EvaluationError> {
        let mut scores = vec![f32::NEG_INFINITY; users.len() * self.n_items];
        for (user, row) in users.iter().zip(scores.chunks_exact_mut(self.n_items.max(1))) {
            for placed in self.lists.get(user).into_iter().flatten() {
                row[placed.item as usize] = -(placed.place as f32);
            }
        }
        Ok(Tensor::f_from_slice(&scores)?.f_reshape([users.len() as i64, self.n_items as i64])?) // [b, n]
    }
}
