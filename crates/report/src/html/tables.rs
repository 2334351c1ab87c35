//! The model beside baselines, with the paper's figures beside ours; and the tables of ablations.

use super::chart::{Bar, Bars, Chart};
use super::finding;
use super::paper;
use super::text::shown;
use super::view::{AblationRowView, AblationView, CellView, RowView, TableView};
use crate::figure::{count, share};
use crate::{AblationCell, AblationTable, Interval, ScorerMetrics, Table};

/// The name of the model in a table of scorers.
pub(super) const MODEL: &str = "model";
/// How the name of a scorer ends whose recall is an upper bound, which no list of ten reaches.
const ORACLE: &str = ", oracle";

/// A figure with its interval.
pub(super) fn measured(field: &'static str, interval: &Interval) -> CellView {
    CellView {
        field,
        exact: interval.value.to_string(),
        text: share(interval.value),
        interval: ends(interval),
        paper: String::new(),
    }
}

/// `0.0495–0.0606`.
pub(super) fn ends(interval: &Interval) -> String {
    format!("{}–{}", share(interval.low), share(interval.high))
}

/// A table of scorers.
pub(super) fn table(table: &Table) -> TableView {
    let Some(first) = table.rows.first() else {
        let note = "no scorers".to_owned();
        return TableView { title: shown(&table.title), note, heads: Vec::new(), rows: Vec::new() };
    };
    let allowed = &first.seen_allowed;
    let k = allowed.recall.k;
    let entropy_k = allowed.interest_entropy.map_or_else(String::new, |entropy| format!("@{}", entropy.k));
    let heads = vec![
        format!("Recall@{k}"),
        format!("Unseen Recall@{k}"),
        format!("NDCG@{k}"),
        format!("Entropy{entropy_k}, nats"),
        format!("P90 Coverage@{}", allowed.coverage.k),
    ];
    let note = format!(
        "{} users, {} pairs of a user and a relevant item, a catalogue of {} items; shares, with 95 % intervals over users; \
         paper: PinnerFormer's, on another log",
        count(first.n_users as u64),
        count(allowed.n_pairs as u64),
        count(first.n_items as u64)
    );
    TableView { title: shown(&table.title), note, heads, rows: table.rows.iter().map(row).collect() }
}

fn row(row: &ScorerMetrics) -> RowView {
    let (allowed, published) = (&row.seen_allowed, paper::of(&row.scorer));
    let paper = |figure: Option<String>| figure.unwrap_or_default();
    let plain = |text: String, paper: String| CellView { text, paper, ..CellView::default() };
    let entropy = allowed.interest_entropy.map_or_else(|| "–".to_owned(), |it| format!("{:.3}", it.nats));
    let cells = vec![
        CellView {
            paper: paper(published.map(|it| format!("{:.3}", it.recall))),
            ..measured("recall", &allowed.recall.micro)
        },
        measured("unseen", &row.seen_filtered.recall.micro),
        plain(share(allowed.ndcg.value), String::new()),
        plain(entropy, paper(published.map(|it| format!("{:.2}", it.entropy)))),
        plain(share(allowed.coverage.p90), paper(published.map(|it| format!("{:.3}", it.coverage)))),
    ];
    RowView { name: shown(&row.scorer), is_model: row.scorer == MODEL, cells }
}

/// Recall of all scorers but oracles, as bars.
pub(super) fn scorers(table: &Table) -> Chart {
    let rows: Vec<&ScorerMetrics> = table.rows.iter().filter(|row| !row.scorer.ends_with(ORACLE)).collect();
    let k = rows.first().map_or(0, |row| row.seen_allowed.recall.k);
    let bar = |row: &&ScorerMetrics| {
        let recall = &row.seen_allowed.recall.micro;
        Bar {
            name: shown(&row.scorer),
            text: share(recall.value),
            value: recall.value,
            interval: (recall.low, recall.high),
            stands_out: row.scorer == MODEL,
        }
    };
    Bars {
        id: "scorers",
        title: finding::of_scorers(&rows),
        label: format!("Recall@{k} (share of pairs), 95 % interval"),
        bars: rows.iter().map(bar).collect(),
    }
    .chart()
}

/// A table of ablations.
pub(super) fn ablation(table: &AblationTable) -> AblationView {
    let cell = |cell: &AblationCell| {
        (cell.ours(), cell.paper.map_or_else(String::new, |paper| format!("{paper:.3}")))
    };
    let row = |row: &crate::AblationRow| AblationRowView {
        name: shown(&row.name),
        cells: row.cells.iter().map(cell).collect(),
    };
    AblationView {
        name: shown(&table.name),
        title: shown(&table.title),
        source: super::text::harmless(&table.source),
        note: table.note(),
        heads: table.columns.iter().map(|head| shown(head)).collect(),
        rows: table.rows.iter().map(row).collect(),
    }
}
