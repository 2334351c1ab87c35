//! Round numbers along an axis.

use crate::figure::count;

/// A range that ends at round numbers, with marks.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scale {
    from: f64,
    to: f64,
    /// (value, text) of the marks.
    pub(crate) marks: Vec<(f64, String)>,
}

impl Scale {
    /// The narrowest range with about `n_marks` marks that holds `values`, which are finite, and zero where it should.
    pub(crate) fn around(values: impl Iterator<Item = f64>, with_zero: bool, n_marks: usize) -> Self {
        let start = if with_zero { (0.0, 0.0) } else { (f64::MAX, f64::MIN) };
        let (low, high) = values.fold(start, |(low, high), value| (low.min(value), high.max(value)));
        let (low, high) = if low > high { (0.0, 1.0) } else { (low, high) };
        let high = if high > low { high } else { low + if low == 0.0 { 1.0 } else { low.abs() } };
        let step = round_step((high - low) / n_marks.max(1) as f64);
        let (first, last) = ((low / step).floor(), (high / step).ceil());
        let n = (last - first).max(1.0) as usize;
        let decimals = usize::try_from(-(step.log10() + 1e-9).floor() as i64).unwrap_or(0);
        let mark = |at: usize| {
            let value = (first + at as f64) * step;
            (value, text(value, decimals))
        };
        Self { from: first * step, to: last.max(first + 1.0) * step, marks: (0..=n).map(mark).collect() }
    }

    /// Categories at 0, 1, …
    pub(crate) fn categories(names: impl Iterator<Item = String>) -> Self {
        let marks: Vec<(f64, String)> = names.enumerate().map(|(at, name)| (at as f64, name)).collect();
        Self { from: -0.5, to: marks.len() as f64 - 0.5, marks }
    }

    /// Where a value lies between the ends, 0 to 1.
    pub(crate) fn place(&self, value: f64) -> f64 {
        ((value - self.from) / (self.to - self.from)).clamp(0.0, 1.0)
    }
}

/// 1, 2 or 5 times a power of ten, at least `raw`.
fn round_step(raw: f64) -> f64 {
    let magnitude = 10_f64.powf(raw.log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0].into_iter().find(|factor| factor * magnitude >= raw * (1.0 - 1e-9));
    factor.unwrap_or(10.0) * magnitude
}

fn text(value: f64, decimals: usize) -> String {
    if decimals > 0 || value < 0.0 { format!("{value:.decimals$}") } else { count(value.round() as u64) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(scale: &Scale) -> Vec<&str> {
        scale.marks.iter().map(|(_, text)| text.as_str()).collect()
    }

    #[test]
    fn marks_are_round_and_hold_the_values() {
        let check = |values: &[f64], with_zero, expected: &[&str]| {
            let scale = Scale::around(values.iter().copied(), with_zero, 4);
            assert_eq!(texts(&scale), expected, "{values:?}");
        };
        check(&[0.053, 0.0547], true, &["0.00", "0.02", "0.04", "0.06"]);
        check(&[3.4, 6.1], false, &["3", "4", "5", "6", "7"]);
        check(&[0.0, 1500.0], true, &["0", "500", "1,000", "1,500"]);
        check(&[-0.3, 0.4], false, &["-0.4", "-0.2", "0.0", "0.2", "0.4"]);
        check(&[2.0], false, &["2.0", "2.5", "3.0", "3.5", "4.0"]);
        check(&[0.0], true, &["0.0", "0.5", "1.0"]);
        check(&[], false, &["0.0", "0.5", "1.0"]);
    }

    #[test]
    fn places_are_shares_of_the_range() {
        let scale = Scale::around([0.0, 10.0].into_iter(), true, 5);
        assert_eq!([0.0, 2.5, 10.0, 20.0].map(|value| scale.place(value)), [0.0, 0.25, 1.0, 1.0]);
        let scale = Scale::categories(["a", "b"].map(str::to_owned).into_iter());
        assert_eq!([0.0, 1.0].map(|value| scale.place(value)), [0.25, 0.75]);
    }
}
