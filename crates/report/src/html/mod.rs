//! [`ExperimentPage`] as one HTML file without scripts and without anything to fetch, and its charts as SVG files.
//!
//! [`finding`] makes the titles from the figures → [`chart`] draws → [`view`] is what the template
//! `templates/experiment.html` shows. Every text is escaped by the templates; [`text`] takes out what escaping does not make
//! harmless.

mod chart;
mod curves;
mod finding;
mod paper;
mod people;
mod tables;
mod text;
mod view;

use askama::Template;

use crate::figure::{count, figure};
use crate::{ExperimentPage, Report, TrainingSummary};
use chart::Chart;
use text::shown;
use view::{Figure, MadeView, MissingView, Page, TrainingView};

/// The sections: place on the page, name.
const SECTIONS: [(&str, &str); 7] = [
    ("tables", "Baselines and the paper"),
    ("training", "Training"),
    ("groups", "Activity and popularity"),
    ("age", "Age"),
    ("ablations", "Ablations"),
    ("map", "Map"),
    ("users", "Examples"),
];
/// Names of the charts by training step; more curves than these are not shown.
const CURVES: [&str; 5] = ["loss", "training-2", "training-3", "training-4", "training-5"];

/// A chart as a file of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Name of the file, without `.svg`.
    pub name: &'static str,
    /// The content.
    pub svg: String,
}

impl ExperimentPage {
    /// The HTML file.
    #[must_use]
    pub fn render(&self) -> String {
        let evaluation = &self.report.evaluation;
        let mut notes: Vec<String> = evaluation.by_task.iter().map(ToString::to_string).collect();
        notes.extend(evaluation.choices.to_string().lines().map(str::to_owned));
        let missing = |missing: &crate::Missing| MissingView::new(missing);
        let tables = |tables: &Vec<crate::AblationTable>| tables.iter().map(tables::ablation).collect();
        let page = Page {
            model_id: shown(&self.report.model_id),
            summary: summary(&self.report),
            made: MadeView::new(&self.made),
            sections: SECTIONS,
            style: [
                include_str!("../../templates/chart.css"),
                include_str!("../../templates/experiment.css"),
            ]
            .concat(),
            baselines_missing: self.baselines_missing.as_ref().map(missing),
            scorers: Figure::new(&tables::scorers(&evaluation.all_users)),
            tables: evaluation.tables().map(tables::table).collect(),
            notes,
            training: self.training().map_err(missing),
            groups: curves::groups_view(&self.groups),
            age: self.freshness.as_ref().map(curves::ages_view).map_err(missing),
            ablations: self.ablations.as_ref().map(tables).map_err(missing),
            unfinished: self.unfinished.iter().map(missing).collect(),
            map: Figure::new(&people::map(&self.map)),
            map_note: format!("{} Shown: {}.", MAP_NOTE, shown(&self.map.sample)),
            users_note: USERS_NOTE.to_owned(),
            users: self.users.iter().map(people::user).collect(),
        };
        page.render().expect("texts are always written to a string")
    }

    /// The charts, in the order of the page.
    #[must_use]
    pub fn pictures(&self) -> Vec<Picture> {
        let mut charts = vec![tables::scorers(&self.report.evaluation.all_users)];
        charts.extend(self.training_charts());
        charts.extend(curves::groups(&self.groups).map(|(chart, ..)| chart));
        charts.extend(self.freshness.iter().flat_map(curves::ages));
        charts.push(people::map(&self.map));
        let picture = |chart: &Chart| Picture {
            name: chart.id,
            svg: chart.alone().expect("texts are always written to a string"),
        };
        charts.iter().map(picture).collect()
    }

    fn training(&self) -> Result<TrainingView, &crate::Missing> {
        self.curves.as_ref()?;
        let facts = self.report.training.as_ref().map_or_else(String::new, facts);
        let facts = format!("{facts} {}", self.curves_note);
        Ok(TrainingView { facts, charts: self.training_charts().iter().map(Figure::new).collect() })
    }

    fn training_charts(&self) -> Vec<Chart> {
        let curves = self.curves.iter().flatten();
        curves.zip(CURVES).map(|(curve, id)| curves::training(id, curve)).collect()
    }
}

const MAP_NOTE: &str = "Embeddings of users and items, projected onto the two directions in which they differ most \
                        (principal components of both together). Near on the map may be far in the other directions.";

const USERS_NOTE: &str = "Chosen among the test users by how much they had done, not by how well the model does. The nearest \
                          items are those of the whole catalogue with the highest inner product; `found in the test` are \
                          those that the user turned to in the test.";

/// What was trained and tested on.
fn summary(report: &Report) -> String {
    let test = if report.leave_one_out {
        "tested on the last positive of each user".to_owned()
    } else {
        format!("tested on the {} days from {}", report.test_days, report.cut_off)
    };
    format!(
        "Trained on {} actions of {} users, {test}.",
        count(report.actions as u64),
        count(report.users as u64)
    )
}

fn facts(training: &TrainingSummary) -> String {
    let loss = training.loss.map_or_else(|| "unknown".to_owned(), figure);
    format!(
        "{} steps in {:.0} s; {} parameters, {} users with {} actions, {:.0} actions a second; loss at the end {loss}.",
        count(training.steps),
        training.seconds,
        count(training.parameters as u64),
        count(training.users as u64),
        count(training.actions as u64),
        training.tokens_per_s
    )
}
