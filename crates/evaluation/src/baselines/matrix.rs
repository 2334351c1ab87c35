//! The user × item matrix of the positives, under one of several weightings.

use dayvec_core::{SECONDS_PER_DAY, Sequences};
use dayvec_items::Csr;

/// Users × items; an entry is the sum of `weight(seconds before the user's newest positive)` over the user's positives
/// on the item. Columns ascend within a row.
fn weighted(history: &Sequences, weight: impl Fn(i64) -> f64) -> Csr {
    let actions = &history.actions;
    let row = |user: usize| {
        let mut places: Vec<usize> = history.range(user).filter(|&at| actions.positive[at]).collect();
        let newest_s = places.first().map_or(0, |&at| actions.timestamp[at]);
        places.sort_by_key(|&at| actions.item[at]);
        let same_item = |a: &usize, b: &usize| actions.item[*a] == actions.item[*b];
        let entry = |places: &[usize]| {
            let sum: f64 = places.iter().map(|&at| weight(newest_s - actions.timestamp[at])).sum();
            (actions.item[places[0]], sum as f32)
        };
        places.chunk_by(same_item).map(entry).collect::<Vec<_>>()
    };
    Csr::from_rows(history.items.ids().len(), (0..history.n_users()).map(row))
}

/// Number of positives of each user on each item.
pub(super) fn counts(history: &Sequences) -> Csr {
    weighted(history, |_| 1.0)
}

/// The same with weights that halve with every `half_life_days`.
pub(super) fn decayed_counts(history: &Sequences, half_life_days: f64) -> Csr {
    let half_life_s = half_life_days * SECONDS_PER_DAY as f64;
    weighted(history, |age_s| (-(age_s as f64) / half_life_s).exp2())
}

/// A matrix with every entry passed through `map`, which also gets the column.
pub(super) fn mapped(matrix: &Csr, map: impl Fn(u32, f32) -> f32) -> Csr {
    let row = |row| matrix.row(row).map(|(col, value)| (col, map(col, value)));
    Csr::from_rows(matrix.n_cols(), (0..matrix.n_rows()).map(row))
}

/// For each column, in how many rows it has an entry.
pub(super) fn column_entries(matrix: &Csr) -> Vec<u32> {
    let mut entries = vec![0; matrix.n_cols()];
    for row in 0..matrix.n_rows() {
        for (col, _) in matrix.row(row) {
            entries[col as usize] += 1;
        }
    }
    entries
}
