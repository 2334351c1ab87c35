//! Statistics of the user rows of a snapshot, in numbers that add up over buckets. They stand in the manifest and in the
//! done marker of each part: the gates judge their sum, so a run that resumes need not look at the rows again.

use dayvec_core::EmbeddingBlock;
use serde::{Deserialize, Serialize};

/// Counts and sums of one bucket, or of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SnapshotStatistics {
    /// Users with an embedding: rows of the part.
    pub users: u64,
    /// Of them, users that the model encoded in this run.
    pub encoded: u64,
    /// Of them, users whose row is the last snapshot's, bit for bit.
    pub carried: u64,
    /// Users with a sequence but no embedding: every action is on an item that the model does not know.
    pub without_embedding: u64,
    /// Users with an action that the last state lacked.
    pub active: u64,
    /// Of them, users that were encoded.
    pub active_encoded: u64,
    /// Of them, users that the last state had; all of them where there was none.
    #[serde(default)]
    pub active_known: u64,
    /// Actions in the state, over all users.
    pub actions: u64,
    /// Of them, actions on items that the model does not know.
    pub unknown_item_actions: u64,
    /// Rows with a component that is not finite.
    pub not_finite: u64,
    /// Rows of zeros.
    pub zero: u64,
    /// Rows whose components are all the same number, other than zero.
    pub constant: u64,
    /// Largest distance of a row's norm from 1.
    pub max_norm_error: f64,
    /// Encoded users that had an embedding by the same model before.
    pub compared: u64,
    /// Sum of the cosines between their new and last embeddings.
    pub cosine_sum: f64,
}

impl SnapshotStatistics {
    /// Add another bucket's.
    pub fn add(&mut self, other: &Self) {
        self.users += other.users;
        self.encoded += other.encoded;
        self.carried += other.carried;
        self.without_embedding += other.without_embedding;
        self.active += other.active;
        self.active_encoded += other.active_encoded;
        self.active_known += other.active_known;
        self.actions += other.actions;
        self.unknown_item_actions += other.unknown_item_actions;
        self.not_finite += other.not_finite;
        self.zero += other.zero;
        self.constant += other.constant;
        self.max_norm_error = self.max_norm_error.max(other.max_norm_error);
        self.compared += other.compared;
        self.cosine_sum += other.cosine_sum;
    }

    /// Look at every row of a finished block.
    pub fn look_at(&mut self, block: &EmbeddingBlock) {
        self.users = block.len() as u64;
        for row_idx in 0..block.len() {
            self.look_at_row(block.embedding(row_idx));
        }
    }

    fn look_at_row(&mut self, row: &[f32]) {
        let norm = row.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
        if !norm.is_finite() {
            self.not_finite += 1;
            return;
        }
        if norm == 0.0 {
            self.zero += 1;
        } else if row.len() > 1 && row.iter().all(|&x| x == row[0]) {
            self.constant += 1;
        }
        self.max_norm_error = self.max_norm_error.max((norm - 1.0).abs());
    }

    /// Compare a user's new embedding with the last one.
    pub fn compare(&mut self, new: &[f32], last: &[f32]) {
        let dot =
            |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum::<f64>();
        let norms = (dot(new, new) * dot(last, last)).sqrt();
        self.compared += 1;
        self.cosine_sum += if norms > 0.0 { dot(new, last) / norms } else { 0.0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_rows_are_counted() {
        let mut block = EmbeddingBlock::new(2);
        for row in [[0.6, 0.8], [0.0, 0.0], [0.5, 0.5], [f32::NAN, 0.0], [f32::INFINITY, 0.0]] {
            block.push("u", &row, 0, 0);
        }
        let mut statistics = SnapshotStatistics::default();
        statistics.look_at(&block);
        assert_eq!(
            (statistics.users, statistics.not_finite, statistics.zero, statistics.constant),
            (5, 2, 1, 1)
        );
        assert!((statistics.max_norm_error - 1.0).abs() < 1e-9);
    }

    #[test]
    fn buckets_add_up() {
        let mut one = SnapshotStatistics { users: 2, max_norm_error: 0.1, ..SnapshotStatistics::default() };
        one.compare(&[1.0, 0.0], &[0.0, 1.0]);
        let mut two = SnapshotStatistics { users: 3, max_norm_error: 0.2, ..SnapshotStatistics::default() };
        two.compare(&[1.0, 0.0], &[2.0, 0.0]);
        one.add(&two);
        assert_eq!((one.users, one.compared), (5, 2));
        assert!((one.cosine_sum - 1.0).abs() < 1e-12);
        assert!((one.max_norm_error - 0.2).abs() < 1e-12);
    }
}
