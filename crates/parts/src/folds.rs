//! Folds of users: a part must not be trusted on users that it was fitted on.
//!
//! The weights of a user are learned over a basis that was fitted without the user's fold; otherwise they would trust the
//! memory as much as it deserves on users whose own future it has seen.

use dayvec_core::id_hash;

/// Five folds; two for a catalogue so large that five bases would fill the memory.
const MANY_ITEMS: usize = 300_000;

/// Number of folds for a catalogue of `n_items`.
pub(crate) const fn n_folds(n_items: usize) -> usize {
    if n_items > MANY_ITEMS { 2 } else { 5 }
}

/// The fold of a user, below `n_folds`: a function of the id alone.
#[must_use]
pub fn fold_of(user: &str, n_folds: usize) -> usize {
    // The low digits of the hash choose the user bucket and who is held out; the high ones are independent of both.
    ((id_hash(user) >> 40) % n_folds as u64) as usize
}
