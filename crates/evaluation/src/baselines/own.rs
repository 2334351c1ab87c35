//! What the user bought, again, and what is popular now.

use dayvec_core::{Day, Sequences};
use dayvec_items::Csr;
use tch::Tensor;

use super::choice::{Chooser, Setting};
use super::input::{BaselineInput, boxed};
use super::matrix::{counts_decayed_until, decayed_counts, mapped};
use super::popularity::recent_counts;
use crate::{EvaluationError, Scorer};

/// Half-life of a count in days. Longer than that of the bags: what someone buys once in a season is bought again.
pub const HALF_LIFE_DAYS: f64 = 80.0;
/// What a count is multiplied by inside the logarithm: a single recent purchase then outweighs most trends.
const COUNT_SCALE: f32 = 3.0;
/// Days of the trend, the window of the shipped objective.
const TREND_DAYS: u32 = 28;
/// Weights of the trend, from "own items alone" to "as much as an own item".
const TREND_WEIGHTS: [f64; 6] = [0.0, 0.03, 0.1, 0.2, 0.4, 1.0];
const USUAL_WEIGHT: f64 = 0.1;
const NAME: &str = "own items with a trend";

/// log(1 + 3·c) + a·log(1 + p): c is the user's count of the item, decayed to the cut-off with a half-life of 80 days,
/// and p the item's positives by all users in the 28 days before the cut-off. Items that the user never bought follow
/// by the trend.
#[derive(Debug)]
pub struct OwnItems {
    own: Csr,        // users × items: log(1 + 3·c)
    trend: Vec<f32>, // [n]: a·log(1 + p)
}

impl OwnItems {
    /// `trend_weight` is a.
    #[must_use]
    pub fn new(history: &Sequences, cut_off: Day, trend_weight: f64) -> Self {
        let counts = counts_decayed_until(history, cut_off, HALF_LIFE_DAYS);
        let trend = recent_counts(history, cut_off, TREND_DAYS).into_iter();
        Self {
            own: mapped(&counts, |_, count| (COUNT_SCALE * count).ln_1p()),
            trend: trend.map(|count| trend_weight as f32 * count.ln_1p()).collect(),
        }
    }
}

/// Own items with the weight of the trend that was best on the earlier days.
pub(super) fn chosen(
    input: &BaselineInput<'_>,
    chooser: &mut Chooser<'_>,
) -> Result<OwnItems, EvaluationError> {
    let setting = Setting {
        scorer: NAME,
        setting: "weight a of the trend",
        values: &TREND_WEIGHTS,
        usual: USUAL_WEIGHT,
    };
    let weight = chooser.choose(
        &setting,
        |earlier| Ok(*earlier),
        |earlier, weight| boxed(Ok(OwnItems::new(earlier.history, earlier.split.cut_off, weight))),
    )?;
    Ok(OwnItems::new(input.history, input.split.cut_off, weight))
}

impl Scorer for OwnItems {
    fn name(&self) -> &str {
        NAME
    }

    fn scores(&self, users: &[usize]) -> Result<Tensor, EvaluationError> {
        let n_items = self.trend.len();
        let mut scores = Vec::with_capacity(users.len() * n_items);
        for &user in users {
            let start = scores.len();
            scores.extend_from_slice(&self.trend);
            for (item, own) in self.own.row(user) {
                scores[start + item as usize] += own;
            }
        }
        Ok(Tensor::f_from_slice(&scores)?.f_reshape([users.len() as i64, n_items as i64])?)
    }
}

/// The user's own items by decayed count; nothing else is retrieved. It depends on the user's actions alone, so it ages as
/// a user embedding does.
#[derive(Debug)]
pub struct OwnCounts {
    weights: Csr, // users × items
}

impl OwnCounts {
    /// Counts that halve with every `half_life_days` before the user's newest positive.
    #[must_use]
    pub fn new(history: &Sequences, half_life_days: f64) -> Self {
        Self { weights: decayed_counts(history, half_life_days) }
    }
}

impl Scorer for OwnCounts {
    fn name(&self) -> &str {
        "own items by decayed count"
    }

    fn scores(&self, users: &[usize]) -> Result<Tensor, EvaluationError> {
        let n_items = self.weights.n_cols();
        let mut scores = vec![f32::NEG_INFINITY; users.len() * n_items];
        for (scores, &user) in scores.chunks_exact_mut(n_items.max(1)).zip(users) {
            for (item, weight) in self.weights.row(user) {
                scores[item as usize] = weight;
            }
        }
        Ok(Tensor::f_from_slice(&scores)?.f_reshape([users.len() as i64, n_items as i64])?)
    }
}
