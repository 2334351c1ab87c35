//! Item features from the training window's events and from item text.
//!
//! A vector is the graph part times √(1 - w) and the text part times √w, side by side, scaled to norm 1, where w is
//! `text_weight`:
//!
//! | the item has | graph part | text part |
//! |---|---|---|
//! | partners and text | from the events | from its words |
//! | partners only | from the events | zero |
//! | text only (a cold item) | what its words predict, by ridge regression over the items that have both | from its words |
//! | neither a partner nor a word that another item has | zero | zero |
//!
//! The last kind keeps its row of zeros: nothing is known about it, and any other vector would be made up.

use dayvec_core::{IdColumn, IdInterner, ItemTable, Sequences};
use tch::Kind;

use crate::clusters::cluster_labels;
use crate::cooccurrence::{Baskets, count_pairs};
use crate::error::ItemsError;
use crate::graph::{graph_vectors, normalise_rows, ppmi};
use crate::options::{BuildOptions, Method};
use crate::pinsage;
use crate::svd::{floats_of, tensor_of, truncated_svd};
use crate::text::ItemText;
use crate::words::word_matrix;

/// Width of the text vectors that the graph part of a cold item is predicted from; the text part is their head.
const TEXT_RANK: usize = 128;
/// Weight of the ridge penalty, in items: below this many items with a trait, the prediction leans to zero.
const RIDGE: f64 = 1.0;

/// Build item features `[n_items, options.dim]` from the training window and item text.
///
/// The table holds, in the order of their ids, every item with an action in `sequences` and every item of `text`.
/// Every row is finite and of norm 1, or zero where nothing is known (see the module's table).
/// Titles and interests come from `text`; where it has no interests, the labels `cluster-NNN` of a k-means over the
/// features stand in, so that Interest Entropy can be computed (comparable only within one such table).
///
/// `sequences` must hold nothing from after the cut-off: this function cannot know it.
///
/// # Errors
/// Options that make no sense (all of them are named), neither events nor text, or a failure of libtorch.
pub fn build_items(
    sequences: &Sequences,
    text: Option<&ItemText>,
    options: &BuildOptions,
) -> Result<ItemTable, ItemsError> {
    options.check()?;
    let ids = item_ids(sequences, text);
    let n_items = ids.ids().len();
    if n_items == 0 {
        return Err(ItemsError::NothingToBuildFrom);
    }
    // The row in `text` of every item.
    let text_rows: Vec<Option<u32>> =
        ids.ids().iter().map(|id| text.and_then(|text| text.ids.find(id))).collect();
    let text_vectors = match text {
        Some(text) if options.text_part() > 0 => Some(text_vectors(text, &text_rows, options)?),
        _ => None,
    };
    let text_dim = if text_vectors.is_some() { options.text_part() } else { 0 };
    let mut graph = graph_part(sequences, &ids, options.dim - text_dim, options)?;
    if let Some(vectors) = &text_vectors {
        predict_cold(&mut graph, vectors, n_items)?;
    }
    let mut features = join_parts(&graph, text_vectors.as_deref().unwrap_or(&[]), n_items, options);
    if let Method::PinSage(pinsage) = &options.method {
        features = pinsage::features(sequences, &table_rows(sequences, &ids), &features, (options, pinsage))?;
    }
    let pick = |column: Option<&IdColumn>| column.map(|column| pick_rows(column, &text_rows));
    let interests = match pick(text.and_then(|text| text.interests.as_ref())) {
        Some(labels) => labels,
        None => cluster_labels(&features, options.dim, options.n_interests, options.seed)?,
    };
    let titles = pick(text.and_then(|text| text.titles.as_ref()));
    Ok(ItemTable { ids, dim: options.dim, features, interests: Some(interests), titles })
}

/// Items with an action or with text, in the order of their ids.
fn item_ids(sequences: &Sequences, text: Option<&ItemText>) -> IdInterner {
    let mut acted = vec![false; sequences.items.ids().len()];
    sequences.actions.item.iter().for_each(|&item| acted[item as usize] = true);
    let acted = sequences.items.ids().iter().zip(acted).filter_map(|(id, acted)| acted.then_some(id));
    let mut ids: Vec<&str> = acted.chain(text.into_iter().flat_map(|text| text.ids.ids().iter())).collect();
    ids.sort_unstable();
    ids.dedup();
    IdInterner::from(ids.into_iter().collect::<IdColumn>())
}

/// The cells of a text column by item; empty for an item without a row.
fn pick_rows(column: &IdColumn, rows: &[Option<u32>]) -> IdColumn {
    rows.iter().map(|row| row.map_or("", |row| column.get(row as usize))).collect()
}

/// The row in the table of each item of `sequences`; items without an action are in no basket, so theirs is never read.
fn table_rows(sequences: &Sequences, ids: &IdInterner) -> Vec<u32> {
    sequences.items.ids().iter().map(|id| ids.find(id).unwrap_or(u32::MAX)).collect()
}

