//! What several vectors a user retrieve: a relevant item is a hit when it is one for the best of the user's vectors, each
//! with its own ranking of the catalogue (the paper's oracle); *listed*, NDCG, entropy and coverage are those of the round-robin
//! merge of their lists.

use tch::Tensor;

use crate::interests::Interests;
use crate::merged::merge;
use crate::outcomes::{ENTROPY_K, RECALL_K, UserOutcome, ndcg};
use crate::rank::{Ranked, best};
use crate::scores::{is_hit, pair_scores};
use crate::{EvaluationError, Scorer};

/// The vectors of a block of users, one after the other.
pub(crate) struct Block<'a> {
    scorer: &'a dyn Scorer,
    users: &'a [usize],
    n_vectors: Vec<usize>,     // of each user
    pub(crate) scores: Tensor, // [v, n]
}

impl<'a> Block<'a> {
    pub(crate) fn new(scorer: &'a dyn Scorer, users: &'a [usize]) -> Result<Self, EvaluationError> {
        let (n_vectors, scores) = tch::no_grad(|| scorer.scores_by_vector(users))?;
        Ok(Self { scorer, users, n_vectors, scores })
    }

    /// A list of each user, once for each of the user's vectors.
    pub(crate) fn by_vector(&self, lists: &[Vec<u32>]) -> Vec<Vec<u32>> {
        let repeated = |(list, &n): (&Vec<u32>, &usize)| ::core::iter::repeat_n(list.clone(), n);
        lists.iter().zip(&self.n_vectors).flat_map(repeated).collect()
    }

    pub(crate) fn outcomes(
        &self,
        scores: &Tensor,
        relevant: &[Vec<u32>],
        interests: Option<&Interests>,
    ) -> Result<Vec<UserOutcome>, EvaluationError> {
        let lists = best(scores, ENTROPY_K)?.map_err(|row| {
            let user = self.user_of(row);
            EvaluationError::NotANumber { scorer: self.scorer.name().to_owned(), user }
        })?;
        let pairs = pair_scores(scores, &self.by_vector(relevant))?;
        let (mut lists, mut pairs) = (lists.as_slice(), pairs.as_slice());
        let mut outcomes = Vec::with_capacity(self.users.len());
        for (relevant, &n_vectors) in relevant.iter().zip(&self.n_vectors) {
            let (own, other) = lists.split_at(n_vectors);
            let (own_pairs, other_pairs) = pairs.split_at(n_vectors * relevant.len());
            (lists, pairs) = (other, other_pairs);
            outcomes.push(outcome(own, own_pairs, relevant, interests));
        }
        Ok(outcomes)
    }

    /// The user of a row of the scores.
    fn user_of(&self, row: usize) -> usize {
        let mut end = 0;
        let at = self.n_vectors.iter().position(|n| {
            end += n;
            row < end
        });
        self.users[at.unwrap_or(0)]
    }
}

/// One user's outcome from the lists of the user's vectors and the scores of the relevant items under each.
fn outcome(
    lists: &[Vec<Ranked>],
    pairs: &[f32],
    relevant: &[u32],
    interests: Option<&Interests>,
) -> UserOutcome {
    let hits_of_any = |at: usize| {
        let mut vectors = lists.iter().zip(pairs.chunks_exact(relevant.len()));
        vectors.any(|(list, scores)| is_hit(list, scores[at]))
    };
    let merged = merge(lists, ENTROPY_K);
    let first: Vec<u32> = merged.iter().take(RECALL_K).map(|ranked| ranked.item).collect();
    let is_relevant = |(_, item): &(usize, &u32)| relevant.binary_search(item).is_ok();
    let ranks: Vec<usize> = (1..).zip(&first).filter(is_relevant).map(|(rank, _)| rank).collect();
    UserOutcome {
        n_pairs: relevant.len() as u32,
        hits: (0..relevant.len()).filter(|&at| hits_of_any(at)).map(|at| relevant[at]).collect(),
        ndcg: ndcg(&ranks, relevant.len()),
        listed: ranks.len() as u32,
        first,
        entropy: interests.and_then(|interests| interests.entropy(&merged)),
    }
}
