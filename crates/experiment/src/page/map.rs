//! A sample of users and items in the plane of the two directions in which their embeddings differ most.

use std::collections::HashMap;

use anyhow::Context;
use dayvec_core::ItemTable;
use dayvec_evaluation::Truth;
use dayvec_report::{EmbeddingMap, MapPoint};
use dayvec_runtime::fault::OrFault as _;
use tch::{Kind, TchError, Tensor};

use super::catalogue::Catalogue;
use crate::checkpoint::Checkpoint;

/// Users and items on the map: more would hide each other.
const N_USERS: usize = 300;
const N_ITEMS: usize = 500;

/// The map of a model.
pub(super) fn map(loaded: &Checkpoint, truth: &Truth) -> anyhow::Result<EmbeddingMap> {
    let (model, history, items) = (&loaded.model, &loaded.data.history, &loaded.items);
    let dim = model.spec().embedding_dim();
    let step = truth.users.len().div_ceil(N_USERS).max(1);
    let users: Vec<usize> = truth.users.iter().copied().step_by(step).collect();
    let catalogue = Catalogue::new(history, truth);
    let shown = catalogue.most_popular(N_ITEMS);

    let of_users = model.encode_users(history, &users).or_fault().context("encode users")?;
    let counts = model.item_counts(history, loaded.data.split.cut_off.start_s());
    let of_items = model.encode_items(&counts).or_fault().context("encode items")?;
    let embedding = |item: &u32| &of_items[*item as usize * dim..][..dim];
    let rows: Vec<f32> =
        of_users.iter().copied().chain(shown.iter().flat_map(|item| embedding(item).to_vec())).collect();
    let plane = plane(&rows, dim).map_err(dayvec_evaluation::EvaluationError::from).or_fault();
    let plane = plane.context("project the embeddings")?;

    let interest = |item: u32| interest(items, item).unwrap_or_default().to_owned();
    let user_point = |(&user, [x, y]): (&usize, &[f64; 2])| MapPoint {
        x: *x,
        y: *y,
        name: history.users.get(user).to_owned(),
        interest: String::new(),
    };
    let item_point = |(&item, [x, y]): (&u32, &[f64; 2])| MapPoint {
        x: *x,
        y: *y,
        name: items.title(item).to_owned(),
        interest: interest(item),
    };
    let (user_places, item_places) = plane.places.split_at(users.len());
    Ok(EmbeddingMap {
        dim,
        variance: plane.variance,
        sample: format!(
            "{} of {} test users, evenly spread, and the {} of {} items with the most actions",
            users.len(),
            truth.users.len(),
            shown.len(),
            catalogue.items.len()
        ),
        users: users.iter().zip(user_places).map(user_point).collect(),
        items: shown.iter().zip(item_places).map(item_point).collect(),
        cosines: cosines(&catalogue.items, items, &embedding),
    })
}

fn interest(items: &ItemTable, item: u32) -> Option<&str> {
    items.interests.as_ref().map(|interests| interests.get(item as usize)).filter(|it| !it.is_empty())
}

/// Rows in the plane, and the share of their variance along each axis.
struct Plane {
    places: Vec<[f64; 2]>,
    variance: [f64; 2],
}

/// The first two principal components of `[n, dim]` rows. The larger entry of a direction is positive, so that the same
/// rows give the same picture.
fn plane(rows: &[f32], dim: usize) -> Result<Plane, TchError> {
    let n = rows.len() / dim.max(1);
    if n == 0 {
        return Ok(Plane { places: Vec::new(), variance: [0.0; 2] });
    }
    let rows = Tensor::f_from_slice(rows)?.f_view([n as i64, dim as i64])?.f_to_kind(Kind::Double)?; // [n, D]
    let centred = rows.f_sub(&rows.f_mean_dim([0i64].as_slice(), true, Kind::Double)?)?;
    let (values, vectors) = centred.f_tr()?.f_matmul(&centred)?.f_linalg_eigh("L")?; // [D] ascending, [D, D]
    let values: Vec<f64> = values.f_clamp_min(0.0)?.try_into()?;
    let total: f64 = values.iter().sum();
    let mut plane = Plane { places: vec![[0.0; 2]; n], variance: [0.0; 2] };
    for axis in 0..dim.min(2) {
        let at = dim - 1 - axis;
        let mut direction: Vec<f64> = vectors.f_select(1, at as i64)?.f_contiguous()?.try_into()?;
        let largest =
            direction.iter().fold(0.0_f64, |largest, &x| if x.abs() > largest.abs() { x } else { largest });
        direction.iter_mut().for_each(|x| *x *= largest.signum());
        let along: Vec<f64> = centred.f_mv(&Tensor::f_from_slice(&direction)?)?.try_into()?; // [n]
        plane.places.iter_mut().zip(along).for_each(|(place, along)| place[axis] = along);
        plane.variance[axis] = if total > 0.0 { values[at] / total } else { 0.0 };
    }
    Ok(plane)
}

