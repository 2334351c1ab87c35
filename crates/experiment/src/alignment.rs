//! A new model's space, turned onto the promoted model's, so that rankers trained on yesterday's embeddings can go on.

use anyhow::Context;
use dayvec_core::Sequences;
use dayvec_model::load_spec;
use dayvec_parts::{Embedder, Shared};
use dayvec_registry::checkpoint::{SPEC, WEIGHTS};
use dayvec_registry::newest_promotion;
use dayvec_report::AlignmentReport;
use dayvec_runtime::fault::OrFault as _;
use tch::Device;

use crate::checkpoint::{NoSuchCheckpoint, fetch};
use crate::config::Config;
use crate::data::ModelData;
use crate::items::ItemFeatures;
use crate::store::Store;

/// Users over which two spaces are compared, at most.
const MOST_USERS: usize = 5_000;

/// Turn `model` onto the promoted model of the bucket. `None`, and nothing turned, where there is none, or where one of the two
/// has other parts.
pub(crate) fn align_with_promoted(
    config: &Config,
    store: &Store,
    model: &mut Embedder,
    data: &ModelData,
) -> anyhow::Result<Option<AlignmentReport>> {
    let promoted =
        store.block_on(newest_promotion(store.bucket())).or_fault().context("find the promoted model")?;
    let Some(parts) = model.spec().parts else { return Ok(None) };
    let Some(promoted) = promoted else { return Ok(None) };
    let folder = match fetch(store, &promoted.model_id, &config.work_dir) {
        Err(error) if error.is::<NoSuchCheckpoint>() => {
            tracing::warn!(%error, "the promoted model is gone: the new one's space is not turned onto it");
            return Ok(None);
        }
        folder => folder?,
    };
    let spec = load_spec(&folder.join(SPEC)).or_fault().context("read the promoted model")?;
    let comparable =
        spec.parts.is_some_and(|older| older.is_as_wide_as(&parts)) && spec.events == model.spec().events;
    if !comparable {
        tracing::info!(
            promoted = promoted.model_id,
            "the promoted model has other parts: nothing to turn onto"
        );
        return Ok(None);
    }
    let items = ItemFeatures::fetch(config, store, &spec.items_version)?.table;
    let older =
        Embedder::load(&spec, &items, &folder.join(WEIGHTS), Device::cuda_if_available()).or_fault()?;
    let (history, _) = data.history.resolve(&items.ids, &spec.surfaces);
    let until_s = data.split.cut_off.start_s();
    let both = Both { new: model, older: &older, new_history: &data.history, old_history: &history };
    let ([new_users, old_users], [new_items, old_items]) = both.vectors(until_s)?;
    let users = Shared { new: &new_users, old: &old_users };
    let turned = model.align_with(&older, users, Shared { new: &new_items, old: &old_items }).or_fault()?;
    Ok(turned.map(|(before, after)| {
        tracing::info!(
            promoted = promoted.model_id,
            before,
            after,
            "mean cosine of users to the promoted model's"
        );
        AlignmentReport { model_id: promoted.model_id.clone(), before, after }
    }))
}

/// Vectors under the new model and under the older one, row by row of the same users or items.
type NewAndOld = [Vec<f32>; 2];

/// Two models with the same log, in the items of each.
pub(crate) struct Both<'a> {
    pub(crate) new: &'a Embedder,
    pub(crate) older: &'a Embedder,
    pub(crate) new_history: &'a Sequences,
    pub(crate) old_history: &'a Sequences,
}

impl Both<'_> {
    /// Vectors of shared users, and of shared items as of `until_s`: under the new model and under the older one.
    fn vectors(&self, until_s: i64) -> anyhow::Result<(NewAndOld, NewAndOld)> {
        let users = self.users()?;
        let encode = |model: &Embedder, history: &Sequences| -> anyhow::Result<Vec<f32>> {
            model.encode_items(&model.item_counts(history, until_s)).or_fault()
        };
        let new = encode(self.new, self.new_history)?;
        let old = encode(self.older, self.old_history)?;
        let dim = self.new.spec().embedding_dim();
        let mut items = [Vec::new(), Vec::new()];
        for (old_row, id) in self.old_history.items.ids().iter().enumerate() {
            let Some(new_row) = self.new_history.items.find(id) else { continue };
            items[0].extend_from_slice(&new[new_row as usize * dim..(new_row as usize + 1) * dim]);
            items[1].extend_from_slice(&old[old_row * dim..(old_row + 1) * dim]);
        }
        Ok((users, items))
    }

    /// Vectors of evenly spread users that both can encode.
    pub(crate) fn users(&self) -> anyhow::Result<NewAndOld> {
        let encodable = |user: &usize| {
            !self.new_history.range(*user).is_empty() && !self.old_history.range(*user).is_empty()
        };
        let users: Vec<usize> = (0..self.new_history.n_users()).filter(encodable).collect();
        let step = users.len().div_ceil(MOST_USERS).max(1);
        let users: Vec<usize> = users.into_iter().step_by(step).collect();
        Ok([
            self.new.encode_users(self.new_history, &users).or_fault().context("encode users")?,
            self.older.encode_users(self.old_history, &users).or_fault().context("encode users")?,
        ])
    }
}
