//! Scores become lists and hits, block by block.

use dayvec_core::{ItemTable, Sequences};
use dayvec_report::ScorerMetrics;
use tch::{Kind, Tensor};

use crate::outcomes::{ENTROPY_K, Outcomes, RECALL_K, UserOutcome};
use crate::rank::{Ranked, best};
use crate::{EvaluationError, Scorer, Truth};

/// Scores held at once, about: 64 MiB.
const BLOCK_SCORES: usize = 1 << 24;
/// Most users of a block.
const BLOCK_USERS: usize = 1024;

/// Interest label of each item row, for Interest Entropy@50.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interests(Vec<Option<u32>>);

impl Interests {
    /// The labels of a table, if it has any; an empty label is none.
    #[must_use]
    pub fn of(table: &ItemTable) -> Option<Self> {
        let labels = table.interests.as_ref()?;
        let mut rows = dayvec_core::IdInterner::default();
        Some(Self(labels.iter().map(|label| (!label.is_empty()).then(|| rows.intern(label))).collect()))
    }

    /// Entropy in nats of the labels of a list; `None` where none of its items has one.
    fn entropy(&self, list: &[Ranked]) -> Option<f64> {
        let label = |ranked: &Ranked| self.0.get(ranked.item as usize).copied().flatten();
        let mut labels: Vec<u32> = list.iter().filter_map(label).collect();
        labels.sort_unstable();
        let n = labels.len() as f64;
        let term = |same: &[u32]| -(same.len() as f64 / n) * (same.len() as f64 / n).ln();
        (!labels.is_empty()).then(|| labels.chunk_by(u32::eq).map(term).sum::<f64>().abs())
    }
}

/// What an evaluation needs in addition to the truth.
#[derive(Debug, Clone)]
pub struct EvalOptions {
    /// Labels for Interest Entropy@50, which is left out without them.
    pub interests: Option<Interests>,
    /// Bootstrap resamples of the users.
    pub n_resamples: usize,
    /// Seed of the bootstrap; equal users and seed give equal resamples.
    pub seed: u64,
}

impl Default for EvalOptions {
    fn default() -> Self {
        Self { interests: None, n_resamples: 1000, seed: 20_220_509 }
    }
}

/// Score the users of `truth` and keep their hits and lists.
///
/// `history` is what `truth` was built from: its actions are the seen items.
///
/// # Errors
/// When the scorer fails, or gives another shape or NaN.
pub fn retrieve(
    scorer: &dyn Scorer,
    history: &Sequences,
    truth: &Truth,
    options: &EvalOptions,
) -> Result<Outcomes, EvaluationError> {
    let mut outcomes = Outcomes {
        scorer: scorer.name().to_owned(),
        users: truth.users.clone(),
        n_outside: truth.n_outside.clone(),
        n_eligible: truth.n_eligible(),
        allowed: Vec::with_capacity(truth.users.len()),
        filtered: Vec::with_capacity(truth.users.len()),
        n_resamples: options.n_resamples,
        seed: options.seed,
    };
    let block = block_users(truth.eligible.len());
    let interests = options.interests.as_ref();
    for (users, relevant) in truth.users.chunks(block).zip(truth.relevant.chunks(block)) {
        let scores = masked_scores(scorer, users, &truth.eligible)?; // [b, n]
        outcomes.allowed.extend(block_outcomes(&scores, scorer, users, relevant, interests)?);
        let seen: Vec<Vec<u32>> = users.iter().map(|&user| seen_items(history, user)).collect();
        let scores = without_seen(&scores, &seen)?;
        let unseen: Vec<Vec<u32>> =
            relevant.iter().zip(&seen).map(|(items, seen)| difference(items, seen)).collect();
        outcomes.filtered.extend(block_outcomes(&scores, scorer, users, &unseen, interests)?);
    }
    Ok(outcomes)
}

/// [`retrieve`], and the metrics of all users of `truth`.
///
/// # Errors
/// As [`retrieve`].
pub fn evaluate(
    scorer: &dyn Scorer,
    history: &Sequences,
    truth: &Truth,
    options: &EvalOptions,
) -> Result<ScorerMetrics, EvaluationError> {
    Ok(retrieve(scorer, history, truth, options)?.metrics(&|_| true))
}

/// Recall@10 over pairs, seen items allowed, and nothing else.
pub(crate) fn micro_recall(scorer: &dyn Scorer, truth: &Truth) -> Result<f64, EvaluationError> {
    let block = block_users(truth.eligible.len());
    let (mut hits, mut pairs) = (0u64, 0u64);
    for (users, relevant) in truth.users.chunks(block).zip(truth.relevant.chunks(block)) {
        let scores = masked_scores(scorer, users, &truth.eligible)?; // [b, n]
        for user in block_outcomes(&scores, scorer, users, relevant, None)? {
            hits += u64::from(user.hits);
            pairs += u64::from(user.n_pairs);
        }
    }
    Ok(hits as f64 / pairs.max(1) as f64)
}

