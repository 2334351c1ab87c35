//! The positives of users as a sparse matrix, users × items.

use dayvec_core::{SECONDS_PER_DAY, Sequences};
use dayvec_items::Csr;

/// Half-life of a positive in the memory, in days.
const HALF_LIFE_DAYS: f64 = 180.0;

/// Users with positives, and what they did.
pub(super) struct Positives {
    /// Users × items: each pair's positives, decayed up to the newest of anyone.
    pub(super) decayed: Csr,
}

impl Positives {
    /// Of the users for whom `keep` holds; users without positives have no row.
    pub(super) fn of(sequences: &Sequences, keep: impl Fn(usize) -> bool) -> Self {
        let actions = &sequences.actions;
        let positive = |at: &usize| actions.positive[*at];
        let newest = actions.timestamp.iter().zip(&actions.positive).filter(|(_, positive)| **positive);
        let until_s = newest.map(|(&timestamp, _)| timestamp).max().unwrap_or(0);
        let row = |user: usize| {
            let mut places: Vec<usize> = sequences.range(user).filter(positive).collect();
            places.sort_by_key(|&at| actions.item[at]);
            let weight = |at: &usize| {
                let age = (until_s - actions.timestamp[*at]) as f64 / SECONDS_PER_DAY as f64;
                (-age / HALF_LIFE_DAYS).exp2()
            };
            let same_item = |a: &usize, b: &usize| actions.item[*a] == actions.item[*b];
            let pair =
                |places: &[usize]| (actions.item[places[0]], places.iter().map(weight).sum::<f64>() as f32);
            places.chunk_by(same_item).map(pair).collect::<Vec<_>>()
        };
        let rows = (0..sequences.n_users()).filter(|&user| keep(user)).map(row).filter(|row| !row.is_empty());
        Self { decayed: Csr::from_rows(sequences.items.ids().len(), rows) }
    }

    pub(super) fn n_items(&self) -> usize {
        self.decayed.n_cols()
    }
}

/// The same matrix with the value of each entry replaced, given its row and value.
pub(super) fn mapped(matrix: &Csr, map: impl Fn(usize, f32) -> f32) -> Csr {
    let map = &map;
    let row = |row| matrix.row(row).map(move |(col, value)| (col, map(row, value)));
    Csr::from_rows(matrix.n_cols(), (0..matrix.n_rows()).map(row))
}
