//! The loss curve of a training as an SVG line, with the positions of its grid.

use crate::format::{count, figure};

/// Size of the plot in SVG units, without the text around it.
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 220.0;

/// A line in plot coordinates, `x` to the right and `y` down.
#[derive(Debug, PartialEq)]
pub(super) struct Curve {
    /// `x,y x,y …` of the line.
    pub(super) points: String,
    /// (y, loss) of the horizontal lines.
    pub(super) losses: Vec<(f64, String)>,
    /// (x, step) of the marks below.
    pub(super) steps: Vec<(f64, String)>,
    /// The curve in words.
    pub(super) summary: String,
}

impl Curve {
    /// `None` for fewer than two points.
    pub(super) fn new(curve: &[(u64, f64)]) -> Option<Self> {
        let (&(first, from), &(last, to)) = (curve.first()?, curve.last()?);
        let (low, high) = curve
            .iter()
            .fold((f64::MAX, f64::MIN), |(low, high), &(_, loss)| (low.min(loss), high.max(loss)));
        if last <= first {
            return None;
        }
        let height = if high > low { high - low } else { 1.0 };
        let x = |step: f64| WIDTH * (step - first as f64) / (last - first) as f64;
        let y = |loss: f64| HEIGHT * (high - loss) / height;
        let points: Vec<String> =
            curve.iter().map(|&(step, loss)| format!("{:.1},{:.1}", x(step as f64), y(loss))).collect();
        let between =
            |from: f64, to: f64| [0.0, 0.25, 0.5, 0.75, 1.0].map(|share| from + share * (to - from));
        let losses = between(high, high - height).map(|loss| (y(loss), figure(loss)));
        let steps =
            between(first as f64, last as f64).map(|step| (x(step.round()), count(step.round() as u64)));
        let summary = format!(
            "Loss {} after step {}, {} after step {}.",
            figure(from),
            count(first),
            figure(to),
            count(last)
        );
        Some(Self { points: points.join(" "), losses: losses.into(), steps: steps.into(), summary })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_fills_the_plot() {
        let curve = Curve::new(&[(0, 4.0), (10, 2.0), (20, 3.0)]).unwrap();
        assert_eq!(curve.points, "0.0,0.0 320.0,220.0 640.0,110.0");
        assert_eq!(curve.losses[0], (0.0, "4".to_owned()));
        assert_eq!(curve.steps[4], (640.0, "20".to_owned()));
        assert_eq!(curve.summary, "Loss 4 after step 0, 3 after step 20.");
        assert_eq!(Curve::new(&[(1, 2.0)]), None);
        assert!(Curve::new(&[(1, 2.0), (2, 2.0)]).is_some());
    }
}
