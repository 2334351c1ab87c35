//! Finding an embedding in a mapped index file.

use std::fs::File;
use std::path::Path;

use dayvec_core::id_hash;
use memmap2::Mmap;

use super::layout::{
    DIGEST, Element, HEADER_BYTES, Layout, RECORD_HEAD_BYTES, SLOT_BYTES, Table, first_slot, may_be, place,
    read_u64,
};
use crate::LookupError;

/// A snapshot opened for reading. Lookups allocate nothing and take no lock.
#[derive(Debug)]
pub struct Index {
    map: Mmap,
    layout: Layout,
}

/// One row of the index, borrowed from the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row<'a> {
    /// The numbers, little-endian, `dim` of [`Index::element`].
    pub numbers: &'a [u8],
    /// Unix seconds of the newest action that the embedding knows; 0 for items.
    pub last_action_at: i64,
    /// Unix seconds up to which events had been read when it was encoded; 0 for items.
    pub computed_at: i64,
}

impl Index {
    /// Map the file at `path`, verify its digest, and check that it is complete.
    ///
    /// Verifying reads all of it, which also brings it into memory before the first request does.
    ///
    /// # Errors
    /// [`LookupError::CorruptIndex`] when the file differs from what was written, [`LookupError::Disk`] when it can't be read.
    pub fn open(path: &Path) -> Result<Self, LookupError> {
        let io = |verb| move |source| LookupError::Disk { verb, path: path.to_owned(), source };
        let corrupt = |reason: String| LookupError::CorruptIndex { path: path.to_owned(), reason };
        let file = File::open(path).map_err(io("read"))?;
        let map = map(&file).map_err(io("map"))?;
        let layout = Layout::from_bytes(&map).map_err(corrupt)?;
        if layout.file_len != map.len() {
            return Err(corrupt(format!("it has {} bytes instead of {}", map.len(), layout.file_len)));
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update(&map[HEADER_BYTES..]).update(&map[DIGEST.end..HEADER_BYTES]);
        if hasher.finalize().as_bytes() != &map[DIGEST] {
            return Err(corrupt("its digest does not match its content".to_owned()));
        }
        Ok(Self { map, layout })
    }

    /// The row of a user, if the snapshot holds the user.
    #[must_use]
    pub fn user(&self, id: &str) -> Option<Row<'_>> {
        self.find(&self.layout.users, id)
    }

    /// The row of an item, if the snapshot holds the item.
    #[must_use]
    pub fn item(&self, id: &str) -> Option<Row<'_>> {
        self.find(&self.layout.items, id)
    }

    /// The mean of all user embeddings, at their mean length, as f32 little-endian; zeros without users.
    #[must_use]
    pub fn mean(&self) -> &[u8] {
        &self.map[self.layout.mean..self.layout.mean + 4 * self.layout.dim]
    }

    /// The snapshot's description, as given to the builder.
    #[must_use]
    pub fn about(&self) -> &[u8] {
        &self.map[self.layout.about..self.layout.about + self.layout.about_len]
    }

    /// Width of an embedding.
    #[must_use]
    pub const fn dim(&self) -> usize {
        self.layout.dim
    }

    /// How [`Row::numbers`] are written.
    #[must_use]
    pub const fn element(&self) -> Element {
        self.layout.element
    }

    /// Number of users.
    #[must_use]
    pub const fn n_users(&self) -> usize {
        self.layout.users.n_rows
    }

    /// Number of items.
    #[must_use]
    pub const fn n_items(&self) -> usize {
        self.layout.items.n_rows
    }

    /// Bytes of the file, all of which may be resident.
    #[must_use]
    pub const fn len_bytes(&self) -> usize {
        self.layout.file_len
    }

    #[inline]
    fn find(&self, table: &Table, id: &str) -> Option<Row<'_>> {
        let hash = id_hash(id);
        let last = (1 << table.slot_bits) - 1;
        let mut at = first_slot(hash, table.slot_bits);
        loop {
            let slot = read_u64(&self.map, table.slots + SLOT_BYTES * at);
            // There is always an empty slot.
            if slot == 0 {
                return None;
            }
            if may_be(slot, hash)
                && let Some(row) = self.row_of(place(slot), id)
            {
                return Some(row);
            }
            at = (at + 1) & last;
        }
    }

    /// The row at `place`, if it is that of `id`.
    #[inline]
    fn row_of(&self, place: usize, id: &str) -> Option<Row<'_>> {
        // The numbers come before the id, so reading them does not wait for the length of the id.
        let record = &self.map[place..];
        let numbers = &record[RECORD_HEAD_BYTES..RECORD_HEAD_BYTES + self.layout.numbers_bytes()];
        (self.id(place) == id.as_bytes()).then(|| Row {
            numbers,
            last_action_at: read_u64(record, 0) as i64,
            computed_at: read_u64(record, 8) as i64,
        })
    }

    /// Whether the records at two places have one id.
    pub(super) fn have_one_id(&self, place: usize, other: usize) -> bool {
        self.id(place) == self.id(other)
    }

    /// The id of the record at `place`.
    #[inline]
    pub(super) fn id(&self, place: usize) -> &[u8] {
        let record = &self.map[place..];
        let start = RECORD_HEAD_BYTES + self.layout.numbers_bytes();
        &record[start..start + read_u64(record, 16) as usize]
    }
}

#[expect(unsafe_code, reason = "mapping a file; the SAFETY comment says why it is sound")]
fn map(file: &File) -> std::io::Result<Mmap> {
    if file.metadata()?.len() < HEADER_BYTES as u64 {
        return Err(std::io::Error::other("it is shorter than a header"));
    }
    // SAFETY: a map is sound as long as nothing changes or truncates the file. Index files are in a cache folder that
    // this process has locked; they are written under another name, renamed when complete, and after that only ever
    // unlinked, which does not affect the mapped pages.
    unsafe { Mmap::map(file) }
}
