//! Ids of users and items: text, kept in one arena per column.

use std::sync::Arc;

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

/// Hash of an id's text: xxh3-64 with seed 0. It orders the rows of a part and picks the bucket.
#[must_use]
pub fn id_hash(id: &str) -> u64 {
    xxh3_64(id.as_bytes())
}

/// Bucket of a user: `id_hash(id) mod n_buckets`, whatever the number of workers.
#[must_use]
pub fn bucket_of(id: &str, n_buckets: u32) -> u32 {
    (id_hash(id) % u64::from(n_buckets.max(1))) as u32
}

/// Ids in row order, in one allocation. Integer ids are their decimal text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IdColumn {
    text: String,
    ends: Vec<usize>,
}

impl IdColumn {
    /// Append an id.
    pub fn push(&mut self, id: &str) {
        self.text.push_str(id);
        self.ends.push(self.text.len());
    }

    /// Id of a row.
    ///
    /// # Panics
    /// When `row_idx` is not below [`Self::len`].
    #[must_use]
    pub fn get(&self, row_idx: usize) -> &str {
        let start = if row_idx == 0 { 0 } else { self.ends[row_idx - 1] };
        &self.text[start..self.ends[row_idx]]
    }

    /// Number of ids.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether it is empty.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The ids in row order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        (0..self.len()).map(|row_idx| self.get(row_idx))
    }
}

impl<S: AsRef<str>> FromIterator<S> for IdColumn {
    fn from_iter<I: IntoIterator<Item = S>>(ids: I) -> Self {
        let mut column = Self::default();
        for id in ids {
            column.push(id.as_ref());
        }
        column
    }
}

/// An [`IdColumn`] without repeats that also finds the row of an id. Cheap to clone: clones share their ids until one
/// of them gets a new one.
#[derive(Debug, Clone, Default)]
pub struct IdInterner {
    shared: Arc<Interned>,
}

#[derive(Debug, Clone, Default)]
struct Interned {
    ids: IdColumn,
    rows: HashTable<u32>,
}

impl Interned {
    fn find(&self, hash: u64, id: &str) -> Option<u32> {
        self.rows.find(hash, |&row| self.ids.get(row as usize) == id).copied()
    }

    fn insert(&mut self, hash: u64, row: u32) {
        self.rows.insert_unique(hash, row, |&row| id_hash(self.ids.get(row as usize)));
    }
}

impl IdInterner {
    /// Row of `id`; a new id is appended.
    ///
    /// # Panics
    /// Beyond 2^32 - 1 distinct ids.
    pub fn intern(&mut self, id: &str) -> u32 {
        let hash = id_hash(id);
        if let Some(row) = self.shared.find(hash, id) {
            return row;
        }
        let own = Arc::make_mut(&mut self.shared);
        let row = u32::try_from(own.ids.len()).expect("fewer than 2^32 distinct ids");
        own.ids.push(id);
        own.insert(hash, row);
        row
    }

    /// Row of `id`; `None` for an unknown one.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<u32> {
        self.shared.find(id_hash(id), id)
    }

    /// The ids in row order.
    #[must_use]
    pub fn ids(&self) -> &IdColumn {
        &self.shared.ids
    }

    /// The ids in row order, without the hash table.
    #[must_use]
    pub fn into_ids(self) -> IdColumn {
        Arc::unwrap_or_clone(self.shared).ids
    }

    #[cfg(test)]
    pub(crate) fn shares_ids_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

impl From<IdColumn> for IdInterner {
    /// Repeated ids keep their first row.
    fn from(ids: IdColumn) -> Self {
        let mut interned = Interned { rows: HashTable::with_capacity(ids.len()), ids };
        for row in 0..interned.ids.len() {
            let hash = id_hash(interned.ids.get(row));
            if interned.find(hash, interned.ids.get(row)).is_none() {
                interned.insert(hash, row as u32);
            }
        }
        Self { shared: Arc::new(interned) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interning_keeps_first_rows() {
        let mut interner = IdInterner::default();
        let rows: Vec<u32> = ["b", "a", "b", "", "a"].iter().map(|id| interner.intern(id)).collect();
        assert_eq!(rows, [0, 1, 0, 2, 1]);
        assert_eq!(interner.find("a"), Some(1));
        assert_eq!(interner.find("c"), None);
        assert_eq!(interner.ids().iter().collect::<Vec<_>>(), ["b", "a", ""]);
        let again = IdInterner::from(interner.into_ids());
        assert_eq!(again.find(""), Some(2));
    }

    #[test]
    fn clones_share_their_ids_until_one_gets_a_new_one() {
        let first = IdInterner::from(["a", "b"].into_iter().collect::<IdColumn>());
        let mut second = first.clone();
        assert_eq!(second.intern("b"), 1);
        assert!(first.shares_ids_of(&second), "nothing new, nothing copied");
        assert_eq!(second.intern("c"), 2);
        assert!(!first.shares_ids_of(&second));
        assert_eq!((first.find("c"), second.find("c")), (None, Some(2)));
    }

    #[test]
    fn a_bucket_depends_on_the_text_alone() {
        assert_eq!(bucket_of("12345", 16), bucket_of(&12_345.to_string(), 16));
        assert!((0..1000).all(|id| bucket_of(&id.to_string(), 7) < 7));
        assert_eq!(
            id_hash(""),
            0x2d06_8005_38d3_94c2,
            "xxh3-64 of the empty input, from the xxHash specification"
        );
    }
}
