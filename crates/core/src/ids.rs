//! Ids of users and items: text, kept in one arena per column.

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

    /// Whether there are none.
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

/// An [`IdColumn`] without repeats that also finds the row of an id.
#[derive(Debug, Clone, Default)]
pub struct IdInterner {
    ids: IdColumn,
    rows: HashTable<u32>,
}

impl IdInterner {
    /// Row of `id`, which is appended when it is new.
    ///
    /// # Panics
    /// Beyond 2^32 - 1 distinct ids.
    pub fn intern(&mut self, id: &str) -> u32 {
        let ids = &mut self.ids;
        let hash = id_hash(id);
        if let Some(row) = self.rows.find(hash, |&row| ids.get(row as usize) == id) {
            return *row;
        }
        let row = u32::try_from(ids.len()).expect("fewer than 2^32 distinct ids");
        ids.push(id);
        self.rows.insert_unique(hash, row, |&row| id_hash(ids.get(row as usize)));
        row
    }

    /// Row of `id`, if it is there.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<u32> {
        self.rows.find(id_hash(id), |&row| self.ids.get(row as usize) == id).copied()
    }

    /// The ids in row order.
    #[must_use]
    pub const fn ids(&self) -> &IdColumn {
        &self.ids
    }

    /// The ids in row order, without the means to find them.
    #[must_use]
    pub fn into_ids(self) -> IdColumn {
        self.ids
    }
}

impl From<IdColumn> for IdInterner {
    /// Repeated ids keep their first row.
    fn from(ids: IdColumn) -> Self {
        let mut rows = HashTable::with_capacity(ids.len());
        for row in 0..ids.len() {
            let id = ids.get(row);
            let hash = id_hash(id);
            if rows.find(hash, |&other: &u32| ids.get(other as usize) == id).is_none() {
                rows.insert_unique(hash, row as u32, |&other| id_hash(ids.get(other as usize)));
            }
        }
        Self { ids, rows }
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
