//! Scores of a block of rows, `[rows, n]`: what is left out of them, and what they say about given items.

use dayvec_core::Sequences;
use tch::{Kind, Tensor};

use crate::EvaluationError;
use crate::outcomes::RECALL_K;
use crate::rank::Ranked;

/// Scores with minus infinity outside the catalogue.
pub(crate) fn within_catalogue(scores: &Tensor, eligible: &[bool]) -> Result<Tensor, EvaluationError> {
    let outside: Vec<bool> = eligible.iter().map(|eligible| !eligible).collect();
    let outside = Tensor::f_from_slice(&outside)?.f_to_device(scores.device())?;
    Ok(scores.f_to_kind(Kind::Float)?.f_masked_fill(&outside, f64::NEG_INFINITY)?)
}

/// Distinct items that a user acted upon, ascending.
pub(crate) fn seen_items(history: &Sequences, user: usize) -> Vec<u32> {
    let mut seen = history.actions.item[history.range(user)].to_vec();
    seen.sort_unstable();
    seen.dedup();
    seen
}

/// The items of `from` that are not in `without`, which is ascending.
pub(crate) fn difference(from: &[u32], without: &[u32]) -> Vec<u32> {
    from.iter().copied().filter(|item| without.binary_search(item).is_err()).collect()
}

/// (rows, items) of a list of items a row, as index tensors.
fn places(lists: &[Vec<u32>], scores: &Tensor) -> Result<[Option<Tensor>; 2], EvaluationError> {
    let rows: Vec<i64> =
        lists.iter().enumerate().flat_map(|(row, items)| items.iter().map(move |_| row as i64)).collect();
    let items: Vec<i64> = lists.iter().flatten().map(|&item| i64::from(item)).collect();
    let on_device = |values: &[i64]| Tensor::f_from_slice(values)?.f_to_device(scores.device());
    Ok([Some(on_device(&rows)?), Some(on_device(&items)?)])
}

/// Scores with minus infinity at each row's seen items.
pub(crate) fn without_seen(scores: &Tensor, seen: &[Vec<u32>]) -> Result<Tensor, EvaluationError> {
    let nothing = Tensor::f_from_slice(&[f32::NEG_INFINITY])?.f_to_device(scores.device())?;
    Ok(scores.f_index_put(&places(seen, scores)?, &nothing, false)?)
}

/// Whether an item of this score is a hit beside a row's best items.
pub(crate) fn is_hit(list: &[Ranked], score: f32) -> bool {
    // Fewer than 10 other items score as high as p or higher exactly when p scores strictly higher than the eleventh.
    score > list.get(RECALL_K).map_or(f32::NEG_INFINITY, |ranked| ranked.score)
}

/// The scores of a list of items a row, one row after the other.
pub(crate) fn pair_scores(scores: &Tensor, items: &[Vec<u32>]) -> Result<Vec<f32>, EvaluationError> {
    Ok(Vec::try_from(scores.f_index(&places(items, scores)?)?)?)
}
