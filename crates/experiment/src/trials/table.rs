//! The table of a matrix, with the paper's figures beside ours.

use dayvec_report::{AblationCell, AblationRow, AblationTable};

use super::matrix::{Matrix, MatrixRow};
use super::record::TrialRecord;

/// A figure of a record, where it has one.
type Figure = dyn Fn(&TrialRecord) -> Option<f64>;

/// A column: its head, the figure of a record where it has one, and the paper's of a row.
struct Column {
    head: String,
    figure: Box<Figure>,
    published: fn(&MatrixRow) -> Option<f64>,
}

fn column(
    head: impl Into<String>,
    figure: impl Fn(&TrialRecord) -> Option<f64> + 'static,
    published: fn(&MatrixRow) -> Option<f64>,
) -> Column {
    Column { head: head.into(), figure: Box::new(figure), published }
}

/// What an ordinary test gives.
fn recall_columns() -> Vec<Column> {
    let held_out = |record: &TrialRecord| Some(record.held_out.as_ref()?.seen_allowed.recall.micro.value);
    let entropy = |record: &TrialRecord| Some(record.all_users.seen_allowed.interest_entropy?.nats);
    vec![
        column(
            "Recall@10",
            |record| Some(record.all_users.seen_allowed.recall.micro.value),
            |row| row.paper.recall,
        ),
        column(
            "unseen Recall@10",
            |record| Some(record.all_users.seen_filtered.recall.micro.value),
            |_| None,
        ),
        column("held-out Recall@10", held_out, |_| None),
        column(
            "P90 Coverage@10",
            |record| Some(record.all_users.seen_allowed.coverage.p90),
            |row| row.paper.coverage,
        ),
        column("Interest Entropy@50", entropy, |_| None),
    ]
}

/// One column for each task of the log.
fn task_columns(records: &[TrialRecord]) -> Vec<Column> {
    let Some(first) = records.first() else { return Vec::new() };
    let of_task = |task: &dayvec_report::TaskRecall| {
        let name = task.task.clone();
        let figure = move |record: &TrialRecord| {
            let same = record.by_task.iter().find(|task| task.task == name)?;
            Some(same.recall.micro.value)
        };
        column(format!("Recall@10 of {}", task.task), figure, |_| None)
    };
    first.by_task.iter().map(of_task).collect()
}

/// The protocols of freshness.
fn freshness_columns() -> Vec<Column> {
    vec![
        column("once", |record| Some(fresh(record)?.once.value), |row| row.paper.recall),
        column("daily", |record| Some(fresh(record)?.daily.value), |row| row.paper.daily),
        column("realtime", |record| Some(fresh(record)?.realtime.value), |row| row.paper.realtime),
        column(
            "realtime → daily",
            |record| Some(fresh(record)?.change_from_realtime.daily.value),
            |row| Some(row.paper.daily? / row.paper.realtime? - 1.0),
        ),
        column(
            "realtime → once",
            |record| Some(fresh(record)?.change_from_realtime.once.value),
            |row| Some(row.paper.recall? / row.paper.realtime? - 1.0),
        ),
    ]
}

fn fresh(record: &TrialRecord) -> Option<&dayvec_report::AgedRecall> {
    record.freshness.as_ref()?.rows.first()
}

/// The table of the trials that are done, of which `records` holds at least one.
pub(crate) fn table(matrix: &Matrix, records: &[TrialRecord], first: &TrialRecord) -> AblationTable {
    let mut columns = recall_columns();
    columns.extend(task_columns(records));
    if matrix.freshness {
        columns.extend(freshness_columns());
    }
    // A column that no trial fills says nothing.
    columns.retain(|column| records.iter().any(|record| (column.figure)(record).is_some()));
    let row = |row: &MatrixRow| {
        let of_row: Vec<&TrialRecord> = records.iter().filter(|record| record.row == row.name).collect();
        let cell = |column: &Column| {
            let values: Vec<f64> = of_row.iter().filter_map(|record| (column.figure)(record)).collect();
            AblationCell::of(&values, (column.published)(row))
        };
        AblationRow { name: row.name.clone(), cells: columns.iter().map(cell).collect() }
    };
    AblationTable {
        name: matrix.name.clone(),
        title: matrix.title.clone(),
        source: matrix.source.clone(),
        rows: matrix.rows.iter().map(row).collect(),
        columns: columns.into_iter().map(|column| column.head).collect(),
        seeds: matrix.seeds.clone(),
        n_trials: (records.len(), matrix.rows.len() * matrix.seeds.len()),
        cut_off: first.cut_off,
        test_days: first.test_days,
        n_users: first.all_users.n_users,
        n_pairs: first.all_users.seen_allowed.n_pairs,
        version: first.version.clone(),
        data_hash: first.data_hash.clone(),
        candidates_hash: first.candidates_hash.clone(),
    }
}