/// Mean cosine of two different items of the same interest, and of any two; `None` where no two items share one.
fn cosines<'a>(
    catalogue: &[u32],
    items: &ItemTable,
    embedding: &dyn Fn(&u32) -> &'a [f32],
) -> Option<(f64, f64)> {
    let mut groups: HashMap<&str, Vec<u32>> = HashMap::new();
    for &item in catalogue {
        if let Some(interest) = interest(items, item) {
            groups.entry(interest).or_default().push(item);
        }
    }
    let groups: Vec<(f64, f64)> = groups.values().map(|items| pairs(items, embedding)).collect();
    let (sum, n) = groups.iter().fold((0.0, 0.0), |(sum, n), group| (sum + group.0, n + group.1));
    let (sum_of_all, n_of_all) = pairs(catalogue, embedding);
    (n > 0.0).then(|| (sum / n, sum_of_all / n_of_all))
}

/// Sum of the inner products of all ordered pairs of different rows, and their number: |Σ x|² − Σ |x|².
fn pairs<'a>(items: &[u32], embedding: &dyn Fn(&u32) -> &'a [f32]) -> (f64, f64) {
    let square = |x: f64| x * x;
    let mut sums: Vec<f64> = Vec::new();
    let mut of_itself = 0.0;
    for row in items.iter().map(embedding) {
        sums.resize(row.len(), 0.0);
        for (sum, &x) in sums.iter_mut().zip(row) {
            *sum += f64::from(x);
            of_itself += square(f64::from(x));
        }
    }
    let n = items.len() as f64;
    (sums.into_iter().map(square).sum::<f64>() - of_itself, n * (n - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plane_holds_the_longest_axes() {
        // Spread of 2·9, 2·4 and 2·1 along three axes, around (5, 5, 5).
        let rows: Vec<f32> = [[3.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 1.0]]
            .iter()
            .flat_map(|row| [1.0, -1.0].map(|sign| row.map(|x: f32| 5.0 + sign * x)).concat())
            .collect();
        let plane = plane(&rows, 3).unwrap();
        let expected = [9.0 / 14.0, 4.0 / 14.0];
        let differences = plane.variance.iter().zip(expected).map(|(variance, it)| (variance - it).abs());
        assert!(differences.into_iter().all(|difference| difference < 1e-9), "{:?}", plane.variance);
        let close = |place: [f64; 2], x: f64, y: f64| (place[0] - x).abs() + (place[1] - y).abs() < 1e-6;
        assert!(close(plane.places[0], 3.0, 0.0) && close(plane.places[3], 0.0, -2.0), "{:?}", plane.places);
    }

    #[test]
    fn odd_inputs_have_a_plane_too() {
        assert!(super::plane(&[], 3).unwrap().places.is_empty());
        assert_eq!(super::plane(&[1.0, 1.0], 2).unwrap().variance, [0.0; 2]);
        assert_eq!(super::plane(&[1.0, 3.0], 1).unwrap().places, [[-1.0, 0.0], [1.0, 0.0]]);
    }

    #[test]
    fn cosines_are_those_of_all_pairs() {
        let rows = [[1.0_f32, 0.0], [0.6, 0.8], [0.0, 1.0], [-1.0, 0.0]];
        let embedding = |item: &u32| &rows[*item as usize][..];
        let items =
            ItemTable { interests: Some(["a", "a", "", "b"].into_iter().collect()), ..ItemTable::default() };
        let (same, any) = cosines(&[0, 1, 2, 3], &items, &embedding).unwrap();
        // Any: .6 + 0 - 1 + .8 - .6 + 0 over six pairs.
        assert!((same - 0.6).abs() < 1e-6 && (any + 0.2 / 6.0).abs() < 1e-6, "{same} {any}");
        assert_eq!(cosines(&[0, 3], &items, &embedding), None);
    }
}
