//! Several ranked lists as one.

use crate::rank::Ranked;

/// The first `k` items of a round-robin merge: the best of the first list, the best of the second, …, the second-best of
/// the first, …; an item that is there already is passed over, and its list gives its next one in the same turn.
pub(crate) fn merge(lists: &[Vec<Ranked>], k: usize) -> Vec<Ranked> {
    let mut merged: Vec<Ranked> = Vec::with_capacity(k);
    let mut rests: Vec<::core::slice::Iter<'_, Ranked>> = lists.iter().map(|list| list.iter()).collect();
    while merged.len() < k {
        let before = merged.len();
        for rest in &mut rests {
            let is_new = |ranked: &&Ranked| merged.iter().all(|other| other.item != ranked.item);
            let next = rest.find(is_new).copied();
            if merged.len() < k {
                merged.extend(next);
            }
        }
        if merged.len() == before {
            break; // every list is at its end
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(lists: &[&[u32]], k: usize) -> Vec<u32> {
        let list = |items: &&[u32]| items.iter().map(|&item| Ranked { item, score: 0.0 }).collect();
        let lists: Vec<Vec<Ranked>> = lists.iter().map(list).collect();
        merge(&lists, k).iter().map(|ranked| ranked.item).collect()
    }

    #[test]
    fn lists_take_turns_and_pass_over_what_is_there() {
        assert_eq!(merged(&[&[1, 2, 3], &[1, 4, 2, 5], &[6]], 9), [1, 4, 6, 2, 5, 3]);
        assert_eq!(merged(&[&[1, 2, 3], &[1, 4, 2, 5], &[6]], 4), [1, 4, 6, 2]);
        assert_eq!(merged(&[&[1], &[1]], 3), [1]);
        assert_eq!(merged(&[], 3), [0; 0]);
    }
}
