//! The page as its template sees it: texts, in the order of the page.

use askama::Template;

use super::chart::Chart;
use super::text::{harmless, shown};
use crate::{Made, Missing};

#[derive(Template)]
#[template(path = "experiment.html")]
pub(super) struct Page {
    pub(super) model_id: String,
    pub(super) summary: String,
    pub(super) made: MadeView,
    /// (place on the page, name).
    pub(super) sections: [(&'static str, &'static str); 7],
    pub(super) style: String,
    pub(super) baselines_missing: Option<MissingView>,
    pub(super) scorers: Figure,
    pub(super) tables: Vec<TableView>,
    /// Lines below the tables.
    pub(super) notes: Vec<String>,
    pub(super) training: Result<TrainingView, MissingView>,
    pub(super) groups: Vec<GroupsView>,
    pub(super) age: Result<AgeView, MissingView>,
    pub(super) ablations: Result<Vec<AblationView>, MissingView>,
    pub(super) unfinished: Vec<MissingView>,
    pub(super) map: Figure,
    pub(super) map_note: String,
    pub(super) users_note: String,
    pub(super) users: Vec<UserView>,
}

/// A chart on the page.
pub(super) struct Figure {
    pub(super) id: &'static str,
    pub(super) title: String,
    pub(super) svg: String,
}

impl Figure {
    pub(super) fn new(chart: &Chart) -> Self {
        let svg = chart.on_page().expect("texts are always written to a string");
        Self { id: chart.id, title: chart.title.clone(), svg }
    }
}

pub(super) struct MadeView {
    pub(super) command: String,
    pub(super) checkpoint: String,
    pub(super) log: String,
    pub(super) log_hash: String,
    pub(super) version: String,
    pub(super) commit: String,
    pub(super) seed: String,
    pub(super) date: String,
}

impl MadeView {
    pub(super) fn new(made: &Made) -> Self {
        Self {
            command: harmless(&made.command),
            checkpoint: shown(&made.checkpoint),
            log: shown(&made.log),
            log_hash: shown(&made.log_hash),
            version: shown(&made.version),
            commit: shown(&made.commit),
            seed: made.seed.map_or_else(|| "unknown".to_owned(), |seed| seed.to_string()),
            date: shown(&made.date),
        }
    }
}

pub(super) struct MissingView {
    pub(super) what: String,
    pub(super) command: String,
}

impl MissingView {
    pub(super) fn new(missing: &Missing) -> Self {
        Self { what: harmless(&missing.what), command: harmless(&missing.command) }
    }
}

pub(super) struct TableView {
    pub(super) title: String,
    pub(super) note: String,
    pub(super) heads: Vec<String>,
    pub(super) rows: Vec<RowView>,
}

/// A scorer; the model's own row is highlighted.
pub(super) struct RowView {
    pub(super) name: String,
    pub(super) is_model: bool,
    pub(super) cells: Vec<CellView>,
}

/// A figure, for people and, where it has a field, exact for programs.
#[derive(Default)]
pub(super) struct CellView {
    pub(super) field: &'static str,
    pub(super) exact: String,
    pub(super) text: String,
    pub(super) interval: String,
    pub(super) paper: String,
}

pub(super) struct TrainingView {
    pub(super) facts: String,
    pub(super) charts: Vec<Figure>,
}

pub(super) struct GroupsView {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    pub(super) baseline: String,
    pub(super) chart: Figure,
    pub(super) rows: Vec<GroupView>,
}

pub(super) struct GroupView {
    pub(super) range: String,
    pub(super) n_users: usize,
    pub(super) users: String,
    pub(super) n_pairs: usize,
    pub(super) pairs: String,
    pub(super) exact: String,
    pub(super) model: String,
    pub(super) model_interval: String,
    pub(super) other: String,
    pub(super) other_interval: String,
}

pub(super) struct AgeView {
    pub(super) charts: Vec<Figure>,
    pub(super) note: String,
    pub(super) rows: Vec<RowView>,
}

pub(super) struct AblationView {
    pub(super) name: String,
    pub(super) title: String,
    pub(super) source: String,
    pub(super) note: String,
    pub(super) heads: Vec<String>,
    pub(super) rows: Vec<AblationRowView>,
}

pub(super) struct AblationRowView {
    pub(super) name: String,
    /// (ours, the paper's).
    pub(super) cells: Vec<(String, String)>,
}

pub(super) struct UserView {
    pub(super) id: String,
    pub(super) finding: String,
    pub(super) facts: String,
    pub(super) actions: Vec<ActionView>,
    pub(super) neighbours: Vec<NearView>,
}

pub(super) struct ActionView {
    pub(super) time: String,
    pub(super) action: String,
    pub(super) item: String,
}

pub(super) struct NearView {
    pub(super) item: String,
    pub(super) score: String,
    pub(super) is_seen: bool,
    pub(super) is_relevant: bool,
}