/// Unit graph vectors `[n_items, width]`; zero for items without a partner.
fn graph_part(
    sequences: &Sequences,
    ids: &IdInterner,
    width: usize,
    options: &BuildOptions,
) -> Result<Vec<f32>, ItemsError> {
    let rows = table_rows(sequences, ids);
    let n_items = ids.ids().len();
    let counts = count_pairs(Baskets::of(sequences, &rows, options.basket), n_items, options);
    let ppmi = ppmi(&counts, options.smoothing, options.shift);
    tracing::info!(
        n_items,
        n_pairs = counts.n_entries() / 2,
        n_positive = ppmi.n_entries() / 2,
        "item graph"
    );
    graph_vectors(&ppmi, width, options)
}

/// Unit text vectors `[n_items, TEXT_RANK]` or wider; zero for items without a word that another item has.
fn text_vectors(
    text: &ItemText,
    rows: &[Option<u32>],
    options: &BuildOptions,
) -> Result<Vec<f32>, ItemsError> {
    let words = word_matrix(rows.iter().map(|row| row.map_or("", |row| text.text.get(row as usize))));
    let width = text_width(options);
    let svd = truncated_svd(&words, width, options.seed)?;
    let mut vectors = svd.scaled_rows(1.0, width);
    vectors.resize(rows.len() * width, 0.0); // no shared word at all
    for (row, vector) in vectors.chunks_exact_mut(width).enumerate() {
        if words.row(row).len() == 0 {
            vector.fill(0.0);
        }
    }
    normalise_rows(&mut vectors, width);
    Ok(vectors)
}

fn text_width(options: &BuildOptions) -> usize {
    TEXT_RANK.max(options.text_part())
}

/// Fill the rows of zeros in `graph` with what the items' words predict.
fn predict_cold(graph: &mut [f32], text: &[f32], n_items: usize) -> Result<(), ItemsError> {
    let (width, text_width) = (graph.len() / n_items, text.len() / n_items);
    let known =
        |values: &[f32], row: usize, width: usize| values[row * width..][..width].iter().any(|&x| x != 0.0);
    let (with_both, cold): (Vec<usize>, Vec<usize>) =
        (0..n_items).filter(|&row| known(text, row, text_width)).partition(|&row| known(graph, row, width));
    if with_both.is_empty() || cold.is_empty() {
        return Ok(());
    }
    let gather = |values: &[f32], rows: &[usize], width: usize| {
        let picked: Vec<f32> =
            rows.iter().flat_map(|&row| &values[row * width..][..width]).copied().collect();
        tensor_of(&picked, width)
    };
    let x = gather(text, &with_both, text_width)?; // [n_with_both, t]
    let y = gather(graph, &with_both, width)?; // [n_with_both, g]
    let asked = gather(text, &cold, text_width)?; // [n_cold, t]
    let solve = || {
        let (x, y) = (x.f_to_kind(Kind::Double)?, y.f_to_kind(Kind::Double)?);
        let penalty =
            tch::Tensor::f_eye(text_width as i64, (Kind::Double, tch::Device::Cpu))?.f_mul_scalar(RIDGE)?;
        let gram = x.f_tr()?.f_matmul(&x)?.f_add(&penalty)?; // [t, t]
        let weights = tch::Tensor::f_linalg_solve(&gram, &x.f_tr()?.f_matmul(&y)?, true)?; // [t, g]
        asked.f_to_kind(Kind::Double)?.f_matmul(&weights)?.f_to_kind(Kind::Float) // [n_cold, g]
    };
    let predicted = solve().map_err(ItemsError::tensor("predict the graph part of items without events"))?;
    let mut predicted = floats_of(&predicted)?;
    normalise_rows(&mut predicted, width);
    for (row, vector) in cold.into_iter().zip(predicted.chunks_exact(width)) {
        graph[row * width..(row + 1) * width].copy_from_slice(vector);
    }
    Ok(())
}

/// The parts side by side, weighted, every row of norm 1 or zero: `[n_items, dim]`.
fn join_parts(graph: &[f32], text: &[f32], n_items: usize, options: &BuildOptions) -> Vec<f32> {
    let graph_dim = graph.len() / n_items;
    let text_dim = options.dim - graph_dim;
    let mut text = if text_dim == 0 {
        Vec::new()
    } else {
        let width = text_width(options);
        text.chunks_exact(width).flat_map(|row| row[..text_dim].to_vec()).collect()
    };
    if text_dim > 0 {
        normalise_rows(&mut text, text_dim);
    }
    let (graph_scale, text_scale) = match text_dim {
        0 => (1.0, 0.0),
        _ => ((1.0 - options.text_weight).sqrt(), options.text_weight.sqrt()),
    };
    let mut features = Vec::with_capacity(n_items * options.dim);
    for row in 0..n_items {
        features.extend(graph[row * graph_dim..(row + 1) * graph_dim].iter().map(|x| x * graph_scale));
        features.extend(text[row * text_dim..(row + 1) * text_dim].iter().map(|x| x * text_scale));
    }
    normalise_rows(&mut features, options.dim);
    features
}
