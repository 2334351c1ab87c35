//! A map of dots: both axes have the same unit and the same scale.

use super::drawing::{Chart, LEFT, RIGHT, Shape, TOP, level_marks, x_of, y_of};
use super::scale::Scale;

/// A map.
#[derive(Debug, Clone)]
pub(crate) struct Dots {
    pub(crate) id: &'static str,
    pub(crate) title: String,
    /// Labels of the level and the upright axis, with their unit.
    pub(crate) labels: [String; 2],
    /// In the order in which they are drawn.
    pub(crate) dots: Vec<Dot>,
    /// (colour, name) of what is drawn.
    pub(crate) legend: Vec<(usize, String)>,
}

/// A dot.
#[derive(Debug, Clone)]
pub(crate) struct Dot {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) colour: usize,
    pub(crate) is_ring: bool,
    pub(crate) name: String,
}

impl Dots {
    /// The chart, with a square plot.
    pub(crate) fn chart(self) -> Chart {
        let dots = || self.dots.iter().filter(|dot| dot.x.is_finite() && dot.y.is_finite());
        let reach = dots().fold(0.0_f64, |reach, dot| reach.max(dot.x.abs()).max(dot.y.abs()));
        let scale = Scale::around([-reach, reach].into_iter(), true, 8);
        let bottom = TOP + (RIGHT - LEFT);
        let draw = |dot: &Dot| Shape::Disc {
            colour: dot.colour,
            x: x_of(&scale, dot.x),
            y: y_of(&scale, dot.y, bottom),
            radius: if dot.is_ring { 3.0 } else { 2.6 },
            is_ring: dot.is_ring,
            name: dot.name.clone(),
        };
        let [x_label, y_label] = self.labels;
        Chart {
            id: self.id,
            title: self.title,
            y_label,
            x_label,
            x_marks: level_marks(&scale),
            y_marks: scale
                .marks
                .iter()
                .map(|(value, text)| (y_of(&scale, *value, bottom), text.clone()))
                .collect(),
            bottom,
            shapes: self.dots.iter().filter(|dot| dot.x.is_finite() && dot.y.is_finite()).map(draw).collect(),
            legend: self.legend,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_axes_have_one_scale() {
        let dot = |x, y| Dot { x, y, colour: 0, is_ring: false, name: String::new() };
        let dots = vec![dot(0.0, 0.0), dot(1.0, 0.5), dot(f64::NAN, 0.0)];
        let labels = ["a".to_owned(), "b".to_owned()];
        let chart = Dots { id: "x", title: "T".into(), labels, dots, legend: Vec::new() }.chart();
        let at = |shape: &Shape| match shape {
            Shape::Disc { x, y, .. } => (*x, *y),
            other => panic!("{other:?}"),
        };
        // -1 to 1 over 366 units from 58, and up from 392.
        assert_eq!(chart.shapes.iter().map(at).collect::<Vec<_>>(), [(241.0, 209.0), (424.0, 117.5)]);
    }
}
