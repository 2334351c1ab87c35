//! Ids become rows: the row of an id is its place in order of first appearance.

use ::core::hint::black_box;

use dayvec_core::{IdColumn, IdInterner};
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use rustc_hash::FxHashMap;

/// Longest text that fits into a key beside its length.
const SHORT_BYTES: usize = 15;

/// Integers below this are looked up in a plain table, which then takes at most 64 MiB.
const SMALL: usize = 1 << 24;
const NOT_MET: u32 = u32::MAX;

/// An [`IdInterner`] with shortcuts: an integer, or a text of up to 15 bytes, that was met before is found by a
/// number, with no text to format, hash or compare. An integer and its decimal text are the same id.
#[derive(Default)]
pub(crate) struct FastInterner {
    ids: IdInterner,
    by_small_integer: Vec<u32>,
    by_integer: FxHashMap<i64, u32>,
    by_short_text: HashTable<(ShortKey, u32)>,
}

impl FastInterner {
    /// Row of an integer id.
    pub(crate) fn integer(&mut self, id: i64) -> u32 {
        let ids = &mut self.ids;
        if let Some(small) = usize::try_from(id).ok().filter(|id| *id < SMALL) {
            if small >= self.by_small_integer.len() {
                self.by_small_integer.resize((small + 1).next_power_of_two(), NOT_MET);
            }
            let row = &mut self.by_small_integer[small];
            if *row == NOT_MET {
                *row = ids.intern(&id.to_string());
            }
            return *row;
        }
        *self.by_integer.entry(id).or_insert_with(|| ids.intern(&id.to_string()))
    }

    /// Row of a text id.
    pub(crate) fn text(&mut self, id: &str) -> u32 {
        match short_key(id) {
            Some(key) => self.short(key, short_hash(&key), id),
            None => self.ids.intern(id),
        }
    }

    /// Rows of text ids, appended to `rows`.
    ///
    /// A block of ids is looked for twice: nothing hangs on the first time, so the processor waits for the
    /// memory of many of them at once, and the second time finds all of it in its cache.
    pub(crate) fn texts<'a>(&mut self, mut ids: impl Iterator<Item = &'a str>, rows: &mut Vec<u32>) {
        const BLOCK: usize = 32;
        let mut block: Vec<(&str, Option<ShortKey>, u64)> = Vec::with_capacity(BLOCK);
        loop {
            block.clear();
            block.extend(ids.by_ref().take(BLOCK).map(|id| {
                let key = short_key(id);
                (id, key, key.as_ref().map_or(0, short_hash))
            }));
            if block.is_empty() {
                return;
            }
            let touched = block.iter().map(|(_, _, hash)| self.by_short_text.find(*hash, |_| true));
            black_box(touched.flatten().fold(0, |sum, entry| sum ^ entry.1));
            for &(id, key, hash) in &block {
                rows.push(match key {
                    Some(key) => self.short(key, hash, id),
                    None => self.ids.intern(id),
                });
            }
        }
    }

    fn short(&mut self, key: ShortKey, hash: u64, id: &str) -> u32 {
        let ids = &mut self.ids;
        match self.by_short_text.entry(hash, |entry| entry.0 == key, |entry| short_hash(&entry.0)) {
            Entry::Occupied(entry) => entry.get().1,
            Entry::Vacant(entry) => entry.insert((key, ids.intern(id))).get().1,
        }
    }

    pub(crate) fn ids(&self) -> &IdColumn {
        self.ids.ids()
    }

    pub(crate) fn into_interner(self) -> IdInterner {
        self.ids
    }
}

/// The bytes and the length of a short text as two numbers: equal keys are equal texts.
type ShortKey = [u64; 2];

fn short_key(text: &str) -> Option<ShortKey> {
    let bytes = text.as_bytes();
    if bytes.len() > SHORT_BYTES {
        return None;
    }
    let mut key = [0; 16];
    key[..bytes.len()].copy_from_slice(bytes);
    key[SHORT_BYTES] = bytes.len() as u8;
    let key = u128::from_le_bytes(key);
    Some([key as u64, (key >> 64) as u64])
}

/// A folded multiplication: every byte counts for every bit of the hash. (FxHash leaves the last byte of a word out
/// of the bits that choose the place in a table, and ids often differ in just that byte.)
fn short_hash(key: &ShortKey) -> u64 {
    let product = u128::from(key[0] ^ 0x9e37_79b9_7f4a_7c15) * u128::from(key[1] ^ 0xe703_7ed1_a0b4_28db);
    product as u64 ^ (product >> 64) as u64
}

/// Decimal text of an integer, in `buffer`.
pub(crate) fn decimal(value: i64, buffer: &mut [u8; 20]) -> &str {
    let mut rest = value.unsigned_abs();
    let mut start = buffer.len();
    loop {
        start -= 1;
        buffer[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if value < 0 {
        start -= 1;
        buffer[start] = b'-';
    }
    ::core::str::from_utf8(&buffer[start..]).expect("digits are text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_and_their_text_are_one_id() {
        let mut interner = FastInterner::default();
        let long = "a text of more than fifteen bytes";
        let rows = [
            interner.integer(7),
            interner.text("7"),
            interner.text("007"),
            interner.text(long),
            interner.integer(-1),
            interner.text(long),
            interner.integer(7),
            interner.text("-1"),
            interner.text(""),
            interner.text("\0"),
            interner.integer(1 << 40),
            interner.text("1099511627776"),
            interner.integer(8),
            interner.integer(1 << 40),
        ];
        assert_eq!(rows, [0, 0, 1, 2, 3, 2, 0, 3, 4, 5, 6, 6, 7, 6]);
        let expected = ["7", "007", long, "-1", "", "\0", "1099511627776", "8"];
        assert_eq!(interner.ids().iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn many_texts_at_once_are_each_in_turn() {
        let texts: Vec<String> = (0..1000)
            .map(|n: u32| if n.is_multiple_of(7) { format!("{n:030}") } else { (n % 40).to_string() })
            .collect();
        let (mut at_once, mut in_turn) = (FastInterner::default(), FastInterner::default());
        let mut rows = vec![];
        at_once.texts(texts.iter().map(String::as_str), &mut rows);
        assert_eq!(rows, texts.iter().map(|text| in_turn.text(text)).collect::<Vec<_>>());
        assert_eq!(at_once.ids(), in_turn.ids());
    }

    #[test]
    fn decimal_is_the_usual_text() {
        for value in [0, 7, -7, 10, 1_234_567_890, i64::MIN, i64::MAX] {
            assert_eq!(decimal(value, &mut [0; 20]), value.to_string());
        }
    }
}
