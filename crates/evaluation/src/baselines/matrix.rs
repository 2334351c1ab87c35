//! The user × item matrix of the positives, under one of several weightings; and weighted sums of vectors by its rows.

use dayvec_core::{Day, SECONDS_PER_DAY, Sequences};
use dayvec_items::Csr;
use tch::{Kind, Tensor};

use crate::EvaluationError;

/// Users × items; an entry is the sum of `weight(age)` over the user's positives on the item, where the age is in
/// seconds: up to `until_s` (Unix seconds), or without it up to the user's newest positive. Columns ascend within a row.
fn weighted(history: &Sequences, until_s: Option<i64>, weight: impl Fn(i64) -> f64) -> Csr {
    let actions = &history.actions;
    let row = |user: usize| {
        let mut places: Vec<usize> = history.range(user).filter(|&at| actions.positive[at]).collect();
        let until_s = until_s.unwrap_or_else(|| places.first().map_or(0, |&at| actions.timestamp[at]));
        places.sort_by_key(|&at| actions.item[at]);
        let same_item = |a: &usize, b: &usize| actions.item[*a] == actions.item[*b];
        let entry = |places: &[usize]| {
            let sum: f64 = places.iter().map(|&at| weight(until_s - actions.timestamp[at])).sum();
            (actions.item[places[0]], sum as f32)
        };
        places.chunk_by(same_item).map(entry).collect::<Vec<_>>()
    };
    Csr::from_rows(history.items.ids().len(), (0..history.n_users()).map(row))
}

/// Number of positives of each user on each item.
pub(super) fn counts(history: &Sequences) -> Csr {
    weighted(history, None, |_| 1.0)
}

/// The same with weights that halve with every `half_life_days` before the user's newest positive; for scorers to which
/// only the proportions of a user's weights matter.
pub(super) fn decayed_counts(history: &Sequences, half_life_days: f64) -> Csr {
    weighted(history, None, half(half_life_days))
}

/// The same with weights that halve with every `half_life_days` before the first second of `cut_off`.
pub(super) fn counts_decayed_until(history: &Sequences, cut_off: Day, half_life_days: f64) -> Csr {
    weighted(history, Some(cut_off.start_s()), half(half_life_days))
}

fn half(half_life_days: f64) -> impl Fn(i64) -> f64 {
    let half_life_s = half_life_days * SECONDS_PER_DAY as f64;
    move |age_s| (-(age_s as f64) / half_life_s).exp2()
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

/// For each of `rows` of a sparse matrix, the sum of the vectors of its columns (`[n_cols, d]`) by its values: `[b, d]`.
pub(super) fn weighted_sums(
    matrix: &Csr,
    rows: &[usize],
    vectors: &Tensor,
) -> Result<Tensor, EvaluationError> {
    let (mut cols, mut values, mut starts) = (Vec::new(), Vec::new(), Vec::new());
    for &row in rows {
        starts.push(cols.len() as i64);
        for (col, value) in matrix.row(row) {
            cols.push(i64::from(col));
            values.push(value);
        }
    }
    if cols.is_empty() {
        let size = [rows.len() as i64, vectors.size()[1]];
        return Ok(Tensor::f_zeros(size, (Kind::Float, vectors.device()))?);
    }
    let [cols, starts] = [Tensor::f_from_slice(&cols)?, Tensor::f_from_slice(&starts)?];
    let values = Some(Tensor::f_from_slice(&values)?);
    Ok(Tensor::f_embedding_bag(vectors, &cols, &starts, false, 0, false, values, false)?.0) // 0: sum
}
