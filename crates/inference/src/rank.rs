//! Effective rank of a sample of embeddings: how many directions they really use.

use tch::{Kind, Tensor};

/// The exponential of the entropy of the singular values (Roy and Vetterli, 2007) of `[n, dim]` rows, not centred: near
/// 1 when all rows point the same way, near `dim` when they fill the space. Rows that are not finite are left out.
pub(crate) fn effective_rank(rows: &[f32], dim: usize) -> Result<f64, tch::TchError> {
    let finite: Vec<f32> =
        rows.chunks_exact(dim).filter(|row| row.iter().all(|x| x.is_finite())).flatten().copied().collect();
    if finite.is_empty() {
        return Ok(0.0);
    }
    let rows = Tensor::f_from_slice(&finite)?.f_view([-1, dim as i64])?.f_to_kind(Kind::Double)?; // [n, D]
    let squares = rows.f_tr()?.f_matmul(&rows)?.f_linalg_eigvalsh("L")?; // [D]
    let singular = squares.f_clamp_min(0.0)?.f_sqrt()?;
    let shares: Vec<f64> = Vec::try_from(&singular / singular.f_sum(Kind::Double)?)?;
    let entropy: f64 = shares.iter().filter(|&&share| share > 0.0).map(|share| -share * share.ln()).sum();
    Ok(entropy.exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collapsed_rows_have_rank_one_and_axes_their_number() {
        let collapsed = effective_rank(&[0.6, 0.8, 0.0, 0.6, 0.8, 0.0, f32::NAN, 0.0, 1.0], 3).unwrap();
        assert!((collapsed - 1.0).abs() < 1e-3, "{collapsed}");
        let axes = effective_rank(&[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0], 3).unwrap();
        assert!((axes - 3.0).abs() < 1e-9, "{axes}");
        assert_eq!(effective_rank(&[], 3).unwrap(), 0.0);
    }
}
