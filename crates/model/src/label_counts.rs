//! How often training has drawn each label, for the logQ correction (the paper, section 5.1 of its loss).

use crate::batch::{PositiveCorrection, TrainBatch};
use crate::sketch::CountMinSketch;

/// Labels drawn so far, by item; by user; by (user, item).
#[derive(Debug, Clone)]
pub(crate) struct LabelCounts {
    by_item: CountMinSketch,
    by_user: CountMinSketch,
    by_pair: CountMinSketch,
}

fn pair_key(user: usize, item: i64) -> u64 {
    xxhash_rust::xxh3::xxh3_64(&[(user as u64).to_le_bytes(), item.to_le_bytes()].concat())
}

impl LabelCounts {
    pub(crate) fn new() -> Self {
        Self {
            by_item: CountMinSketch::new(1),
            by_user: CountMinSketch::new(2),
            by_pair: CountMinSketch::new(3),
        }
    }

    /// `log Q_i(p_i)` of each pair and `log Q` of each column of the pool.
    ///
    /// A column's Q is the expected number of times its item is in the pool, from both halves together: the pool is
    /// then an importance sample of the whole catalogue, whichever half drew the item.
    pub(crate) fn log_q(&mut self, batch: &TrainBatch) -> (Vec<f32>, Vec<f32>) {
        let row_of = |item: i64| batch.items[item as usize];
        for (&label, &user) in batch.label.iter().zip(&batch.user) {
            let item = row_of(label);
            self.by_item.add(item as u64);
            self.by_user.add(user as u64);
            self.by_pair.add(pair_key(user, item));
        }
        let n_in_batch = batch.pool_pairs.len();
        let n_random = (batch.pool.len() - n_in_batch) as f64 / batch.n_eligible as f64;
        let per_label = n_in_batch as f64 / self.by_item.total().max(1) as f64;
        let expected =
            |item: i64| (f64::from(self.by_item.count(item as u64)) * per_label + n_random).ln() as f32;
        let positive = |(&label, &user): (&i64, &usize)| {
            let item = row_of(label);
            match batch.correction {
                PositiveCorrection::Conditional => {
                    let drawn = f64::from(self.by_pair.count(pair_key(user, item)));
                    (drawn / f64::from(self.by_user.count(user as u64))).min(1.0).ln() as f32
                }
                PositiveCorrection::Marginal => expected(item),
                PositiveCorrection::Off => 0.0,
            }
        };
        let positives = batch.label.iter().zip(&batch.user).map(positive).collect();
        let off = batch.correction == PositiveCorrection::Off;
        let pool = batch.pool.iter().map(|&item| if off { 0.0 } else { expected(row_of(item)) }).collect();
        (positives, pool)
    }

    /// The sketches by the names they have in a file.
    pub(crate) const fn sketches(&self) -> [(&'static str, &CountMinSketch); 3] {
        [("sketch.item", &self.by_item), ("sketch.user", &self.by_user), ("sketch.pair", &self.by_pair)]
    }

    pub(crate) const fn sketches_mut(&mut self) -> [(&'static str, &mut CountMinSketch); 3] {
        [
            ("sketch.item", &mut self.by_item),
            ("sketch.user", &mut self.by_user),
            ("sketch.pair", &mut self.by_pair),
        ]
    }
}
