//! What a scorer retrieved for each user: hits and lists, enough for the metrics of any subset of the users.

/// Length of the lists of Interest Entropy@50.
pub(crate) const ENTROPY_K: usize = 50;
/// Length of the lists of Recall@10 and P90 Coverage@10.
pub(crate) const RECALL_K: usize = 10;

/// What a scorer retrieved for each user of a truth: enough for the metrics of any subset of them.
#[derive(Debug, Clone)]
pub struct Outcomes {
    pub(crate) scorer: String,
    pub(crate) users: Vec<usize>,
    pub(crate) n_outside: Vec<u32>,
    pub(crate) n_eligible: usize,
    pub(crate) allowed: Vec<UserOutcome>,
    pub(crate) filtered: Vec<UserOutcome>,
    pub(crate) n_resamples: usize,
    pub(crate) seed: u64,
}

impl Outcomes {
    /// Of the users with relevant items, the numbers of those with fewer than 10 items retrieved: seen items allowed, and
    /// filtered out.
    #[must_use]
    pub fn short_lists(&self) -> [usize; 2] {
        let is_short = |user: &&UserOutcome| user.n_pairs > 0 && user.first.len() < RECALL_K;
        [&self.allowed, &self.filtered].map(|outcomes| outcomes.iter().filter(is_short).count())
    }

    /// Length of the lists that decide what is a hit.
    #[must_use]
    pub const fn list_length(&self) -> usize {
        RECALL_K
    }
}

/// One user's lists under one setting.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct UserOutcome {
    /// Relevant items.
    pub(crate) n_pairs: u32,
    /// Those that fewer than 10 other items equal or outscore, ascending.
    pub(crate) hits: Vec<u32>,
    /// NDCG@10 of the hits, at ranks where a tie counts as a higher score.
    pub(crate) ndcg: f64,
    /// Those in the list of 10.
    pub(crate) listed: u32,
    /// The list of 10.
    pub(crate) first: Vec<u32>,
    /// Entropy of the interests of the top 50, in nats.
    pub(crate) entropy: Option<f64>,
}

/// Normalised discounted cumulative gain of `n_relevant` items, of which those at `ranks` (from 1, at most 10) are
/// retrieved: `Σ 1 / log2(1 + rank)`, over its value for a list that begins with relevant items alone.
pub(crate) fn ndcg(ranks: &[usize], n_relevant: usize) -> f64 {
    let gain = |rank: usize| 1.0 / ((1 + rank) as f64).log2();
    let best: f64 = (1..=n_relevant.min(RECALL_K)).map(gain).sum();
    let gains: f64 = ranks.iter().copied().map(gain).sum();
    if best > 0.0 { gains / best } else { 0.0 }
}
