//! The table of a matrix, with the paper's figures beside ours.

use std::fmt::Write as _;

use super::matrix::{Matrix, MatrixRow};
use super::record::TrialRecord;

/// A figure of a record, where it has one.
type Figure = fn(&TrialRecord) -> Option<f64>;
/// The paper's figure of a row.
type Published = fn(&MatrixRow) -> Option<f64>;

const RECALL: (&str, Figure, Published) =
    ("Recall@10", |record| Some(record.all_users.seen_allowed.recall.micro.value), |row| row.paper.recall);
const COLUMNS: [(&str, Figure, Published); 4] = [
    ("unseen Recall@10", |record| Some(record.all_users.seen_filtered.recall.micro.value), |_| None),
    (
        "held-out Recall@10",
        |record| record.held_out.as_ref().map(|row| row.seen_allowed.recall.micro.value),
        |_| None,
    ),
    ("P90 Coverage@10", |record| Some(record.all_users.seen_allowed.coverage.p90), |row| row.paper.coverage),
    (
        "Interest Entropy@50",
        |record| record.all_users.seen_allowed.interest_entropy.map(|it| it.nats),
        |_| None,
    ),
];
const FRESHNESS: [(&str, Figure, Published); 5] = [
    ("once", |record| fresh(record).map(|row| row.once.value), |row| row.paper.recall),
    ("daily", |record| fresh(record).map(|row| row.daily.value), |row| row.paper.daily),
    ("realtime", |record| fresh(record).map(|row| row.realtime.value), |row| row.paper.realtime),
    (
        "realtime → daily",
        |record| fresh(record).map(|row| row.change_from_realtime.daily.value),
        |row| Some(row.paper.daily? / row.paper.realtime? - 1.0),
    ),
    (
        "realtime → once",
        |record| fresh(record).map(|row| row.change_from_realtime.once.value),
        |row| Some(row.paper.recall? / row.paper.realtime? - 1.0),
    ),
];

fn fresh(record: &TrialRecord) -> Option<&dayvec_report::AgedRecall> {
    record.freshness.as_ref()?.rows.first()
}

/// The table as Markdown: mean ± standard deviation over the seeds, the paper's figure in parentheses.
pub(crate) fn markdown(matrix: &Matrix, records: &[TrialRecord]) -> String {
    let mut columns = vec![RECALL];
    columns.extend(COLUMNS);
    if matrix.freshness {
        columns.extend(FRESHNESS);
    }
    let of_row = |name: &str| records.iter().filter(|record| record.row == name).collect::<Vec<_>>();
    // A column that no trial fills says nothing.
    columns.retain(|(_, figure, _)| records.iter().any(|record| figure(record).is_some()));
    let mut text = format!("# {}\n\n{}\n\n", matrix.title, matrix.source);
    let heads: Vec<&str> = columns.iter().map(|(head, ..)| *head).collect();
    text.push_str(&format!("| | {} |\n|---|{}\n", heads.join(" | "), "---|".repeat(heads.len())));
    for row in &matrix.rows {
        let of_row = of_row(&row.name);
        let cell = |&(_, figure, published): &(&str, Figure, Published)| {
            let values: Vec<f64> = of_row.iter().filter_map(|record| figure(record)).collect();
            let ours = mean_and_deviation(&values);
            match published(row) {
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
