//! Item text as a sparse matrix: words and pairs of neighbouring words, hashed, signed and weighted by tf-idf.

use rustc_hash::FxHashMap;
use xxhash_rust::xxh3::xxh3_64;

use crate::csr::Csr;

/// Log2 of the number of hash buckets: a million, so that collisions stay rare up to some 100,000 distinct terms.
const BUCKET_BITS: u32 = 20;

/// Rows of unit norm, one a text, over the terms that at least two of the texts have.
///
/// A term that only one text has says nothing about likeness and is left out; a text without a shared term has an
/// empty row. The sign of a term comes from its hash, so that terms that collide cancel instead of adding up.
pub(crate) fn word_matrix<'a>(texts: impl Iterator<Item = &'a str>) -> Csr {
    let rows: Vec<Vec<(u32, f32)>> = texts.map(term_counts).collect();
    let mut n_texts_with: FxHashMap<u32, u32> = FxHashMap::default();
    for &(bucket, _) in rows.iter().flatten() {
        *n_texts_with.entry(bucket).or_default() += 1;
    }
    let mut shared: Vec<u32> =
        n_texts_with.iter().filter(|&(_, &n_texts)| n_texts > 1).map(|(&bucket, _)| bucket).collect();
    shared.sort_unstable();
    let n_texts = rows.len() as f32;
    let weighted = rows.into_iter().map(|row| {
        let mut row: Vec<(u32, f32)> = row
            .into_iter()
            .filter_map(|(bucket, count)| {
                let col = shared.binary_search(&bucket).ok()? as u32;
                let idf = ((1.0 + n_texts) / (1.0 + n_texts_with[&bucket] as f32)).ln() + 1.0;
                Some((col, count.signum() * (1.0 + count.abs().ln()) * idf))
            })
            .collect();
        let norm = row.iter().map(|(_, value)| value * value).sum::<f32>().sqrt();
        row.iter_mut().for_each(|(_, value)| *value /= norm);
        row
    });
    Csr::from_rows(shared.len(), weighted)
}

/// Signed counts of the terms of a text by hash bucket, in the order of the buckets; lines are read apart.
fn term_counts(text: &str) -> Vec<(u32, f32)> {
    let mut counts: FxHashMap<u32, f32> = FxHashMap::default();
    for line in text.lines() {
        let line = line.to_lowercase();
        let words: Vec<&str> =
            line.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
        for word in &words {
            count(&mut counts, word);
        }
        for pair in words.windows(2) {
            count(&mut counts, &pair.join(" "));
        }
    }
    let mut counts: Vec<(u32, f32)> = counts.into_iter().filter(|&(_, count)| count != 0.0).collect();
    counts.sort_unstable_by_key(|&(bucket, _)| bucket);
    counts
}

fn count(counts: &mut FxHashMap<u32, f32>, term: &str) {
    let hash = xxh3_64(term.as_bytes());
    let sign = if hash & 1 == 0 { 1.0 } else { -1.0 };
    *counts.entry((hash >> (64 - BUCKET_BITS)) as u32).or_default() += sign;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cosine(matrix: &Csr, a: usize, b: usize) -> f32 {
        let other: FxHashMap<u32, f32> = matrix.row(b).collect();
        matrix.row(a).map(|(col, value)| value * other.get(&col).copied().unwrap_or(0.0)).sum()
    }

    #[test]
    fn shared_words_and_pairs_make_texts_alike() {
        let texts =
            ["Red woolly hat", "red WOOLLY hat, small", "hat red", "Blue  glass-vase", "blue vase", "unique"];
        let matrix = word_matrix(texts.into_iter());
        assert!(cosine(&matrix, 0, 1) > cosine(&matrix, 0, 2), "pairs of words count");
        assert!(cosine(&matrix, 0, 2) > 0.3);
        assert!(cosine(&matrix, 3, 4) > 0.3);
        assert!(cosine(&matrix, 0, 4).abs() < 1e-6);
        assert_eq!(matrix.row(5).len(), 0, "a word that no other text has");
        assert!((cosine(&matrix, 1, 1) - 1.0).abs() < 1e-5);
    }

    #[test]
    fn no_pair_of_words_spans_two_lines() {
        let matrix = word_matrix(["a b", "a\nb", "a b"].into_iter());
        assert_eq!((matrix.row(0).len(), matrix.row(1).len()), (3, 2));
    }
}