/// Retrieved items, one entry a row in each column: users in the requested order, best item first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TopRows {
    /// Row of the user in the history.
    pub user: Vec<usize>,
    /// Rank, from 1.
    pub rank: Vec<u32>,
    /// Item row.
    pub item: Vec<u32>,
    /// Score.
    pub score: Vec<f32>,
}

/// The `k` best items of the catalogue (`eligible`, one entry an item row) for each of `users`, seen items allowed;
/// ties go to the lower item row. A user has fewer rows where the scorer retrieves fewer.
///
/// # Errors
/// When the scorer fails, or gives another shape or NaN.
pub fn top(
    scorer: &dyn Scorer,
    users: &[usize],
    eligible: &[bool],
    k: usize,
) -> Result<TopRows, EvaluationError> {
    let mut rows = TopRows::default();
    for users in users.chunks(block_users(eligible.len())) {
        let scores = masked_scores(scorer, users, eligible)?;
        for (&user, list) in users.iter().zip(lists(&scores, k, scorer, users)?) {
            for (rank, ranked) in (1..).zip(list) {
                rows.user.push(user);
                rows.rank.push(rank);
                rows.item.push(ranked.item);
                rows.score.push(ranked.score);
            }
        }
    }
    Ok(rows)
}

pub(crate) const fn block_users(n_items: usize) -> usize {
    let n_users = BLOCK_SCORES / if n_items == 0 { 1 } else { n_items };
    if n_users == 0 {
        1
    } else if n_users > BLOCK_USERS {
        BLOCK_USERS
    } else {
        n_users
    }
}

/// Scores of a block, minus infinity outside the catalogue.
pub(crate) fn masked_scores(
    scorer: &dyn Scorer,
    users: &[usize],
    eligible: &[bool],
) -> Result<Tensor, EvaluationError> {
    let scores = tch::no_grad(|| scorer.scores(users))?;
    let expected = vec![users.len() as i64, eligible.len() as i64];
    if scores.size() != expected {
        return Err(EvaluationError::Shape {
            scorer: scorer.name().to_owned(),
            got: scores.size(),
            expected,
        });
    }
    let outside: Vec<bool> = eligible.iter().map(|eligible| !eligible).collect();
    let outside = Tensor::f_from_slice(&outside)?.f_to_device(scores.device())?;
    Ok(scores.f_to_kind(Kind::Float)?.f_masked_fill(&outside, f64::NEG_INFINITY)?)
}

/// Distinct items that a user acted upon, ascending.
fn seen_items(history: &Sequences, user: usize) -> Vec<u32> {
    let mut seen = history.actions.item[history.range(user)].to_vec();
    seen.sort_unstable();
    seen.dedup();
    seen
}

/// The items of `from` that are not in `without`, which is ascending.
fn difference(from: &[u32], without: &[u32]) -> Vec<u32> {
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

pub(crate) fn without_seen(scores: &Tensor, seen: &[Vec<u32>]) -> Result<Tensor, EvaluationError> {
    let nothing = Tensor::f_from_slice(&[f32::NEG_INFINITY])?.f_to_device(scores.device())?;
    Ok(scores.f_index_put(&places(seen, scores)?, &nothing, false)?)
}

fn lists(
    scores: &Tensor,
    k: usize,
    scorer: &dyn Scorer,
    users: &[usize],
) -> Result<Vec<Vec<Ranked>>, EvaluationError> {
    best(scores, k)?
        .map_err(|row| EvaluationError::NotANumber { scorer: scorer.name().to_owned(), user: users[row] })
}

/// Outcomes of a block from its scores `[b, n]`, masked as the setting requires.
pub(crate) fn block_outcomes(
    scores: &Tensor,
    scorer: &dyn Scorer,
    users: &[usize],
    relevant: &[Vec<u32>],
    interests: Option<&Interests>,
) -> Result<Vec<UserOutcome>, EvaluationError> {
    let lists = lists(scores, ENTROPY_K, scorer, users)?;
    let pair_scores = Vec::<f32>::try_from(scores.f_index(&places(relevant, scores)?)?)?;
    let mut pair_scores = pair_scores.iter();
    let outcome = |(list, items): (&Vec<Ranked>, &Vec<u32>)| {
        // Fewer than 10 other items score as high as p or higher exactly when p scores strictly higher than the eleventh.
        let eleventh = list.get(RECALL_K).map_or(f32::NEG_INFINITY, |ranked| ranked.score);
        let hits = pair_scores.by_ref().take(items.len()).filter(|&&score| score > eleventh).count();
        let first: Vec<u32> = list.iter().take(RECALL_K).map(|ranked| ranked.item).collect();
        UserOutcome {
            n_pairs: items.len() as u32,
            hits: hits as u32,
            listed: first.iter().filter(|item| items.binary_search(item).is_ok()).count() as u32,
            first,
            entropy: interests.and_then(|interests| interests.entropy(list)),
        }
    };
    Ok(lists.iter().zip(relevant).map(outcome).collect())
}
