//! What one user's embedding was computed from: the newest actions, from the state behind a snapshot, and the items
//! nearest to it, from the snapshot's own item embeddings.

use std::sync::Arc;

use dayvec_bucket::Bucket;
use dayvec_core::{IdColumn, IdInterner, bucket_of};
use dayvec_registry::{DailyStates, item_features, read_spec};
use dayvec_snapshot::{Manifest, read_items};
use tokio::sync::Mutex;

use crate::outage::Outage;
use crate::tables::{Action, Table, too_large};

/// The items of a snapshot.
#[derive(Debug)]
pub(crate) struct Catalogue {
    ids: IdInterner,
    /// In the order of `ids`; empty text where an item has none.
    titles: IdColumn,
    dim: usize,
    /// Embeddings, row-major `[n_items, dim]`.
    values: Vec<f32>,
}

/// An item that is near to a user.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NearItem {
    pub(crate) item_id: String,
    pub(crate) title: String,
    /// Inner product of two unit vectors.
    pub(crate) score: f32,
}

/// Users' actions and the catalogue, as the bucket has them. One user's actions are read at a time, so memory is bounded
/// by one file.
#[derive(Debug)]
pub(crate) struct Users {
    bucket: Bucket,
    max_bytes: u64,
    /// The catalogue used last, with the id of its snapshot.
    catalogue: Mutex<Option<(String, Arc<Catalogue>)>>,
}

impl Users {
    pub(crate) fn new(bucket: &Bucket, max_bytes: u64) -> Self {
        Self { bucket: bucket.clone(), max_bytes, catalogue: Mutex::default() }
    }

    /// The items of a snapshot; loaded once, and kept until another snapshot is requested.
    pub(crate) async fn catalogue(&self, manifest: &Manifest) -> Result<Arc<Catalogue>, Outage> {
        let mut kept = self.catalogue.lock().await;
        if let Some((snapshot_id, catalogue)) = &*kept
            && *snapshot_id == manifest.snapshot_id
        {
            return Ok(Arc::clone(catalogue));
        }
        *kept = None;
        let size_bytes = manifest.totals.items_bytes;
        if size_bytes > self.max_bytes {
            return Err(Outage::new(format!("items of {}", manifest.snapshot_id), too_large(size_bytes)));
        }
        let items = read_items(&self.bucket, manifest).await;
        let items = items.map_err(|error| Outage::from_error(self.name(), &error))?;
        let key = item_features::key(&manifest.run.items_version);
        let table = Table::open(&self.bucket, &key, self.max_bytes).await?;
        let built = blocking(move || {
            let ids = IdInterner::from(items.ids);
            let titles = titles(table, &ids).map_err(|error| Outage::from_error(key, &error))?;
            Ok(Catalogue { ids, titles, dim: items.dim, values: items.values })
        });
        let catalogue = Arc::new(built.await?);
        *kept = Some((manifest.snapshot_id.clone(), Arc::clone(&catalogue)));
        Ok(catalogue)
    }

    /// A user's actions in the state behind a snapshot, newest first; `None` where that state was removed.
    pub(crate) async fn actions(
        &self,
        manifest: &Manifest,
        user_id: &str,
    ) -> Result<Option<Vec<Action>>, Outage> {
        let run = &manifest.run;
        let spec = read_spec(&self.bucket, &run.model_id).await;
        let spec = spec.map_err(|error| Outage::from_error(self.name(), &error))?;
        let state = DailyStates::of_model(&spec, run.n_buckets).state(run.day, &*run.input_digest);
        let key = state.part(bucket_of(user_id, run.n_buckets));
        let Some(table) = Table::open(&self.bucket, &key, self.max_bytes).await? else { return Ok(None) };
        let user_id = user_id.to_owned();
        blocking(move || table.actions(&user_id).map(Some).map_err(|error| Outage::from_error(key, &error)))
            .await
    }

    /// What the page calls the bucket.
    fn name(&self) -> String {
        format!("bucket {}", self.bucket.url())
    }
}

fn titles(table: Option<Table>, ids: &IdInterner) -> parquet::errors::Result<IdColumn> {
    let mut titles = vec![String::new(); ids.ids().len()];
    if let Some(table) = table {
        table.titles(|id, title| {
            if let Some(row) = ids.find(id) {
                titles[row as usize] = title.to_owned();
            }
        })?;
    }
    Ok(titles.into_iter().collect())
}

/// Decoding waits for the disk, so it does not run on a thread that serves the network.
async fn blocking<T: Send + 'static>(
    decode: impl FnOnce() -> Result<T, Outage> + Send + 'static,
) -> Result<T, Outage> {
    tokio::task::spawn_blocking(decode)
        .await
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

impl Catalogue {
    /// Title of an item; empty where it has none or is not in the catalogue.
    pub(crate) fn title(&self, item_id: &str) -> &str {
        self.ids.find(item_id).map_or("", |row| self.titles.get(row as usize))
    }

    /// The `n` items with the largest inner product with `embedding`, nearest first; ties go to the earlier row.
    pub(crate) fn nearest(&self, embedding: &[f32], n: usize) -> Vec<NearItem> {
        if embedding.len() != self.dim || self.dim == 0 {
            return Vec::new();
        }
        let rows = self.values.chunks_exact(self.dim);
        let dot = |row: &[f32]| row.iter().zip(embedding).map(|(a, b)| a * b).sum::<f32>();
        let mut scores: Vec<(f32, usize)> = rows.map(dot).zip(0..).collect();
        let order = |a: &(f32, usize), b: &(f32, usize)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
        if scores.len() > n {
            scores.select_nth_unstable_by(n, order);
            scores.truncate(n);
        }
        scores.sort_unstable_by(order);
        let near = |(score, row): (f32, usize)| {
            let title = self.titles.get(row).to_owned();
            NearItem { item_id: self.ids.ids().get(row).to_owned(), title, score }
        };
        scores.into_iter().map(near).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_come_first() {
        let column: IdColumn = ["a", "b", "c", "d"].into_iter().collect();
        let titles: IdColumn = ["Apple", "", "Cherry", "Date"].into_iter().collect();
        let values = vec![1.0, 0.0, 0.6, 0.8, 0.0, 1.0, -1.0, 0.0];
        let catalogue = Catalogue { ids: column.into(), titles, dim: 2, values };
        let ids: Vec<_> =
            catalogue.nearest(&[0.6, 0.8], 3).into_iter().map(|near| (near.item_id, near.title)).collect();
        let expected = [("b", ""), ("c", "Cherry"), ("a", "Apple")];
        assert_eq!(ids, expected.map(|(id, title)| (id.to_owned(), title.to_owned())));
        assert!(catalogue.nearest(&[1.0], 3).is_empty());
        assert_eq!((catalogue.title("c"), catalogue.title("b"), catalogue.title("z")), ("Cherry", "", ""));
    }
}
