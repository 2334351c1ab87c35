//! Ids become rows: the row of an id is its place in order of first appearance.

use dayvec_core::{IdColumn, IdInterner};
use rustc_hash::FxHashMap;

/// Longest text that fits into a key beside its length.
const SHORT_BYTES: usize = 15;

/// An [`IdInterner`] with shortcuts: an integer, or a text of up to 15 bytes, that was met before is found by a
/// number, with no text to format, hash or compare. An integer and its decimal text are the same id.
#[derive(Default)]
pub(crate) struct FastInterner {
    ids: IdInterner,
    by_integer: FxHashMap<i64, u32>,
    by_short_text: FxHashMap<ShortKey, u32>,
}

impl FastInterner {
    /// Row of an integer id.
    pub(crate) fn integer(&mut self, id: i64) -> u32 {
        let ids = &mut self.ids;
        *self.by_integer.entry(id).or_insert_with(|| ids.intern(&id.to_string()))
    }

    /// Row of a text id.
    pub(crate) fn text(&mut self, id: &str) -> u32 {
        let ids = &mut self.ids;
        match short_key(id) {
            Some(key) => *self.by_short_text.entry(key).or_insert_with(|| ids.intern(id)),
            None => ids.intern(id),
        }
    }

    pub(crate) const fn ids(&self) -> &IdColumn {
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
        ];
        assert_eq!(rows, [0, 0, 1, 2, 3, 2, 0, 3, 4, 5]);
        assert_eq!(interner.ids().iter().collect::<Vec<_>>(), ["7", "007", long, "-1", "", "\0"]);
    }

    #[test]
    fn decimal_is_the_usual_text() {
        for value in [0, 7, -7, 10, 1_234_567_890, i64::MIN, i64::MAX] {
            assert_eq!(decimal(value, &mut [0; 20]), value.to_string());
        }
    }
}
