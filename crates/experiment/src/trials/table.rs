//! The table of a matrix, with the paper's figures beside ours.

use std::fmt::Write as _;

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

/// The table as Markdown: mean ± standard deviation over the seeds, the paper's figure in parentheses.
pub(crate) fn markdown(matrix: &Matrix, records: &[TrialRecord]) -> String {
    let mut columns = recall_columns();
    columns.extend(task_columns(records));
    if matrix.freshness {
        columns.extend(freshness_columns());
    }
    let of_row = |name: &str| records.iter().filter(|record| record.row == name).collect::<Vec<_>>();
    // A column that no trial fills says nothing.
    columns.retain(|column| records.iter().any(|record| (column.figure)(record).is_some()));
    let mut text = format!("# {}\n\n{}\n\n", matrix.title, matrix.source);
    let heads: Vec<&str> = columns.iter().map(|column| column.head.as_str()).collect();
    text.push_str(&format!("| | {} |\n|---|{}\n", heads.join(" | "), "---|".repeat(heads.len())));
    for row in &matrix.rows {
        let of_row = of_row(&row.name);
        let cell = |column: &Column| {
            let values: Vec<f64> = of_row.iter().filter_map(|record| (column.figure)(record)).collect();
            let ours = mean_and_deviation(&values);
            match (column.published)(row) {
                Some(theirs) => format!("{ours} ({theirs:.3})"),
                None => ours,
            }
        };
        let cells: Vec<String> = columns.iter().map(cell).collect();
        text.push_str(&format!("| {} | {} |\n", row.name, cells.join(" | ")));
    }
    if let Some(first) = records.first() {
        let seeds: Vec<String> = matrix.seeds.iter().map(u64::to_string).collect();
        let _a_string_takes_all = write!(
            text,
            "\nMean ± standard deviation over the seeds {}; in parentheses the paper's figure. \
             {} days from {}, {} users, {} pairs. dayvec {}, log {}, candidates {}.\n",
            seeds.join(", "),
            first.test_days,
            first.cut_off,
            first.all_users.n_users,
            first.all_users.seen_allowed.n_pairs,
            first.version,
            first.data_hash,
            first.candidates_hash
        );
    }
    text
}

/// `0.0548 ± 0.0012`; the sample's deviation, left out for one value.
fn mean_and_deviation(values: &[f64]) -> String {
    let n = values.len() as f64;
    if values.is_empty() {
        return "–".to_owned();
    }
    let mean = values.iter().sum::<f64>() / n;
    if values.len() == 1 {
        return format!("{mean:.4}");
    }
    let variance = values.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / (n - 1.0);
    format!("{mean:.4} ± {:.4}", variance.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deviations_are_those_of_a_sample() {
        assert_eq!(mean_and_deviation(&[]), "–");
        assert_eq!(mean_and_deviation(&[0.25]), "0.2500");
        assert_eq!(mean_and_deviation(&[1.0, 2.0, 3.0]), "2.0000 ± 1.0000");
    }
}
