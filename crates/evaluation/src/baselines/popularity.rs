//! The same list for all users.

use dayvec_core::{Day, Sequences};
use tch::Tensor;

use super::choice::{Chooser, Setting};
use super::input::{BaselineInput, boxed};
use crate::{EvaluationError, Scorer};

/// Widths of the window of popularity, in days; which one is best depends on how fast taste moves, and where the
/// season is.
const WIDTHS: [f64; 6] = [1.0, 3.0, 7.0, 14.0, 28.0, 90.0];
/// The window of the shipped objective.
const USUAL_WIDTH: f64 = 28.0;
/// *The* popularity, by which gates and ratios go.
const NAME: &str = "popularity";

/// Items by number of positives of the last days before the cut-off.
#[derive(Debug)]
pub struct Popularity {
    name: String,
    counts: Vec<f32>,
}

impl Popularity {
    /// Counts of the `n_days` before `cut_off`.
    #[must_use]
    pub fn new(history: &Sequences, cut_off: Day, n_days: u32) -> Self {
        let days = if n_days == 1 { "day" } else { "days" };
        Self {
            name: format!("popularity of {n_days} {days}"),
            counts: recent_counts(history, cut_off, n_days),
        }
    }
}

/// Number of positives of each item on the `n_days` before `cut_off`, `[n]`.
pub(super) fn recent_counts(history: &Sequences, cut_off: Day, n_days: u32) -> Vec<f32> {
    let actions = &history.actions;
    let days = cut_off.plus(-(n_days as i32)).start_s()..cut_off.start_s();
    let mut counts = vec![0u32; history.items.ids().len()];
    for (at, &item) in actions.item.iter().enumerate() {
        counts[item as usize] += u32::from(actions.positive[at] && days.contains(&actions.timestamp[at]));
    }
    counts.into_iter().map(|count| count as f32).collect()
}

/// The popularity of one of the widths.
pub(super) fn of_width(input: &BaselineInput<'_>, at: usize) -> Popularity {
    Popularity::new(input.history, input.split.cut_off, WIDTHS[at] as u32)
}

/// *The* popularity: that of the width that was best on the earlier days.
pub(super) fn chosen(
    input: &BaselineInput<'_>,
    chooser: &mut Chooser<'_>,
) -> Result<Popularity, EvaluationError> {
    let setting = Setting { scorer: NAME, setting: "days", values: &WIDTHS, usual: USUAL_WIDTH };
    let width = chooser.choose(
        &setting,
        |earlier| Ok(*earlier),
        |earlier, width| boxed(Ok(Popularity::new(earlier.history, earlier.split.cut_off, width as u32))),
    )?;
    let best = Popularity::new(input.history, input.split.cut_off, width as u32);
    Ok(Popularity { name: NAME.to_owned(), ..best })
}

impl Scorer for Popularity {
    fn name(&self) -> &str {
        &self.name
    }

    fn scores(&self, users: &[usize]) -> Result<Tensor, EvaluationError> {
        let counts = Tensor::f_from_slice(&self.counts)?.f_unsqueeze(0)?; // [1, n]
        Ok(counts.f_expand([users.len() as i64, -1], false)?) // [b, n]
    }
}
