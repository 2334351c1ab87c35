//! The clusters of every user, and the best few of them as a scorer.

use std::rc::Rc;

use dayvec_core::{ItemTable, SECONDS_PER_DAY, Sequences};
use rayon::prelude::*;
use tch::{Device, Kind, Tensor};

use super::clusters::{Cluster, ClusterOptions, clusters_of};
use crate::merged::merge;
use crate::outcomes::ENTROPY_K;
use crate::rank::best;
use crate::{EvaluationError, Scorer};

/// λ of the importances, a day: what PinnerSage chose (0 counts actions, 0.1 leans to the newest).
pub const DECAY_PER_DAY: f64 = 0.01;
/// Days of actions before the user's newest one.
pub const LOOK_BACK_DAYS: u32 = 90;
/// Newest positives of a user that are clustered: n² distances of 8 bytes, twice, are then at most 8 MiB a thread.
pub const MAX_ACTIONS: usize = 1024;
/// How many clusters retrieve in the paper's comparison.
pub const TOP_CLUSTERS: [usize; 2] = [5, 20];

/// The clusters of every user, as their medoids.
#[derive(Debug)]
pub struct PinnerSage {
    /// Item rows of the medoids of each user, the most important cluster first.
    medoids: Vec<Vec<u32>>,
    items: Tensor, // [n, d], rows of norm 1 or zero
}

impl PinnerSage {
    /// Cluster the actions of all users, in parallel. Of a user it takes the newest [`MAX_ACTIONS`] positives on items with
    /// features in the [`LOOK_BACK_DAYS`] before the newest positive: counted from there and not from the cut-off, a
    /// user who paused has clusters, too. A user without such an action retrieves nothing.
    ///
    /// # Errors
    /// When `table` is another one than `history` was resolved with.
    pub fn new(history: &Sequences, table: &ItemTable, threshold: f64) -> Result<Self, EvaluationError> {
        let (n_table, n_history) = (table.len(), history.items.ids().len());
        if n_table != n_history || table.ids.ids() != history.items.ids() {
            return Err(EvaluationError::ItemRows { table: n_table, history: n_history });
        }
        let mut features = table.features.clone();
        for feature in features.chunks_exact_mut(table.dim.max(1)) {
            let length = feature.iter().map(|value| value * value).sum::<f32>().sqrt();
            if length > 0.0 {
                feature.iter_mut().for_each(|value| *value /= length);
            }
        }
        let options = ClusterOptions { threshold, decay_per_day: DECAY_PER_DAY };
        let medoids = |user| medoids(history, user, (&features, table.dim), &options);
        let medoids = (0..history.n_users()).into_par_iter().map(medoids).collect();
        let items = Tensor::f_from_slice(&features)?.f_reshape([n_table as i64, table.dim as i64])?;
        Ok(Self { medoids, items: items.f_to_device(Device::cuda_if_available())? })
    }

    /// Mean number of clusters of the users that have any.
    #[must_use]
    pub fn mean_clusters(&self) -> f64 {
        let counts: Vec<usize> = self.medoids.iter().map(Vec::len).filter(|&n| n > 0).collect();
        counts.iter().sum::<usize>() as f64 / counts.len().max(1) as f64
    }

    /// The `n_clusters` most important clusters of each user, as a scorer.
    #[must_use]
    pub fn top(self: &Rc<Self>, n_clusters: usize) -> Medoids {
        Medoids {
            name: format!("PinnerSage, {n_clusters} clusters, oracle"),
            n_clusters,
            users: Rc::clone(self),
        }
    }
}

/// Item rows of a user's medoids, the most important first.
fn medoids(
    history: &Sequences,
    user: usize,
    (features, dim): (&[f32], usize),
    options: &ClusterOptions,
) -> Vec<u32> {
    let actions = &history.actions;
    let feature = |at: usize| &features[actions.item[at] as usize * dim..][..dim];
    let mut places = history.range(user).filter(|&at| actions.positive[at]).peekable();
    let Some(newest_s) = places.peek().map(|&at| actions.timestamp[at]) else { return Vec::new() };
    let from_s = newest_s - i64::from(LOOK_BACK_DAYS) * SECONDS_PER_DAY;
    let places: Vec<usize> = places
        .take_while(|&at| actions.timestamp[at] > from_s)
        .filter(|&at| feature(at).iter().any(|&value| value != 0.0))
        .take(MAX_ACTIONS)
        .collect();
    let vectors: Vec<f32> = places.iter().flat_map(|&at| feature(at)).copied().collect();
    let ages_s: Vec<i64> = places.iter().map(|&at| newest_s - actions.timestamp[at]).collect();
    let item = |cluster: Cluster| actions.item[places[cluster.medoid as usize]];
    clusters_of(&vectors, dim, &ages_s, options).into_iter().map(item).collect()
}

/// The most important medoids of each user, each of which retrieves by cosine.
///
/// As one list, they are merged round-robin: the best item of the most important medoid, the best of the next one, …, then
/// the second-best ones; an item counts where it first appears.
#[derive(Debug)]
pub struct Medoids {
    name: String,
    n_clusters: usize,
    users: Rc<PinnerSage>,
}

impl Medoids {
    /// The medoids of a user, at most as many as retrieve.
    fn of(&self, user: usize) -> Result<&[u32], EvaluationError> {
        let unknown = || EvaluationError::UnknownUser { scorer: self.name.clone(), user };
        let medoids = self.users.medoids.get(user).ok_or_else(unknown)?;
        Ok(&medoids[..medoids.len().min(self.n_clusters)])
    }

    /// Cosines of medoids with all items, `[medoids.len(), n]`.
    fn cosines(&self, medoids: &[u32]) -> Result<Tensor, EvaluationError> {
        let rows: Vec<i64> = medoids.iter().map(|&item| i64::from(item)).collect();
        let rows = Tensor::f_from_slice(&rows)?.f_to_device(self.users.items.device())?;
        let queries = self.users.items.f_index_select(0, &rows)?; // [v, d]
        Ok(queries.f_matmul(&self.users.items.f_tr()?)?) // [v, n]
    }
}

impl Scorer for Medoids {
    fn name(&self) -> &str {
        &self.name
    }

    /// Minus the place in the merged list, of its first 50.
    fn scores(&self, users: &[usize]) -> Result<Tensor, EvaluationError> {
        let n_items = self.users.items.size()[0] as usize;
        let mut scores = vec![f32::NEG_INFINITY; users.len() * n_items];
        for (scores, &user) in scores.chunks_exact_mut(n_items.max(1)).zip(users) {
            let not_a_number = |_| EvaluationError::NotANumber { scorer: self.name.clone(), user };
            let lists = best(&self.cosines(self.of(user)?)?, ENTROPY_K)?.map_err(not_a_number)?;
            for (place, ranked) in merge(&lists, ENTROPY_K).iter().enumerate() {
                scores[ranked.item as usize] = -(place as f32);
            }
        }
        let scores = Tensor::f_from_slice(&scores)?.f_reshape([users.len() as i64, n_items as i64])?;
        Ok(scores.f_to_kind(Kind::Float)?)
    }

    fn max_vectors(&self) -> usize {
        self.n_clusters
    }

    fn scores_by_vector(&self, users: &[usize]) -> Result<(Vec<usize>, Tensor), EvaluationError> {
        let medoids = users.iter().map(|&user| self.of(user)).collect::<Result<Vec<_>, _>>()?;
        Ok((medoids.iter().map(|medoids| medoids.len()).collect(), self.cosines(&medoids.concat())?))
    }
}
