//! Scores become lists and hits, block by block.

use dayvec_core::Sequences;
use dayvec_report::ScorerMetrics;
use tch::Tensor;

use crate::interests::Interests;
use crate::outcomes::{ENTROPY_K, Outcomes, RECALL_K, UserOutcome, ndcg};
use crate::rank::{Ranked, best};
use crate::scores::{difference, is_hit, pair_scores, seen_items, within_catalogue, without_seen};
use crate::{EvaluationError, Scorer, Truth, several};

/// Scores held at once, about: 64 MiB.
const BLOCK_SCORES: usize = 1 << 24;
/// Most users of a block.
const BLOCK_USERS: usize = 1024;

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
    let block = (block_users(truth.eligible.len()) / scorer.max_vectors().max(1)).max(1);
    let interests = options.interests.as_ref();
    for (users, relevant) in truth.users.chunks(block).zip(truth.relevant.chunks(block)) {
        let seen: Vec<Vec<u32>> = users.iter().map(|&user| seen_items(history, user)).collect();
        let unseen: Vec<Vec<u32>> =
            relevant.iter().zip(&seen).map(|(items, seen)| difference(items, seen)).collect();
        if scorer.max_vectors() > 1 {
            let block = several::Block::new(scorer, users)?;
            let scores = within_catalogue(&block.scores, &truth.eligible)?; // [v, n]
            outcomes.allowed.extend(block.outcomes(&scores, relevant, interests)?);
            let scores = without_seen(&scores, &block.by_vector(&seen))?;
            outcomes.filtered.extend(block.outcomes(&scores, &unseen, interests)?);
            continue;
        }
        let scores = masked_scores(scorer, users, &truth.eligible)?; // [b, n]
        outcomes.allowed.extend(block_outcomes(&scores, scorer, users, relevant, interests)?);
        let scores = without_seen(&scores, &seen)?;
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
            hits += user.hits.len() as u64;
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
    within_catalogue(&scores, eligible)
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
    let pair_scores = pair_scores(scores, relevant)?;
    let mut pair_scores = pair_scores.iter();
    let outcome = |(list, items): (&Vec<Ranked>, &Vec<u32>)| {
        let pairs = items.iter().zip(pair_scores.by_ref().take(items.len()));
        let rank = |score: f32| list.iter().take(RECALL_K).filter(|ranked| ranked.score >= score).count();
        let hit = |(&item, &score): (&u32, &f32)| is_hit(list, score).then(|| (item, rank(score)));
        let (hits, ranks): (Vec<u32>, Vec<usize>) = pairs.filter_map(hit).unzip();
        let first: Vec<u32> = list.iter().take(RECALL_K).map(|ranked| ranked.item).collect();
        UserOutcome {
            n_pairs: items.len() as u32,
            hits,
            ndcg: ndcg(&ranks, items.len()),
            listed: first.iter().filter(|item| items.binary_search(item).is_ok()).count() as u32,
            first,
            entropy: interests.and_then(|interests| interests.entropy(list)),
        }
    };
    Ok(lists.iter().zip(relevant).map(outcome).collect())
}
