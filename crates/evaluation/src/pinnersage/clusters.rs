//! One user's clusters: members, medoid, importance.

use dayvec_core::SECONDS_PER_DAY;

use super::ward::{Dendrogram, Distances};

/// How a user's actions become clusters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClusterOptions {
    /// α: clusters merge while Ward's distance, which for two single actions is the squared Euclidean distance of their
    /// unit vectors (0 to 4), is at most this.
    pub threshold: f64,
    /// λ: an action of an age of t days adds exp(-λ·t) to the importance of its cluster.
    pub decay_per_day: f64,
}

/// A cluster of actions.
#[derive(Debug, Clone, PartialEq)]
pub struct Cluster {
    /// Places of the actions in the input, ascending.
    pub members: Vec<u32>,
    /// The member with the least sum of squared distances from the others; of equal ones the first.
    pub medoid: u32,
    /// Σ exp(-λ·age in days) over the members.
    pub importance: f64,
}

/// The clusters of actions with `vectors` `[n, dim]` and ages in seconds, the most important first; of equally important
/// ones the one with the first member.
#[must_use]
pub fn clusters_of(vectors: &[f32], dim: usize, ages_s: &[i64], options: &ClusterOptions) -> Vec<Cluster> {
    let distances = Distances::euclidean(vectors, dim);
    let tree = Dendrogram::ward(distances.clone());
    let importance = |members: &[u32]| {
        let days = |&member: &u32| ages_s[member as usize] as f64 / SECONDS_PER_DAY as f64;
        members.iter().map(|member| (-options.decay_per_day * days(member)).exp()).sum()
    };
    let cluster = |members: Vec<u32>| Cluster {
        medoid: medoid(&members, &distances),
        importance: importance(&members),
        members,
    };
    let mut clusters: Vec<Cluster> = tree.cut(options.threshold.sqrt()).into_iter().map(cluster).collect();
    clusters.sort_by(|a, b| b.importance.total_cmp(&a.importance)); // stable
    clusters
}

fn medoid(members: &[u32], distances: &Distances) -> u32 {
    let spread = |&member: &u32| {
        let square = |&other: &u32| distances.get(member as usize, other as usize).powi(2);
        members.iter().map(square).sum::<f64>()
    };
    let spreads = members.iter().map(spread);
    let least = spreads.zip(members).min_by(|(a, _), (b, _)| a.total_cmp(b)); // the first of equal ones
    least.map_or(0, |(_, &member)| member)
}
