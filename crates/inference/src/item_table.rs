//! The items of the day: what the model reads of each, counted over the buckets as they pass; whatever other workers and
//! earlier attempts encoded is counted from their states.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Context as _;
use dayvec_core::Day;
use dayvec_parts::ItemCounts;
use dayvec_snapshot::ItemEmbeddings;

use crate::checkpoint::Checkpoint;
use crate::state_store::{StateId, StateStore};

/// Counts of the items over the buckets that passed.
pub(crate) struct DayItems {
    counts: ItemCounts,
    buckets: BTreeSet<u32>,
}

impl DayItems {
    /// Before the first bucket.
    pub(crate) fn none(checkpoint: &Checkpoint, day: Day) -> Self {
        Self { counts: checkpoint.model.no_item_counts(day.end_s()), buckets: BTreeSet::new() }
    }

    /// Add a bucket, if it was not added before.
    pub(crate) fn add(&mut self, bucket: u32, counts: &ItemCounts) {
        if self.buckets.insert(bucket) {
            self.counts.add(counts);
        }
    }

    /// Item embeddings once every bucket of the state `to` is there.
    pub(crate) async fn embeddings(
        mut self,
        checkpoint: &Checkpoint,
        (states, to): (&StateStore, &StateId),
        n_buckets: u32,
        scratch: &Path,
    ) -> anyhow::Result<ItemEmbeddings> {
        let spec = checkpoint.model.spec();
        let missing = (0..n_buckets).filter(|bucket| !self.buckets.contains(bucket)).collect::<Vec<_>>();
        for bucket in missing.into_iter().filter(|_| checkpoint.model.reads_item_counts()) {
            let state = states.read(to, bucket, scratch).await?;
            let (input, _) = state.resolve(&checkpoint.items.ids, &spec.surfaces);
            self.add(bucket, &checkpoint.model.item_counts(&input, self.counts.until_s()));
        }
        let values = checkpoint.model.encode_items(&self.counts).context("encode items")?;
        Ok(ItemEmbeddings { ids: checkpoint.items.ids.ids().clone(), dim: spec.embedding_dim(), values })
    }
}
