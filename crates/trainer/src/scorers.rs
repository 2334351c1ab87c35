//! What is evaluated: the model, and everything that it has to beat.

use anyhow::Context;
use dayvec_core::{ItemTable, Sequences};
use dayvec_evaluation::baselines::{
    DecayedFeatures, Ease, ItemNeighbours, OwnItems, Popularity, Random, RecentPopularity, SvdBag,
};
use dayvec_evaluation::{Embeddings, Scorer};
use dayvec_model::Model;

use crate::config::Config;
use crate::data::Resolved;

/// "Lately", for popularity: the objective's window.
const RECENT_DAYS: u32 = 28;
/// Half-life of an action's weight, chosen on an earlier window of Online Retail II.
const HALF_LIFE_DAYS: f64 = 40.0;
/// Items that neighbours are looked up of.
const LAST_ITEMS: usize = 5;
/// Widths of the SVD: that of preset `small`, and that of `paper`.
const SVD_DIMS: [usize; 2] = [64, 256];
/// Ridge of EASE, the middle of what its paper uses.
const EASE_LAMBDA: f64 = 500.0;

/// The model on the histories of `users`.
pub(crate) fn model_scorer(
    model: &Model,
    history: &Sequences,
    users: &[usize],
) -> anyhow::Result<Embeddings> {
    let user_values = model.encode_users(history, users).context("encode users")?;
    let item_values = model.encode_items().context("encode items")?;
    Ok(Embeddings::new("model", users, &user_values, model.spec().n_items, &item_values)?)
}

/// Give every baseline to `run`, one at a time, so that only one is in memory.
pub(crate) fn baselines(
    config: &Config,
    items: &ItemTable,
    data: &Resolved,
    run: &mut dyn FnMut(&dyn Scorer) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let (history, seed) = (&data.history, config.raw.run.seed);
    run(&Random::new(history, seed))?;
    run(&Popularity::new(history))?;
    run(&RecentPopularity::new(history, data.window.cut_off, RECENT_DAYS))?;
    run(&OwnItems::new(history, HALF_LIFE_DAYS))?;
    run(&ItemNeighbours::new(history, LAST_ITEMS))?;
    run(&DecayedFeatures::new(history, items, HALF_LIFE_DAYS)?)?;
    for dim in SVD_DIMS {
        run(&SvdBag::new(history, dim, HALF_LIFE_DAYS, seed)?)?;
    }
    run(&Ease::new(history, EASE_LAMBDA, config.raw.evaluation.ease_items)?)
}
