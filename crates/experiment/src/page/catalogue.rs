//! The items that may be retrieved, and how popular they were.

use dayvec_core::Sequences;
use dayvec_evaluation::Truth;

/// The catalogue of a test.
pub(super) struct Catalogue {
    /// Its item rows, ascending.
    pub(super) items: Vec<u32>,
    /// Actions on each item row before the test.
    n_actions: Vec<u64>,
}

impl Catalogue {
    pub(super) fn new(history: &Sequences, truth: &Truth) -> Self {
        let mut n_actions = vec![0; truth.eligible.len()];
        history.actions.item.iter().for_each(|&item| n_actions[item as usize] += 1);
        let items = (0..).zip(&truth.eligible).filter(|(_, it)| **it).map(|(item, _)| item).collect();
        Self { items, n_actions }
    }

    /// Actions on an item.
    pub(super) fn n_actions(&self, item: u32) -> u64 {
        self.n_actions[item as usize]
    }

    /// The `n` items of the most actions, the first one most; equally popular ones by row.
    pub(super) fn most_popular(&self, n: usize) -> Vec<u32> {
        let mut items = self.items.clone();
        items.sort_by_key(|&item| std::cmp::Reverse(self.n_actions(item)));
        items.truncate(n);
        items
    }
}
