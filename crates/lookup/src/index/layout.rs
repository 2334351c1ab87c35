//! The layout of an index file and of its header. All numbers are little-endian.

/// Size of the header; sections start behind it.
pub(super) const HEADER_BYTES: usize = 4096;

/// First bytes of every index file; the last one is the version of the layout.
const MAGIC: [u8; 8] = *b"dvindex\x01";

/// What follows the magic: the digest of everything behind it.
pub(super) const DIGEST: std::ops::Range<usize> = 8..40;

/// Bytes of a record before its numbers: newest action, end of the encoded day, length of the id.
pub(super) const RECORD_HEAD_BYTES: usize = 24;

/// Records begin at multiples of this.
pub(super) const ALIGNMENT: usize = 8;

/// Bytes of a slot.
pub(super) const SLOT_BYTES: usize = 8;

/// Bits of a slot that give the position of its record, in units of [`ALIGNMENT`]; the others are bits of the hash.
const PLACE_BITS: u32 = 40;

/// Largest position of a record that a slot can hold: 8 TiB.
pub(super) const MOST_PLACE: usize = ((1 << PLACE_BITS) - 1) * ALIGNMENT;

/// Type of the numbers in the index: that of the snapshot's parts, so nothing is lost and nothing is padded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    /// 4 bytes per number.
    F32,
    /// 2 bytes per number.
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

/// One table's slots: `2^slot_bits` of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) n_rows: usize,
    /// Offset from the start of the file.
    pub(super) slots: usize,
    pub(super) slot_bits: usize,
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
    /// Offset and length of the snapshot's description.
    pub(super) about: usize,
    pub(super) about_len: usize,
    /// Length of the file.
    pub(super) file_len: usize,
}

impl Layout {
    /// Bytes of a record's numbers.
    pub(super) const fn numbers_bytes(&self) -> usize {
        self.dim * self.element.bytes()
    }

    /// The header's bytes, with an empty digest.
    pub(super) fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let table = |t: Table| [t.n_rows, t.slots, t.slot_bits];
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
            return Err("it is not an index, or was written by another version".to_owned());
        }
        let mut words = bytes[DIGEST.end..].chunks_exact(8).map(|word| read_u64(word, 0) as usize);
        let mut next = || words.next().unwrap_or_default();
        let dim = next();
        let element = match next() {
            4 => Element::F32,
            2 => Element::F16,
            other => return Err(format!("its numbers have {other} bytes; 2 and 4 are supported")),
        };
        let mut table = || Table { n_rows: next(), slots: next(), slot_bits: next() };
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

/// The number of slot bits for `n_rows`: a third to two thirds of the slots are taken.
pub(super) const fn slot_bits(n_rows: usize) -> usize {
    (n_rows + n_rows / 2 + 1).next_power_of_two().trailing_zeros() as usize
}

/// Where the search for the slot of a hash begins.
#[inline]
pub(super) const fn first_slot(hash: u64, slot_bits: usize) -> usize {
    if slot_bits == 0 { 0 } else { (hash >> (64 - slot_bits)) as usize }
}

/// An occupied slot; never 0, because no record begins at 0.
#[inline]
pub(super) const fn slot(hash: u64, place: usize) -> u64 {
    (hash << PLACE_BITS) | (place / ALIGNMENT) as u64
}

/// Whether a slot may be that of a hash: the bits that the slot's position does not imply are equal.
#[inline]
pub(super) const fn may_be(slot: u64, hash: u64) -> bool {
    (slot ^ (hash << PLACE_BITS)) >> PLACE_BITS == 0
}

/// Where a slot's record begins.
#[inline]
pub(super) const fn place(slot: u64) -> usize {
    (slot & ((1 << PLACE_BITS) - 1)) as usize * ALIGNMENT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_survives_the_file() {
        let table = |first| Table { n_rows: first, slots: first + 1, slot_bits: 5 };
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
    fn a_slot_tells_hash_and_place() {
        for hash in [0, 1, 0x00ff_ffff, u64::MAX] {
            for at in [HEADER_BYTES, MOST_PLACE] {
                let taken = slot(hash, at);
                assert_eq!((place(taken), may_be(taken, hash), may_be(taken, hash ^ 1)), (at, true, false));
                assert_ne!(taken, 0);
            }
        }
        assert_eq!((first_slot(u64::MAX, 0), first_slot(u64::MAX, 3), first_slot(1 << 61, 3)), (0, 7, 1));
        for n_rows in [0, 1, 2, 3, 5, 1000, 1 << 20] {
            let n_slots = 1 << slot_bits(n_rows);
            assert!(n_rows < n_slots && 3 * n_rows <= 2 * n_slots + 2, "{n_rows} of {n_slots}");
        }
    }
}
