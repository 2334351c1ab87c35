//! How often training has drawn each label, for the logQ correction (the paper, section 5.1 of its loss).

use crate::batch::{NegativeCorrection, PositiveCorrection, TrainBatch};
use crate::sketch::CountMinSketch;

/// Largest share of draws that the refined correction divides by its complement: a log of one item has nothing else to
/// draw.
const MOST_REFINED: f64 = 0.999;

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
    /// A column's Q counts both halves of the pool: the pool is then an importance sample of the whole catalogue,
    /// whichever half drew the item. With `q` the item's share of the labels drawn so far, `n` in-batch columns, `m` random
    /// ones and `N` items to draw from, it is `n q + m / N` (linear) or `1 − (1 − q)^n (1 − 1/N)^m` (exact).
    pub(crate) fn log_q(&mut self, batch: &TrainBatch) -> (Vec<f32>, Vec<f32>) {
        let row_of = |item: i64| batch.items[item as usize];
        for (&label, &user) in batch.label.iter().zip(&batch.user) {
            let item = row_of(label);
            self.by_item.add(item as u64);
            self.by_user.add(user as u64);
            self.by_pair.add(pair_key(user, item));
        }
        let n_in_batch = batch.pool_pairs.len() as f64;
        let n_random = batch.pool.len() as f64 - n_in_batch;
        let random_share = 1.0 / batch.n_eligible as f64;
        let n_labels = self.by_item.total().max(1) as f64;
        let label_share = |item: i64| (f64::from(self.by_item.count(item as u64)) / n_labels).min(1.0);
        let correction = batch.correction;
        let as_negative = |item: i64| match correction.negatives {
            NegativeCorrection::Off => 0.0,
            NegativeCorrection::Linear => {
                (n_in_batch * label_share(item) + n_random * random_share).ln() as f32
            }
            NegativeCorrection::Exact => {
                let not_in_batch = n_in_batch * (-label_share(item)).ln_1p();
                let not_random = n_random * (-random_share).ln_1p();
                (-(not_in_batch + not_random).exp_m1()).ln() as f32
            }
        };
        // The chance that one draw of the pool, from either half, is the item.
        let one_draw =
            |item: i64| (n_in_batch * label_share(item) + n_random * random_share) / (n_in_batch + n_random);
        let positive = |(&label, &user): (&i64, &usize)| {
            let item = row_of(label);
            match correction.positives {
                PositiveCorrection::Conditional => {
                    let drawn = f64::from(self.by_pair.count(pair_key(user, item)));
                    (drawn / f64::from(self.by_user.count(user as u64))).min(1.0).ln() as f32
                }
                PositiveCorrection::Marginal => as_negative(item),
                PositiveCorrection::Refined => (-one_draw(item).min(MOST_REFINED)).ln_1p() as f32,
                PositiveCorrection::Off => 0.0,
            }
        };
        let positives = batch.label.iter().zip(&batch.user).map(positive).collect();
        let pool = batch.pool.iter().map(|&item| as_negative(row_of(item))).collect();
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
