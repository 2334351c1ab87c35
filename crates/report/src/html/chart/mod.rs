//! Charts as SVG, on a page or as files of their own: what is drawn, in SVG units. The title of a chart is what it shows.
//!
//! A chart is 440 units wide, which are as wide as a phone shows them legibly, and as a column of a desktop. Colours are legible on a light and on
//! a dark ground.

mod bars;
mod dots;
mod drawing;
mod lines;
mod scale;

pub(crate) use bars::{Bar, Bars};
pub(crate) use dots::{Dot, Dots};
pub(crate) use drawing::{Chart, GREY};
pub(crate) use lines::{Line, Lines, Point, XAxis};
