//! A part: one Parquet file of a snapshot, and the record of its size and digest.

use dayvec_core::{EmbeddingBlock, IdColumn, bucket_of, id_hash};
use serde::{Deserialize, Serialize};

use crate::SnapshotError;

/// The record of a part, in its done marker and in the manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// Key of the file.
    pub part: String,
    /// Number of rows.
    pub rows: u64,
    /// Size of the file.
    pub bytes: u64,
    /// BLAKE3 digest of the file, 64 hexadecimal digits.
    pub blake3: String,
    /// The run's statistics on these rows.
    pub statistics: serde_json::Value,
}

impl Part {
    /// Whether two attempts made the same file.
    pub(crate) fn same_file(&self, other: &Self) -> bool {
        (self.rows, self.bytes, &self.blake3) == (other.rows, other.bytes, &other.blake3)
    }
}

/// Item embeddings in columns, in the order of the item table.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ItemEmbeddings {
    /// Item ids.
    pub ids: IdColumn,
    /// Width of an embedding.
    pub dim: usize,
    /// Embeddings, row-major `[n_items, dim]`.
    pub values: Vec<f32>,
}

/// Check that the columns agree, and that the rows are those of `bucket`, in order, each once.
pub(crate) fn check_users(
    rows: &EmbeddingBlock,
    dim: usize,
    bucket: u32,
    n_buckets: u32,
) -> Result<(), SnapshotError> {
    let bad =
        |reason: String| SnapshotError::BadRows { part: format!("bucket {bucket} of the users"), reason };
    let n_users = rows.len();
    if rows.dim != dim || rows.values.len() != n_users * dim {
        let (width, n) = (rows.dim, rows.values.len());
        return Err(bad(format!(
            "{n_users} users of width {width} with {n} floats; the expected width is {dim}"
        )));
    }
    if rows.last_action_at.len() != n_users || rows.computed_at.len() != n_users {
        return Err(bad("the columns differ in length".into()));
    }
    let mut before: Option<(u64, &str)> = None;
    for id in rows.ids.iter() {
        let this = (id_hash(id), id);
        if bucket_of(id, n_buckets) != bucket {
            return Err(bad(format!("user `{id}` belongs to bucket {}", bucket_of(id, n_buckets))));
        }
        if before.is_some_and(|before| before >= this) {
            return Err(bad(format!(
                "user `{id}` is out of order or a duplicate; rows must be sorted by (id hash, id)"
            )));
        }
        before = Some(this);
    }
    Ok(())
}

/// Check that the columns agree.
pub(crate) fn check_items(rows: &ItemEmbeddings, dim: usize) -> Result<(), SnapshotError> {
    if rows.dim == dim && rows.values.len() == rows.ids.len() * dim {
        return Ok(());
    }
    let (n, width, floats) = (rows.ids.len(), rows.dim, rows.values.len());
    let reason = format!("{n} items of width {width} with {floats} floats; the expected width is {dim}");
    Err(SnapshotError::BadRows { part: "a part of the items".into(), reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(ids: &[&str], dim: usize, expected: &str) {
        let mut rows = EmbeddingBlock::new(1);
        for id in ids {
            rows.push(id, &[1.0], 0, 0);
        }
        let result = check_users(&rows, dim, 0, 1).map_err(|error| error.to_string());
        match result {
            Ok(()) => assert_eq!(expected, ""),
            Err(message) => assert!(!expected.is_empty() && message.contains(expected), "{message}"),
        }
    }

    #[test]
    fn rows_that_cannot_be_a_part_are_refused() {
        let mut ids = ["a", "b", "c"];
        ids.sort_unstable_by_key(|id| id_hash(id));
        check(&ids, 1, "");
        check(&ids, 2, "the expected width is 2");
        check(&[ids[0], ids[0]], 1, "a duplicate");
        check(&[ids[2], ids[0]], 1, "out of order");
        let mut rows = EmbeddingBlock::new(1);
        rows.push("a", &[1.0], 0, 0);
        let other = 1 - bucket_of("a", 2);
        assert!(check_users(&rows, 1, other, 2).unwrap_err().to_string().contains("belongs to bucket"));
        assert!(check_items(&ItemEmbeddings { dim: 2, ..ItemEmbeddings::default() }, 3).is_err());
    }
}
