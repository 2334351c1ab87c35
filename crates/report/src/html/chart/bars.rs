//! Level bars, one below the other, each with its name and its number above it.

use super::drawing::{Chart, GREY, LEFT, RIGHT, Shape, TOP, level_marks, rounded, x_of};
use super::scale::Scale;

/// Height of a bar with its name.
const ROW: f64 = 32.0;
/// Height of the bar alone.
const BAR: f64 = 10.0;

/// Bars from zero.
#[derive(Debug, Clone)]
pub(crate) struct Bars {
    pub(crate) id: &'static str,
    pub(crate) title: String,
    /// Label of the axis, with its unit.
    pub(crate) label: String,
    pub(crate) bars: Vec<Bar>,
}

/// A bar.
#[derive(Debug, Clone)]
pub(crate) struct Bar {
    pub(crate) name: String,
    /// The value as it is written.
    pub(crate) text: String,
    pub(crate) value: f64,
    pub(crate) interval: (f64, f64),
    /// Whether it stands out.
    pub(crate) stands_out: bool,
}

impl Bars {
    /// The chart; the plot begins at the left edge of where other charts have theirs.
    pub(crate) fn chart(self) -> Chart {
        let is_finite =
            |bar: &&Bar| [bar.value, bar.interval.0, bar.interval.1].iter().all(|it| it.is_finite());
        let bars: Vec<&Bar> = self.bars.iter().filter(is_finite).collect();
        let ends = bars.iter().flat_map(|bar| [bar.value, bar.interval.1]);
        let scale = Scale::around(ends, true, 5);
        let mut shapes = Vec::new();
        for (row, bar) in bars.iter().enumerate() {
            let y = TOP + row as f64 * ROW + 18.0;
            let colour = if bar.stands_out { 0 } else { GREY };
            let width = rounded(x_of(&scale, bar.value) - LEFT);
            shapes.push(Shape::Text { x: LEFT, y: y - 4.0, ends: false, text: bar.name.clone() });
            shapes.push(Shape::Text { x: RIGHT, y: y - 4.0, ends: true, text: bar.text.clone() });
            shapes.push(Shape::Bar { colour, y, width, height: BAR });
            let (x1, x2) = (x_of(&scale, bar.interval.0), x_of(&scale, bar.interval.1));
            shapes.push(Shape::Level { colour, y: y + BAR / 2.0, x1, x2 });
        }
        Chart {
            id: self.id,
            title: self.title,
            y_label: String::new(),
            x_label: self.label,
            x_marks: level_marks(&scale),
            y_marks: Vec::new(),
            bottom: TOP + bars.len() as f64 * ROW,
            shapes,
            legend: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_values() {
        let bar = |value: f64| Bar {
            name: "a".into(),
            text: format!("{value}"),
            value,
            interval: (value, value),
            stands_out: value > 5.0,
        };
        let bars = vec![bar(10.0), bar(5.0), bar(f64::NAN)];
        let chart = Bars { id: "x", title: "T".into(), label: "l".into(), bars }.chart();
        let drawn: Vec<(usize, f64)> = chart
            .shapes
            .iter()
            .filter_map(|shape| match shape {
                Shape::Bar { colour, width, .. } => Some((*colour, *width)),
                _ => None,
            })
            .collect();
        assert_eq!(drawn, [(0, RIGHT - LEFT), (GREY, (RIGHT - LEFT) / 2.0)]);
    }
}
