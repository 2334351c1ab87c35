//! Digests that say on what something was measured.

use dayvec_core::Sequences;
use dayvec_evaluation::TimeSplit;
use dayvec_sequences::log::digest;

/// What figures of one log have in common: only with both equal do they stand beside each other.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DataHashes {
    /// Of every event up to the end of the test days.
    pub(crate) data: String,
    /// Of the ids of the items that may be retrieved.
    pub(crate) candidates: String,
}

impl DataHashes {
    /// Those of the two parts of a log at `split`, their own or an earlier one.
    pub(crate) fn of(history: &Sequences, future: &Sequences, split: TimeSplit) -> Self {
        let seen = |part: &Sequences| part.within(i64::MIN, split.cut_off.plus(split.n_days).start_s());
        let mut hasher = blake3::Hasher::new();
        for part in [history, future] {
            hasher.update(digest(&seen(part)).as_bytes());
        }
        Self { data: name_of(&hasher), candidates: candidates(&split.history(history)) }
    }
}

fn name_of(hasher: &blake3::Hasher) -> String {
    hasher.finalize().to_hex()[..16].to_owned()
}

/// Digest of the ids of the items that occur.
fn candidates(history: &Sequences) -> String {
    let mut occurs = vec![false; history.items.ids().len()];
    history.actions.item.iter().for_each(|&item| occurs[item as usize] = true);
    let mut ids: Vec<&str> =
        history.items.ids().iter().zip(&occurs).filter(|(_, occurs)| **occurs).map(|(id, _)| id).collect();
    ids.sort_unstable();
    let mut hasher = blake3::Hasher::new();
    for id in ids {
        hasher.update(&(id.len() as u64).to_le_bytes());
        hasher.update(id.as_bytes());
    }
    name_of(&hasher)
}
