//! Where things lie in an index file, and how its header says so. All numbers are little-endian.

/// Size of the header; sections start behind it.
pub(super) const HEADER_BYTES: usize = 4096;

/// First bytes of every index file; the last one is the version of the layout.
const MAGIC: [u8; 8] = *b"dvindex\x01";

/// What follows the magic: the digest of everything behind it.
pub(super) const DIGEST: std::ops::Range<usize> = 8..40;

/// Bytes of a record before its numbers: place and length of the id, newest action, end of the encoded day.
pub(super) const RECORD_HEAD_BYTES: usize = 32;

/// Bytes of a key: hash and row.
pub(super) const KEY_BYTES: usize = 16;

/// Bytes of a directory entry.
pub(super) const ENTRY_BYTES: usize = 4;

/// How numbers are kept in the index: as the snapshot's parts have them, so nothing is lost and nothing is padded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    /// 4 bytes a number.
    F32,
    /// 2 bytes a number.
    F16,
}

impl Element {
    /// Bytes of one number.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
        }
    }
}

/// One table's sections: offsets from the start of the file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) n_rows: usize,
    pub(super) records: usize,
    pub(super) ids: usize,
    pub(super) keys: usize,
    pub(super) directory: usize,
    /// The directory has an entry for each value of this many top bits of the hash, and one more.
    pub(super) directory_bits: usize,
}

/// The header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) dim: usize,
    pub(super) element: Element,
    pub(super) users: Table,
    pub(super) items: Table,
    /// Offset of the mean; `dim` f32 follow.
    pub(super) mean: usize,
    /// Offset and length of what the snapshot says of itself.
    pub(super) about: usize,
    pub(super) about_len: usize,
    /// Length of the file.
    pub(super) file_len: usize,
}

impl Layout {
    /// Bytes of a record.
    pub(super) const fn stride(&self) -> usize {
        RECORD_HEAD_BYTES + self.dim * self.element.bytes()
    }

    /// The header's bytes, with an empty digest.
    pub(super) fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let table = |t: Table| [t.n_rows, t.records, t.ids, t.keys, t.directory, t.directory_bits];
        let mut words = vec![self.dim, self.element.bytes()];
        words.extend(table(self.users));
        words.extend(table(self.items));
        words.extend([self.mean, self.about, self.about_len, self.file_len]);
        let mut bytes = [0; HEADER_BYTES];
        bytes[..MAGIC.len()].copy_from_slice(&MAGIC);
        for (word, place) in words.iter().zip(bytes[DIGEST.end..].chunks_exact_mut(8)) {
            place.copy_from_slice(&(*word as u64).to_le_bytes());
        }
        bytes
    }

    /// Read a header whose digest has matched, or say what is wrong with it.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() < HEADER_BYTES || bytes[..MAGIC.len()] != MAGIC {
            return Err("it is no index of this version".to_owned());
        }
        let mut words = bytes[DIGEST.end..].chunks_exact(8).map(|word| read_u64(word, 0) as usize);
        let mut next = || words.next().unwrap_or_default();
        let dim = next();
        let element = match next() {
            4 => Element::F32,
            2 => Element::F16,
            other => return Err(format!("it holds numbers of {other} bytes")),
        };
        let mut table = || Table {
            n_rows: next(),
            records: next(),
            ids: next(),
            keys: next(),
            directory: next(),
            directory_bits: next(),
        };
        let (users, items) = (table(), table());
        let (mean, about, about_len, file_len) = (next(), next(), next(), next());
        Ok(Self { dim, element, users, items, mean, about, about_len, file_len })
    }
}

/// The u64 at `at`.
#[inline]
pub(super) fn read_u64(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

/// The u32 at `at`.
#[inline]
pub(super) fn read_u32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

/// Where the keys of a hash start in a directory of `bits` top bits.
#[inline]
pub(super) const fn slot(hash: u64, bits: usize) -> usize {
    if bits == 0 { 0 } else { (hash >> (64 - bits)) as usize }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_survives_the_file() {
        let table = |first| Table {
            n_rows: first,
            records: first + 1,
            ids: first + 2,
            keys: first + 3,
            directory: first + 4,
            directory_bits: 5,
        };
        let layout = Layout {
            dim: 64,
            element: Element::F16,
            users: table(10),
            items: table(20),
            mean: 30,
            about: 31,
            about_len: 32,
            file_len: 33,
        };
        assert_eq!(Layout::from_bytes(&layout.to_bytes()), Ok(layout));
        assert!(Layout::from_bytes(&[0; HEADER_BYTES]).is_err());
        assert!(Layout::from_bytes(&MAGIC).is_err());
    }

    #[test]
    fn slots_cover_the_hashes_in_order() {
        assert_eq!(slot(u64::MAX, 0), 0);
        assert_eq!((slot(0, 3), slot(u64::MAX, 3), slot(1 << 61, 3)), (0, 7, 1));
    }
}
