//! Interest labels for a catalogue that has none: spherical k-means over the item features.

use dayvec_core::IdColumn;
use rand::distr::Distribution;
use rand::distr::weighted::WeightedIndex;
use rand_pcg::Pcg64;
use tch::Tensor;

use crate::error::ItemsError;
use crate::graph::normalise_rows;
use crate::svd::tensor_of;

/// Rounds of k-means; labels hardly move after a dozen.
const N_ROUNDS: usize = 20;
/// A cluster of fewer items than this on average would say little about interests.
const MIN_ITEMS_A_CLUSTER: usize = 4;

/// Labels `cluster-NNN` by nearest of at most `n_clusters` centres (cosine); empty for a row of zeros.
///
/// `features` are unit rows `[n_items, dim]`. Centres start by k-means++ from `seed`.
pub(crate) fn cluster_labels(
    features: &[f32],
    dim: usize,
    n_clusters: usize,
    seed: u64,
) -> Result<IdColumn, ItemsError> {
    let rows: Vec<&[f32]> = features.chunks_exact(dim).collect();
    let known: Vec<&[f32]> = rows.iter().copied().filter(|row| !is_zero(row)).collect();
    let n_clusters = n_clusters.min(known.len() / MIN_ITEMS_A_CLUSTER).max(1);
    let tensor = tensor_of(&known.concat(), dim)?; // [n_known, dim]
    let mut centres = first_centres(&known, n_clusters, seed);
    let mut labels = Vec::new();
    for _ in 0..N_ROUNDS {
        let nearest = nearest_centres(&tensor, &centres, dim)?;
        if nearest == labels {
            break;
        }
        labels = nearest;
        move_centres(&mut centres, &known, &labels);
    }
    let mut labels = labels.into_iter();
    let label = |row: &&[f32]| {
        let cluster = if is_zero(row) { None } else { labels.next() };
        cluster.map_or_else(String::new, |cluster| format!("cluster-{cluster:03}"))
    };
    Ok(rows.iter().map(label).collect())
}

fn is_zero(row: &[f32]) -> bool {
    row.iter().all(|&x| x == 0.0)
}

/// Indices of the nearest centre `[n]`.
fn nearest_centres(rows: &Tensor, centres: &[f32], dim: usize) -> Result<Vec<i64>, ItemsError> {
    if rows.numel() == 0 {
        return Ok(Vec::new());
    }
    let centres = tensor_of(centres, dim)?; // [k, dim]
    let argmax = || {
        let nearest = rows.f_matmul(&centres.f_tr()?)?.f_argmax(1, false)?; // [n, k] → [n]
        let mut labels = vec![0_i64; nearest.numel()];
        nearest.f_copy_data(&mut labels, nearest.numel())?;
        Ok(labels)
    };
    argmax().map_err(ItemsError::tensor("assign items to clusters"))
}

/// k-means++: each further centre is a row drawn with a chance that grows with its squared distance from the others.
fn first_centres(rows: &[&[f32]], n_clusters: usize, seed: u64) -> Vec<f32> {
    let mut rng = Pcg64::new(u128::from(seed), 0x14057b7e_f767814f);
    let mut centres = Vec::new();
    let mut distances = vec![1.0_f64; rows.len()]; // half the squared distance to the nearest centre
    for _ in 0..n_clusters.min(rows.len()) {
        // where every row is a centre already, no distance is positive, and any row will do
        let drawn = WeightedIndex::new(&distances).map_or(0, |weights| weights.sample(&mut rng));
        let centre = rows[drawn];
        centres.extend_from_slice(centre);
        for (distance, row) in distances.iter_mut().zip(rows) {
            let cosine: f32 = row.iter().zip(centre).map(|(x, y)| x * y).sum();
            *distance = distance.min(f64::from(1.0 - cosine).max(0.0));
        }
    }
    centres
}

/// Each centre becomes the direction of the sum of its rows; one that lost all its rows stays where it was.
fn move_centres(centres: &mut [f32], rows: &[&[f32]], labels: &[i64]) {
    let Some(dim) = rows.first().map(|row| row.len()) else { return };
    let mut sums = vec![0.0_f32; centres.len()];
    for (row, &label) in rows.iter().zip(labels) {
        let sum = &mut sums[label as usize * dim..][..dim];
        sum.iter_mut().zip(*row).for_each(|(sum, x)| *sum += x);
    }
    for (centre, sum) in centres.chunks_exact_mut(dim).zip(sums.chunks_exact(dim)) {
        if !is_zero(sum) {
            centre.copy_from_slice(sum);
        }
    }
    normalise_rows(centres, dim);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planted_groups_get_one_label_each() {
        let mut features: Vec<f32> = (0..30)
            .flat_map(|row| {
                let mut vector = [0.05 * (row % 5) as f32; 3];
                vector[row % 3] = 1.0;
                vector
            })
            .collect();
        normalise_rows(&mut features, 3);
        features.extend([0.0; 3]);
        let labels = cluster_labels(&features, 3, 3, 1).unwrap();
        for row in 0..30 {
            assert_eq!(labels.get(row), labels.get(row % 3), "row {row}");
        }
        assert_ne!(labels.get(0), labels.get(1));
        assert_ne!(labels.get(1), labels.get(2));
        assert!(labels.get(0).starts_with("cluster-00"));
        assert_eq!(labels.get(30), "", "a row of zeros has no label");
    }

    #[test]
    fn nothing_to_cluster_is_not_an_error() {
        let labels = cluster_labels(&[0.0; 6], 3, 8, 0).unwrap();
        assert_eq!(labels.iter().collect::<Vec<_>>(), ["", ""]);
    }
}
