//! The index: one snapshot laid out once as one flat file, memory-mapped for reading.
//!
//! ```text
//! header    magic, digest of all that follows, offsets                                    (layout.rs)
//! table     of users, then of items:
//!   records   one a row, in order of arrival: times, the numbers, id
//!   slots     a power of two of them, at most two thirds taken: bits of the hash and place of the record
//! mean      of all user embeddings, f32                                                    [dim]
//! about     the snapshot's ids and day, JSON
//! ```
//!
//! The top bits of an id's hash say where its slot is, so slots are nearly sorted by hash and rows with equal bits are
//! next to each other. A lookup waits for memory twice, for a slot and for a record, whatever the number of rows. The full
//! id is compared, so equal hashes never answer with another user's embedding. A file is read only once its digest
//! matches.

mod build;
mod layout;
mod read;

pub use build::{IndexBuilder, Shape};
pub use layout::Element;
pub use read::{Index, Row};

#[cfg(test)]
mod tests {
    use dayvec_core::{EmbeddingBlock, IdColumn};

    use super::*;
    use crate::LookupError;

    const DIM: usize = 3;

    fn numbers(row: usize) -> [f32; DIM] {
        [row as f32, -(row as f32), 0.5]
    }

    fn block(rows: std::ops::Range<usize>) -> EmbeddingBlock {
        let mut block = EmbeddingBlock::new(DIM);
        for row in rows {
            block.push(&format!("user-{row}"), &numbers(row), 1000 + row as i64, 2000);
        }
        block
    }

    fn shape(n_users: usize, n_items: usize, element: Element) -> Shape {
        Shape { dim: DIM, element, n_users, n_items }
    }

    fn bytes(row: usize) -> Vec<u8> {
        numbers(row).iter().flat_map(|number| number.to_le_bytes()).collect()
    }

    #[test]
    fn every_row_is_found_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        for n_users in [0, 1, 2, 3, 1000] {
            let path = dir.path().join(format!("{n_users}.index"));
            let mut builder = IndexBuilder::create(&path, shape(n_users, 2, Element::F32)).unwrap();
            builder.add_users(&block(0..n_users / 2)).unwrap();
            builder.add_users(&block(n_users / 2..n_users)).unwrap();
            let items: IdColumn = ["pin", ""].into_iter().collect();
            builder.add_items(&items, &[numbers(7), numbers(8)].concat()).unwrap();
            let index = builder.finish(b"about").unwrap();
            assert_eq!((index.n_users(), index.n_items(), index.about()), (n_users, 2, &b"about"[..]));
            for row in 0..n_users {
                let found = index.user(&format!("user-{row}")).unwrap();
                assert_eq!(
                    (found.numbers, found.last_action_at, found.computed_at),
                    (&bytes(row)[..], 1000 + row as i64, 2000)
                );
            }
            for absent in ["", "pin", "user-", "user-1000", "User-0"] {
                assert_eq!(index.user(absent), None, "{absent} of {n_users}");
            }
            assert_eq!(index.item("").unwrap().numbers, bytes(8));
            assert_eq!(index.item("user-0"), None);
        }
    }

    #[test]
    fn the_mean_is_as_long_as_a_user() {
        let dir = tempfile::tempdir().unwrap();
        let mut builder = IndexBuilder::create(&dir.path().join("i"), shape(3, 0, Element::F16)).unwrap();
        builder.add_users(&block(0..3)).unwrap();
        let index = builder.finish(&[]).unwrap();
        let mean: Vec<f32> =
            index.mean().chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
        let norm = (3.0_f32 * 3.0 * 2.0 + 1.5 * 1.5).sqrt();
        let of_users: f32 = (0..3).map(|row| numbers(row).iter().map(|x| x * x).sum::<f32>().sqrt()).sum();
        let scale = of_users / 3.0 / norm;
        for (number, expected) in mean.iter().zip([3.0 * scale, -3.0 * scale, 1.5 * scale]) {
            assert!((number - expected).abs() < 1e-6, "{mean:?}");
        }
        assert_eq!(index.user("user-2").unwrap().numbers.len(), 2 * DIM);
    }

    #[test]
    fn a_changed_or_torn_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("i");
        let mut builder = IndexBuilder::create(&path, shape(10, 0, Element::F32)).unwrap();
        builder.add_users(&block(0..10)).unwrap();
        drop(builder.finish(b"about").unwrap());
        let whole = std::fs::read(&path).unwrap();
        for at in [0, 20, 41, 300, 4200, whole.len() - 1] {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            std::fs::write(&path, changed).unwrap();
            assert!(matches!(Index::open(&path), Err(LookupError::CorruptIndex { .. })), "byte {at}");
        }
        for len in [0, 100, whole.len() - 1] {
            std::fs::write(&path, &whole[..len]).unwrap();
            assert!(Index::open(&path).is_err(), "{len} bytes");
        }
        std::fs::write(&path, &whole).unwrap();
        assert!(Index::open(&path).is_ok());
    }

    #[test]
    fn a_snapshot_that_contradicts_itself_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let check = |n_users: usize, block: &EmbeddingBlock, expected: &str| {
            let builder = IndexBuilder::create(&dir.path().join("i"), shape(n_users, 0, Element::F32));
            let mut builder = builder.unwrap();
            let refused = match builder.add_users(block) {
                Err(error) => error,
                Ok(()) => builder.finish(&[]).unwrap_err(),
            };
            assert!(refused.to_string().contains(expected), "{refused}");
        };
        check(3, &block(0..2), "contain 2 users, but its manifest says 3");
        check(1, &block(0..2), "more users");
        let mut twice = block(0..2);
        twice.push("user-0", &numbers(9), 0, 0);
        check(3, &twice, "`user-0` has two rows");
        let mut not_finite = block(0..1);
        not_finite.values[1] = f32::NAN;
        check(1, &not_finite, "`user-0` has a number that is not finite");
        check(1, &EmbeddingBlock { dim: 4, values: vec![0.0; 4], ..block(0..1) }, "have width 4");
    }
}
