//! Numbers along an axis, as lines with what is uncertain about them.

use super::drawing::{Chart, N_COLOURS, Shape, TOP, level_marks, x_of, y_of};
use super::scale::Scale;

/// Height of the plot.
const HEIGHT: f64 = 200.0;
/// Marks of an axis, about.
const N_MARKS: usize = 5;

/// Lines over a level axis.
#[derive(Debug, Clone)]
pub(crate) struct Lines {
    pub(crate) id: &'static str,
    pub(crate) title: String,
    pub(crate) x: XAxis,
    /// Label of the upright axis, with its unit.
    pub(crate) y_label: String,
    /// Whether the upright axis begins at zero.
    pub(crate) from_zero: bool,
    pub(crate) lines: Vec<Line>,
}

/// The level axis.
#[derive(Debug, Clone)]
pub(crate) enum XAxis {
    /// Numbers: the label with its unit.
    Numbers(String),
    /// Groups: the label with its unit, and their names; the x of the first point is 0.
    Groups(String, Vec<String>),
}

/// A line.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) name: String,
    /// Those that are not finite are not drawn.
    pub(crate) points: Vec<Point>,
}

/// A point of a line, with its interval.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Point {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) interval: Option<(f64, f64)>,
}

impl Point {
    fn is_finite(&self) -> bool {
        let (low, high) = self.ends();
        [self.x, self.y, low, high].iter().all(|value| value.is_finite())
    }

    fn ends(&self) -> (f64, f64) {
        self.interval.unwrap_or((self.y, self.y))
    }
}

impl Lines {
    /// The chart.
    pub(crate) fn chart(mut self) -> Chart {
        for line in &mut self.lines {
            line.points.retain(Point::is_finite);
        }
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let (x_label, x, are_groups) = match &self.x {
            XAxis::Numbers(label) => {
                (label, Scale::around(points().map(|point| point.x), true, N_MARKS), false)
            }
            XAxis::Groups(label, names) => (label, Scale::categories(names.iter().cloned()), true),
        };
        let heights = points().flat_map(|point| <[f64; 2]>::from(point.ends()));
        let y = Scale::around(heights, self.from_zero, N_MARKS);
        let bottom = TOP + HEIGHT;
        let draw = |(at, line): (usize, &Line)| draw(at % N_COLOURS, line, (&x, &y), bottom, are_groups);
        let legend = self.lines.iter().enumerate().map(|(at, line)| (at % N_COLOURS, line.name.clone()));
        Chart {
            id: self.id,
            title: self.title.clone(),
            y_label: self.y_label.clone(),
            x_label: x_label.clone(),
            x_marks: level_marks(&x),
            y_marks: y.marks.iter().map(|(value, text)| (y_of(&y, *value, bottom), text.clone())).collect(),
            bottom,
            shapes: self.lines.iter().enumerate().flat_map(draw).collect(),
            legend: if self.lines.len() > 1 { legend.collect() } else { Vec::new() },
        }
    }
}

/// The interval as an area, or of groups as strokes; then the line; of groups with a disc at each point.
fn draw(colour: usize, line: &Line, (x, y): (&Scale, &Scale), bottom: f64, are_groups: bool) -> Vec<Shape> {
    let place = |point: &Point, value: f64| (x_of(x, point.x), y_of(y, value, bottom));
    let text = |places: Vec<(f64, f64)>| {
        places.iter().map(|(x, y)| format!("{x},{y}")).collect::<Vec<_>>().join(" ")
    };
    let mut shapes = Vec::new();
    if !are_groups && line.points.iter().any(|point| point.interval.is_some()) {
        let upper = line.points.iter().map(|point| place(point, point.ends().1));
        let lower = line.points.iter().rev().map(|point| place(point, point.ends().0));
        shapes.push(Shape::Area { colour, points: text(upper.chain(lower).collect()) });
    }
    let places = line.points.iter().map(|point| place(point, point.y)).collect();
    shapes.push(Shape::Line { colour, points: text(places) });
    for point in line.points.iter().filter(|_| are_groups) {
        let ((x, middle), (low, high)) = (place(point, point.y), point.ends());
        let (y1, y2) = (y_of(y, low, bottom), y_of(y, high, bottom));
        shapes.push(Shape::Upright { colour, x, y1, y2 });
        shapes.push(Shape::Disc { colour, x, y: middle, radius: 4.0, is_ring: false, name: String::new() });
    }
    shapes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(x: XAxis, ys: &[f64]) -> Lines {
        let point = |(at, &y): (usize, &f64)| Point { x: at as f64, y, interval: Some((y - 1.0, y + 1.0)) };
        let line = Line { name: "model".into(), points: ys.iter().enumerate().map(point).collect() };
        Lines { id: "x", title: "T".into(), x, y_label: "y".into(), from_zero: true, lines: vec![line] }
    }

    #[test]
    fn a_line_fills_the_plot_from_zero() {
        let chart = lines(XAxis::Numbers("age (days)".into()), &[4.0, 9.0, 4.0]).chart();
        // x: 0 to 2 over 366 units from 58; y: 0 to 10 over 200 units up from 226.
        let expected = "58,146 241,46 424,146".to_owned();
        assert!(chart.shapes.contains(&Shape::Line { colour: 0, points: expected }), "{:?}", chart.shapes);
        let area = "58,126 241,26 424,126 424,166 241,66 58,166".to_owned();
        assert!(chart.shapes.contains(&Shape::Area { colour: 0, points: area }), "{:?}", chart.shapes);
        assert!(chart.legend.is_empty(), "one line needs no legend");
    }

    #[test]
    fn groups_have_discs_and_strokes_and_what_is_no_number_is_left_out() {
        let names = ["a", "b", "c"].map(str::to_owned).to_vec();
        let chart = lines(XAxis::Groups("group".into(), names), &[4.0, f64::NAN, 4.0]).chart();
        let discs = chart.shapes.iter().filter(|shape| matches!(shape, Shape::Disc { .. })).count();
        let strokes = chart.shapes.iter().filter(|shape| matches!(shape, Shape::Upright { .. })).count();
        assert_eq!((discs, strokes, chart.x_marks.len()), (2, 2, 3));
        assert!(!format!("{chart:?}").contains("NaN"));
    }
}
