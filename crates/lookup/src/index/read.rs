//! Finding an embedding in a mapped index file.

use std::fs::File;
use std::path::Path;

use dayvec_core::id_hash;
use memmap2::Mmap;

use super::IndexError;
use super::layout::{
    DIGEST, ENTRY_BYTES, Element, HEADER_BYTES, KEY_BYTES, Layout, RECORD_HEAD_BYTES, Table,
};
use super::layout::{read_u32, read_u64, slot};

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
    /// Map the file at `path`, verify its digest, and check that it is whole.
    ///
    /// Verifying reads all of it, which also brings it into memory before the first request does.
    ///
    /// # Errors
    /// [`IndexError::Corrupt`] when the file is not as it was written, [`IndexError::Io`] when it can't be read.
    pub fn open(path: &Path) -> Result<Self, IndexError> {
        let io = |verb| move |source| IndexError::Io { verb, path: path.to_owned(), source };
        let corrupt = |reason: String| IndexError::Corrupt { path: path.to_owned(), reason };
        let file = File::open(path).map_err(io("read"))?;
        let map = map(&file).map_err(io("map"))?;
        let layout = Layout::from_bytes(&map).map_err(corrupt)?;
        if layout.file_len != map.len() {
            return Err(corrupt(format!("it has {} bytes instead of {}", map.len(), layout.file_len)));
        }
        if blake3::hash(&map[DIGEST.end..]).as_bytes() != &map[DIGEST] {
            return Err(corrupt("its digest does not match its content".to_owned()));
        }
        let index = Self { map, layout };
        index.check_ids_are_distinct()?;
        Ok(index)
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

    /// The mean of all user embeddings at unit length, as f32 little-endian; zeros without users.
    #[must_use]
    pub fn mean(&self) -> &[u8] {
        &self.map[self.layout.mean..self.layout.mean + 4 * self.layout.dim]
    }

    /// What the snapshot says of itself, as given to the builder.
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
        if table.n_rows == 0 {
            return None;
        }
        let hash = id_hash(id);
        let entry = table.directory + ENTRY_BYTES * slot(hash, table.directory_bits);
        let keys = read_u32(&self.map, entry) as usize..read_u32(&self.map, entry + ENTRY_BYTES) as usize;
        for key in keys {
            let (other, row) = self.key(table, key);
            if other == hash && self.id(table, row) == id.as_bytes() {
                return Some(self.row(table, row));
            }
        }
        None
    }

    #[inline]
    fn key(&self, table: &Table, key: usize) -> (u64, usize) {
        let at = table.keys + KEY_BYTES * key;
        (read_u64(&self.map, at), read_u64(&self.map, at + 8) as usize)
    }

    #[inline]
    fn record(&self, table: &Table, row: usize) -> &[u8] {
        let stride = self.layout.stride();
        let start = table.records + stride * row;
        &self.map[start..start + stride]
    }

    #[inline]
    fn id(&self, table: &Table, row: usize) -> &[u8] {
        let record = self.record(table, row);
        let start = table.ids + read_u64(record, 0) as usize;
        &self.map[start..start + read_u64(record, 8) as usize]
    }

    #[inline]
    fn row(&self, table: &Table, row: usize) -> Row<'_> {
        let record = self.record(table, row);
        Row {
            numbers: &record[RECORD_HEAD_BYTES..],
            last_action_at: read_u64(record, 16) as i64,
            computed_at: read_u64(record, 24) as i64,
        }
    }

    /// Two rows of one id would make the answer depend on chance.
    fn check_ids_are_distinct(&self) -> Result<(), IndexError> {
        for (what, table) in [("user", &self.layout.users), ("item", &self.layout.items)] {
            for key in 1..table.n_rows {
                let ((hash, row), (before, row_before)) = (self.key(table, key), self.key(table, key - 1));
                if hash == before && self.id(table, row) == self.id(table, row_before) {
                    let id = String::from_utf8_lossy(self.id(table, row)).into_owned();
                    return Err(IndexError::BadSnapshot(format!("{what} `{id}` has two rows")));
                }
            }
        }
        Ok(())
    }
}

#[expect(unsafe_code, reason = "mapping a file; the safety argument stands beside it")]
fn map(file: &File) -> std::io::Result<Mmap> {
    if file.metadata()?.len() < HEADER_BYTES as u64 {
        return Err(std::io::Error::other("it is shorter than a header"));
    }
    // SAFETY: a map is sound while nobody changes or truncates the file. Index files lie in a cache folder that one
    // process holds a lock on; they are written under another name, renamed when whole, and from then on only ever
    // unlinked, which leaves the mapped pages as they are.
    unsafe { Mmap::map(file) }
}
