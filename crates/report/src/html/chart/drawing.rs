//! A chart as it is drawn, and the SVG that draws it.

use askama::Template;

use super::scale::Scale;
use crate::html::text::wrapped;

/// Left end of the plot: room for the texts of the marks.
pub(crate) const LEFT: f64 = 58.0;
/// Right end of the plot: room for half the text of a mark.
pub(crate) const RIGHT: f64 = 424.0;
/// Upper end of the plot: room for the label of the upright axis.
pub(crate) const TOP: f64 = 26.0;
/// From one line of text to the next.
const LINE: f64 = 17.0;
/// Characters of a line of the title, in a wide font.
const TITLE_CHARS: usize = 44;
/// Colours of series; more series than these repeat them.
pub(crate) const N_COLOURS: usize = 6;
/// The colour of what is not in the foreground.
pub(crate) const GREY: usize = 6;

/// A chart, ready to be drawn.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Chart {
    /// Name of the file of the picture, and of the place on the page.
    pub(crate) id: &'static str,
    /// What the chart shows.
    pub(crate) title: String,
    /// The label above the upright axis, with its unit.
    pub(crate) y_label: String,
    /// The label below the level axis, with its unit.
    pub(crate) x_label: String,
    pub(crate) x_marks: Vec<(f64, String)>,
    pub(crate) y_marks: Vec<(f64, String)>,
    /// Lower end of the plot.
    pub(crate) bottom: f64,
    pub(crate) shapes: Vec<Shape>,
    /// (colour, name) of the series, where there is more than one.
    pub(crate) legend: Vec<(usize, String)>,
}

/// What is drawn; `colour` counts in the colours of series.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Shape {
    /// A filled area: `x,y x,y …`.
    Area { colour: usize, points: String },
    /// A line: `x,y x,y …`.
    Line { colour: usize, points: String },
    /// An upright stroke from `y1` to `y2`.
    Upright { colour: usize, x: f64, y1: f64, y2: f64 },
    /// A level stroke from `x1` to `x2`.
    Level { colour: usize, y: f64, x1: f64, x2: f64 },
    /// A disc, or a ring.
    Disc { colour: usize, x: f64, y: f64, radius: f64, is_ring: bool, name: String },
    /// A level bar.
    Bar { colour: usize, y: f64, width: f64, height: f64 },
    /// A text that begins, or ends, at `x`.
    Text { x: f64, y: f64, ends: bool, text: String },
}

/// The SVG, on a page or alone.
#[derive(Template)]
#[template(path = "chart.svg")]
struct Drawing<'a> {
    chart: &'a Chart,
    /// Lines of the title and the style, where it stands alone.
    alone: Option<Alone>,
    top: f64,
    height: f64,
}

struct Alone {
    /// (y, line).
    title: Vec<(f64, String)>,
    style: &'static str,
}

impl Chart {
    /// The SVG as a part of a page, which has the style and shows the title.
    pub(crate) fn on_page(&self) -> Result<String, askama::Error> {
        Drawing { chart: self, alone: None, top: 0.0, height: self.height() }.render()
    }

    /// The SVG as a file of its own, with its title and a white ground; without the names of single dots.
    pub(crate) fn alone(&self) -> Result<String, askama::Error> {
        let mut chart = self.clone();
        for shape in &mut chart.shapes {
            if let Shape::Disc { name, .. } = shape {
                name.clear();
            }
        }
        let lines = wrapped(&self.title, TITLE_CHARS);
        let top = -(lines.len() as f64 * LINE + 12.0);
        let title = lines.into_iter().zip(1..).map(|(line, row)| (top + f64::from(row) * LINE + 2.0, line));
        let alone = Alone { title: title.collect(), style: include_str!("../../../templates/chart.css") };
        Drawing { chart: &chart, top, height: self.height() - top, alone: Some(alone) }.render()
    }

    fn height(&self) -> f64 {
        self.bottom + LINE * (2.6 + self.legend.len() as f64)
    }

    /// Where the label of the level axis stands.
    fn label_y(&self) -> f64 {
        self.bottom + LINE * 2.1
    }

    /// Where a line of the legend stands, counted from 1.
    fn legend_y(&self, line: &usize) -> f64 {
        self.label_y() + LINE * (*line as f64)
    }
}

/// Places of marks along the level axis.
pub(crate) fn level_marks(scale: &Scale) -> Vec<(f64, String)> {
    scale.marks.iter().map(|(value, text)| (x_of(scale, *value), text.clone())).collect()
}

pub(crate) fn x_of(scale: &Scale, value: f64) -> f64 {
    rounded(LEFT + scale.place(value) * (RIGHT - LEFT))
}

pub(crate) fn y_of(scale: &Scale, value: f64, bottom: f64) -> f64 {
    rounded(bottom - scale.place(value) * (bottom - TOP))
}

/// A tenth of a unit is finer than a pixel.
pub(crate) fn rounded(units: f64) -> f64 {
    (units * 10.0).round() / 10.0
}
