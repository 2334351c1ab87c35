//! A space that stays: the vectors of a new model rotated onto those of an older one.
//!
//! Rankers are trained on yesterday's space. A rotation of users' and items' vectors alike changes no inner product, so of all
//! the equally good spaces a retraining may take the one that is nearest to the old one: orthogonal Procrustes (Schönemann
//! 1966), part by part.

use dayvec_core::PartsSpec;
use tch::{Kind, Tensor};

use crate::error::PartsError;

/// The vectors of the same users, or of the same items, under two models: `[n, D]` each, row-major.
#[derive(Debug, Clone, Copy)]
pub struct Shared<'a> {
    /// Under the new model.
    pub new: &'a [f32],
    /// Under the old one.
    pub old: &'a [f32],
}

/// Rotations of the parts, and what they did to the users.
#[derive(Debug)]
pub struct Alignment {
    /// One a part, in the order of an embedding, `[d, d]`.
    pub(crate) rotations: Vec<Tensor>,
    /// Mean cosine of the users' new and old vectors as they were.
    pub before: f64,
    /// The same with the rotations.
    pub after: f64,
}

impl Alignment {
    /// Rotate the parts of `spec` onto the old vectors of shared users and items; both count the same, whatever their norms.
    ///
    /// # Errors
    /// When libtorch fails.
    pub fn of(spec: PartsSpec, users: Shared<'_>, items: Shared<'_>) -> Result<Self, PartsError> {
        let matrix = |values: &[f32]| {
            Ok::<_, PartsError>(
                Tensor::f_from_slice(values)?.f_view([-1, spec.dim() as i64])?.f_to_kind(Kind::Double)?,
            )
        };
        let [new_users, old_users] = [matrix(users.new)?, matrix(users.old)?];
        let [new_items, old_items] = [matrix(items.new)?, matrix(items.old)?];
        let mut rotations = Vec::new();
        for (first, width) in columns(spec) {
            let of_part = |vectors: &Tensor| vectors.f_narrow(1, first, width);
            let mut covariance = Tensor::f_zeros([width, width], (Kind::Double, tch::Device::Cpu))?;
            for (new, old) in [(&new_users, &old_users), (&new_items, &old_items)] {
                let product = of_part(new)?.f_transpose(0, 1)?.f_matmul(&of_part(old)?)?;
                let size = product.f_norm()?.double_value(&[]);
                if size > 0.0 {
                    covariance += product / size;
                }
            }
            let (u, _, v) = covariance.f_svd(true, true)?;
            rotations.push(u.f_matmul(&v.f_transpose(0, 1)?)?.f_to_kind(Kind::Float)?);
        }
        let before = mean_cosine(&new_users, &old_users)?;
        let rotated =
            rotate(spec, &rotations, &new_users.f_to_kind(Kind::Float)?)?.f_to_kind(Kind::Double)?;
        Ok(Self { after: mean_cosine(&rotated, &old_users)?, before, rotations })
    }
}

/// First column and width of each part in an embedding.
pub(crate) fn columns(spec: PartsSpec) -> impl Iterator<Item = (i64, i64)> {
    let mut first = 0;
    [spec.memory, spec.cooccurrence, spec.trend].into_iter().filter(|width| *width > 0).map(move |width| {
        first += width as i64;
        (first - width as i64, width as i64)
    })
}

/// Embeddings `[n, D]` with each part rotated.
pub(crate) fn rotate(spec: PartsSpec, rotations: &[Tensor], vectors: &Tensor) -> Result<Tensor, PartsError> {
    if rotations.is_empty() {
        return Ok(vectors.shallow_clone());
    }
    let parts = columns(spec).zip(rotations);
    let rotated =
        parts.map(|((first, width), rotation)| vectors.f_narrow(1, first, width)?.f_matmul(rotation));
    Ok(Tensor::f_cat(&rotated.collect::<Result<Vec<_>, _>>()?, 1)?)
}

fn mean_cosine(a: &Tensor, b: &Tensor) -> Result<f64, PartsError> {
    let cosine = Tensor::f_cosine_similarity(a, b, 1, 1e-12)?;
    Ok(if cosine.numel() == 0 { 0.0 } else { cosine.f_mean(Kind::Double)?.double_value(&[]) })
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_pcg::Pcg64Mcg;

    use super::*;

    const SPEC: PartsSpec = PartsSpec { memory: 4, cooccurrence: 0, trend: 2, history_len: 1 };

    fn random(n: usize, rng: &mut Pcg64Mcg) -> Vec<f32> {
        (0..n).map(|_| rng.random_range(-1.0..1.0)).collect()
    }

    fn floats(tensor: &Tensor) -> Vec<f32> {
        dayvec_model::to_vec(tensor).unwrap()
    }

    #[test]
    fn a_turned_space_is_turned_back_and_no_score_changes() {
        let mut rng = Pcg64Mcg::seed_from_u64(4);
        let turn = |width: i64, rng: &mut Pcg64Mcg| {
            let square = Tensor::from_slice(&random((width * width) as usize, rng)).view([width, width]);
            Tensor::linalg_qr(&square, "reduced").0
        };
        let turned = [turn(4, &mut rng), turn(2, &mut rng)];
        let dim = SPEC.dim() as i64;
        let [users, items] = [40, 30].map(|n| Tensor::from_slice(&random(n * 6, &mut rng)).view([-1, dim]));
        let [new_users, new_items] = [&users, &items].map(|old| rotate(SPEC, &turned, old).unwrap());
        let (new_user, old_user) = (floats(&new_users), floats(&users));
        let (new_item, old_item) = (floats(&new_items), floats(&items));
        let shared = |new, old| Shared { new, old };
        let aligned =
            Alignment::of(SPEC, shared(&new_user, &old_user), shared(&new_item, &old_item)).unwrap();
        assert!(aligned.before < 0.9 && (aligned.after - 1.0).abs() < 1e-5, "{aligned:?}");
        let [back_users, back_items] =
            [&new_users, &new_items].map(|new| rotate(SPEC, &aligned.rotations, new).unwrap());
        let change = (back_users.matmul(&back_items.tr()) - users.matmul(&items.tr())).abs().max();
        assert!(change.double_value(&[]) < 1e-5);
    }
}
