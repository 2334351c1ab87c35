//! PinSage-style item features (arXiv 1806.01973): an item's vector is computed from its own content and that of the
//! items around it, by a small network that is trained on what follows what.
//!
//! Items and baskets are the two sides of a graph, as pins and boards are → [`Neighbourhoods`] of each item by visits of
//! short random walks → two convolutions that pool the neighbours by these visits ([`Network`]) → trained on pairs of
//! successive actions by a sampled softmax or the paper's max-margin ([`PinSageLoss`]), with harder negatives from round to
//! round → one pass over the whole graph, block by block.
//!
//! The content of an item is what [`build_items`](crate::build_items) makes without PinSage (the spectral features, with
//! the text part where there is text) and the logarithm of its number of baskets. So an item without a basket still has a
//! vector: that of its text.

mod network;
mod options;
mod train;
mod walks;

use dayvec_core::Sequences;

pub use options::{PinSageLoss, PinSageOptions};

use crate::cooccurrence::Baskets;
use crate::error::ItemsError;
use crate::graph::normalise_rows;
use crate::options::BuildOptions;
use crate::svd::{floats_of, tensor_of};
use network::Network;
use train::Pairs;
use walks::Neighbourhoods;

/// Shrinks log(1 + number of baskets) to the size of the other inputs.
const DEGREE_SCALE: f32 = 0.1;

/// Features `[n_items, dim]` in place of `content`, which has the same shape: rows of norm 1, or zero where nothing is known.
///
/// `rows` gives the row of each of the sequences' items in the table. A pure function of its input while libtorch uses one
/// thread.
pub(crate) fn features(
    sequences: &Sequences,
    rows: &[u32],
    content: &[f32],
    (build, options): (&BuildOptions, &PinSageOptions),
) -> Result<Vec<f32>, ItemsError> {
    let dim = build.dim;
    let n_items = content.len() / dim;
    let baskets = Baskets::of(sequences, rows, build.basket);
    let around = Neighbourhoods::walk(&baskets, n_items, options, build.seed);
    let pairs = Pairs::new(sequences, rows);
    if pairs.is_empty() {
        tracing::warn!(
            "no user has two successive actions on different items; PinSage has nothing to learn from"
        );
        return Ok(content.to_vec());
    }
    let input: Vec<f32> = content
        .chunks_exact(dim)
        .zip(&around.n_baskets)
        .flat_map(|(row, &n)| row.iter().copied().chain([DEGREE_SCALE * (n as f32).ln_1p()]))
        .collect();
    let input = tensor_of(&input, dim + 1)?; // [n, dim + 1]
    let mut network = Network::new((dim + 1, options.hidden_dim, dim), build.seed)
        .map_err(ItemsError::tensor("make the weights of PinSage"))?;
    train::train(&mut network, (&input, &around), &pairs, (options, build.seed))?;
    let all: Vec<u32> = (0..n_items as u32).collect();
    let mut features = Vec::with_capacity(content.len());
    network.whole_graph(&input, &around.neighbours, &all, |block| {
        floats_of(block).map(|rows| features.extend(rows))
    })?;
    for (row, vector) in features.chunks_exact_mut(dim).enumerate() {
        let is_unknown = content[row * dim..][..dim].iter().all(|&x| x == 0.0);
        if is_unknown && around.n_baskets[row] == 0 {
            vector.fill(0.0);
        }
    }
    normalise_rows(&mut features, dim);
    Ok(features)
}
