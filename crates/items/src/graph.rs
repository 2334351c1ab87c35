//! The graph part of item features: co-occurrence weights become positive pointwise mutual information, and its
//! truncated decomposition the vectors (Levy and Goldberg 2014: what skip-gram over the same pairs would learn).

use crate::csr::Csr;
use crate::error::ItemsError;
use crate::options::BuildOptions;
use crate::svd::truncated_svd;

/// Shifted positive pointwise mutual information of symmetric co-occurrence weights.
///
/// With `r` the row sums and contexts smoothed by a power α, PMI(a, b) = ln(c·Σrᵅ / (r_a·r_bᵅ)) is not symmetric; the
/// mean of both directions is, and is what is taken: ln c + ln Σrᵅ - (1 + α)/2·(ln r_a + ln r_b) - ln shift.
pub(crate) fn ppmi(counts: &Csr, smoothing: f32, shift: f32) -> Csr {
    let alpha = f64::from(smoothing);
    let sums: Vec<f64> =
        (0..counts.n_rows()).map(|row| counts.row(row).map(|(_, weight)| f64::from(weight)).sum()).collect();
    let total: f64 = sums.iter().filter(|&&sum| sum > 0.0).map(|sum| sum.powf(alpha)).sum();
    let logs: Vec<f64> = sums.iter().map(|sum| (1.0 + alpha) / 2.0 * sum.ln()).collect();
    let offset = total.ln() - f64::from(shift).ln();
    let rows = (0..counts.n_rows()).map(|row| {
        let logs = &logs;
        counts.row(row).filter_map(move |(col, weight)| {
            let value = f64::from(weight).ln() + offset - (logs[row] + logs[col as usize]);
            (value > 0.0).then_some((col, value as f32))
        })
    });
    Csr::from_rows(counts.n_cols(), rows)
}

/// Unit vectors `[n_items, width]` of the items in a PPMI matrix; zero for an item without a partner.
pub(crate) fn graph_vectors(
    ppmi: &Csr,
    width: usize,
    options: &BuildOptions,
) -> Result<Vec<f32>, ItemsError> {
    let svd = truncated_svd(ppmi, width, options.seed)?;
    let mut vectors = svd.scaled_rows(options.power, width);
    for (row, vector) in vectors.chunks_exact_mut(width).enumerate() {
        if ppmi.row(row).len() == 0 {
            vector.fill(0.0); // what the decomposition leaves there is rounding
        }
    }
    normalise_rows(&mut vectors, width);
    Ok(vectors)
}

/// Scale every row to norm 1; a row of zeros stays.
pub(crate) fn normalise_rows(values: &mut [f32], width: usize) {
    for row in values.chunks_exact_mut(width) {
        let norm = row.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
        if norm > 0.0 {
            row.iter_mut().for_each(|x| *x = (f64::from(*x) / norm) as f32);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_equal_the_definition() {
        // Weights: 0-1: 2, 1-2: 1, so the row sums are 2, 3 and 1.
        let counts = Csr::from_rows(3, [vec![(1, 2.0)], vec![(0, 2.0), (2, 1.0)], vec![(1, 1.0)]]);
        let (sums, alpha) = ([2.0_f64, 3.0, 1.0], 0.75_f64);
        let total: f64 = sums.iter().map(|sum| sum.powf(alpha)).sum();
        let one_way =
            |weight: f64, a: usize, b: usize| (weight * total / (sums[a] * sums[b].powf(alpha))).ln();
        let expected = (one_way(2.0, 0, 1) + one_way(2.0, 1, 0)) / 2.0;
        let value = |shift| ppmi(&counts, 0.75, shift).row(0).next();
        let (col, got) = value(1.0).unwrap();
        assert_eq!(col, 1);
        assert!((f64::from(got) - expected).abs() < 1e-6, "{got} {expected}");
        let (_, shifted) = value(1.5).unwrap();
        assert!((got - shifted - 1.5_f32.ln()).abs() < 1e-6);
        assert_eq!(value(100.0), None, "negative values are dropped");
    }
}
