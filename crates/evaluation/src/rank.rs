//! The best items of a block of users, in an order that does not depend on libtorch's: score descending, then item
//! row ascending.

use tch::{IndexOp, Kind, Tensor};

use crate::EvaluationError;

/// A retrieved item.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Ranked {
    /// Item row.
    pub(crate) item: u32,
    /// Its score, above minus infinity.
    pub(crate) score: f32,
}

/// The at most `k` best items of each row of `scores` `[b, n]`, minus infinities left out.
///
/// `Err(Some(row))` is a row with a NaN among the scores.
pub(crate) fn best(scores: &Tensor, k: usize) -> Result<Result<Vec<Vec<Ranked>>, usize>, EvaluationError> {
    let (n_rows, n_items) = scores.size2()?;
    let k = (k as i64).min(n_items);
    if k == 0 {
        return Ok(Ok(vec![Vec::new(); n_rows as usize]));
    }
    let (values, items) = scores.f_topk(k, 1, true, true)?; // [b, k]
    let last = values.f_narrow(1, k - 1, 1)?; // [b, 1]
    let n_at_last = scores.f_eq_tensor(&last)?.f_sum_dim_intlist([1i64].as_slice(), false, Kind::Int64)?; // [b]
    let values = Vec::<f32>::try_from(values.f_reshape([-1])?)?;
    let items = Vec::<i64>::try_from(items.f_reshape([-1])?)?;
    let n_at_last = Vec::<i64>::try_from(n_at_last)?;
    let mut lists = Vec::with_capacity(n_rows as usize);
    for (row, &n_equal) in n_at_last.iter().enumerate() {
        let range = row * k as usize..(row + 1) * k as usize;
        // libtorch sorts NaN before everything.
        if values[range.start].is_nan() {
            return Ok(Err(row));
        }
        let listed = range.map(|at| Ranked { item: items[at] as u32, score: values[at] });
        let mut list: Vec<Ranked> = listed.filter(|ranked| ranked.score > f32::NEG_INFINITY).collect();
        if list.len() == k as usize {
            settle_last_tie(&mut list, n_equal as usize, &scores.f_i(row as i64)?)?;
        }
        list.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.item.cmp(&b.item)));
        lists.push(list);
    }
    Ok(Ok(lists))
}

/// Where more items have the last score of a full list than fit, keep those of the lowest rows.
fn settle_last_tie(list: &mut Vec<Ranked>, n_equal: usize, row: &Tensor) -> Result<(), EvaluationError> {
    let Some(&Ranked { score: last, .. }) = list.last() else { return Ok(()) };
    let n_listed = list.iter().filter(|ranked| ranked.score == last).count();
    if n_listed == n_equal {
        return Ok(());
    }
    list.retain(|ranked| ranked.score > last);
    let tied = row.f_eq(f64::from(last))?.f_nonzero()?.f_reshape([-1])?.f_narrow(0, 0, n_listed as i64)?;
    let tied = Vec::<i64>::try_from(tied)?;
    list.extend(tied.iter().map(|&item| Ranked { item: item as u32, score: last }));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items_of(lists: &[Vec<Ranked>]) -> Vec<Vec<u32>> {
        lists.iter().map(|list| list.iter().map(|ranked| ranked.item).collect()).collect()
    }

    #[test]
    fn ties_go_to_the_lowest_row_inside_and_at_the_end() {
        let scores = Tensor::from_slice(&[1f32, 3.0, 1.0, 3.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]).reshape([2, 5]);
        assert_eq!(items_of(&best(&scores, 4).unwrap().unwrap()), [vec![1, 3, 0, 2], vec![0, 1, 2, 3]]);
        assert_eq!(items_of(&best(&scores, 9).unwrap().unwrap()), [vec![1, 3, 0, 2, 4], vec![0, 1, 2, 3, 4]]);
    }

    #[test]
    fn a_list_of_none_is_empty() {
        let scores = Tensor::from_slice(&[1f32, 3.0]).reshape([2, 1]);
        assert_eq!(items_of(&best(&scores, 0).unwrap().unwrap()), [[0u32; 0]; 2]);
    }

    #[test]
    fn minus_infinity_is_not_retrieved() {
        let scores = Tensor::from_slice(&[f32::NEG_INFINITY, 2.0, f32::NEG_INFINITY]).reshape([1, 3]);
        assert_eq!(items_of(&best(&scores, 2).unwrap().unwrap()), [vec![1]]);
    }

    #[test]
    fn nan_names_its_row() {
        let scores = Tensor::from_slice(&[1f32, 2.0, 3.0, f32::NAN]).reshape([2, 2]);
        assert_eq!(best(&scores, 1).unwrap(), Err(1));
    }
}
