//! From an announcement to rows: nothing is used before its digest and its counts are verified.

use bytes::Bytes;
use dayvec_bucket::Bucket;
use dayvec_core::EmbeddingBlock;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{ItemEmbeddings, Manifest, Part, SNAPSHOT_FORMAT_VERSION, SnapshotError, table};

/// Read and check a manifest.
///
/// # Errors
/// [`SnapshotError::UnsupportedFormat`] for another layout, [`SnapshotError::Damaged`] when it does not parse or
/// contradicts itself, [`SnapshotError::Bucket`].
pub async fn read_manifest(bucket: &Bucket, key: &str) -> Result<Manifest, SnapshotError> {
    let value: serde_json::Value = read_json(bucket, key).await?;
    match value.get("format_version").and_then(serde_json::Value::as_u64) {
        Some(found) if found == u64::from(SNAPSHOT_FORMAT_VERSION) => {}
        Some(found) => {
            let supported = SNAPSHOT_FORMAT_VERSION;
            return Err(SnapshotError::UnsupportedFormat { key: key.to_owned(), found, supported });
        }
        None => return Err(SnapshotError::damaged(key, "it has no format_version")),
    }
    let manifest: Manifest =
        serde_json::from_value(value).map_err(|error| SnapshotError::damaged(key, error))?;
    manifest.check(key).map_err(|reason| SnapshotError::damaged(key, reason))?;
    Ok(manifest)
}

/// Fetch a part of the users, bit for bit as it was written (16-bit floats widened).
///
/// # Errors
/// [`SnapshotError::Damaged`] when it is not what was written, [`SnapshotError::Bucket`].
pub async fn read_users_part(bucket: &Bucket, part: &Part) -> Result<EmbeddingBlock, SnapshotError> {
    let bytes = fetch(bucket, part).await?;
    let part = part.clone();
    blocking(move || decode_users_part(&part, bytes)).await
}

/// Fetch a part of the items.
///
/// # Errors
/// As [`read_users_part`].
pub async fn read_items_part(bucket: &Bucket, part: &Part) -> Result<ItemEmbeddings, SnapshotError> {
    let bytes = fetch(bucket, part).await?;
    let part = part.clone();
    blocking(move || decode_items_part(&part, bytes)).await
}

/// Fetch all items of a snapshot.
///
/// # Errors
/// As [`read_users_part`].
pub async fn read_items(bucket: &Bucket, manifest: &Manifest) -> Result<ItemEmbeddings, SnapshotError> {
    let mut items = ItemEmbeddings { dim: manifest.dim, ..ItemEmbeddings::default() };
    for part in &manifest.item_parts {
        let more = read_items_part(bucket, part).await?;
        more.ids.iter().for_each(|id| items.ids.push(id));
        items.values.extend_from_slice(&more.values);
    }
    Ok(items)
}

/// Check a user part's bytes against its record, and unpack them.
///
/// # Errors
/// [`SnapshotError::Damaged`].
pub fn decode_users_part(part: &Part, bytes: Bytes) -> Result<EmbeddingBlock, SnapshotError> {
    verify(part, &bytes)?;
    let rows = table::read_users(bytes).map_err(|reason| SnapshotError::damaged(&part.part, reason))?;
    check_rows(part, rows.len())?;
    Ok(rows)
}

/// Check an item part's bytes against its record, and unpack them.
///
/// # Errors
/// [`SnapshotError::Damaged`].
pub fn decode_items_part(part: &Part, bytes: Bytes) -> Result<ItemEmbeddings, SnapshotError> {
    verify(part, &bytes)?;
    let rows = table::read_items(bytes).map_err(|reason| SnapshotError::damaged(&part.part, reason))?;
    check_rows(part, rows.ids.len())?;
    Ok(rows)
}

async fn fetch(bucket: &Bucket, part: &Part) -> Result<Bytes, SnapshotError> {
    match bucket.get(&part.part).await {
        Err(error) if error.is_not_found() => Err(SnapshotError::damaged(&part.part, "the file is missing")),
        other => Ok(other?),
    }
}

/// Decoding takes as long as the disk: not on a thread that serves the network.
async fn blocking<T: Send + 'static>(
    decode: impl FnOnce() -> Result<T, SnapshotError> + Send + 'static,
) -> Result<T, SnapshotError> {
    tokio::task::spawn_blocking(decode)
        .await
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

fn verify(part: &Part, bytes: &[u8]) -> Result<(), SnapshotError> {
    let size_bytes = bytes.len() as u64;
    if size_bytes != part.bytes {
        return Err(SnapshotError::damaged(
            &part.part,
            format!("it has {size_bytes} bytes instead of {}", part.bytes),
        ));
    }
    let digest = blake3::hash(bytes).to_hex();
    if digest.as_str() != part.blake3 {
        return Err(SnapshotError::damaged(
            &part.part,
            format!("its BLAKE3 digest is {digest} instead of {}", part.blake3),
        ));
    }
    Ok(())
}

fn check_rows(part: &Part, n_rows: usize) -> Result<(), SnapshotError> {
    if n_rows as u64 == part.rows {
        return Ok(());
    }
    Err(SnapshotError::damaged(&part.part, format!("it has {n_rows} rows instead of {}", part.rows)))
}

/// Read a JSON record.
pub(crate) async fn read_json<T: DeserializeOwned>(bucket: &Bucket, key: &str) -> Result<T, SnapshotError> {
    let bytes = bucket.get(key).await?;
    serde_json::from_slice(&bytes)
        .map_err(|error| SnapshotError::damaged(key, format!("it does not parse: {error}")))
}

/// A JSON record as it is stored.
pub(crate) fn to_json<T: Serialize>(record: &T) -> Bytes {
    let mut bytes = serde_json::to_vec_pretty(record).expect("records are plain data with text keys");
    bytes.push(b'\n');
    bytes.into()
}
