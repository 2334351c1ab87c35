//! Figures over steps, groups and ages, as lines.

use super::chart::{Chart, Line, Lines, Point, XAxis};
use super::finding;
use super::paper;
use super::tables::{MODEL, ends, measured};
use super::text::shown;
use super::view::{AgeView, CellView, Figure, GroupView, GroupsView, RowView};
use crate::figure::{change, count, share};
use crate::{AgedRecall, FreshnessReport, Group, Interval, RecallByGroup, TrainingCurve};

/// Most scorers of a chart by age; the others are in the table.
const MOST_SCORERS: usize = 5;

/// A number by training step.
pub(super) fn training(id: &'static str, curve: &TrainingCurve) -> Chart {
    let points = curve.points.iter().map(|&(step, y)| Point { x: step as f64, y, interval: None });
    Lines {
        id,
        title: finding::of_curve(&curve.name, &curve.points),
        x: XAxis::Numbers("training step".to_owned()),
        y_label: format!("{} ({})", curve.name, curve.unit),
        from_zero: false,
        lines: vec![Line { name: curve.name.clone(), points: points.collect() }],
    }
    .chart()
}

/// Recall by activity, then by popularity.
pub(super) fn groups(recall: &RecallByGroup) -> [(Chart, &[Group], &'static str); 2] {
    let k = recall.k;
    let named: Vec<(String, &Group)> =
        recall.by_activity.iter().map(|group| (range(group.range), group)).collect();
    let chart = |id, title, label: String, names: Vec<String>, groups: &[Group]| {
        let line = |name: &str, of: fn(&Group) -> Interval| {
            let point = |(at, group): (usize, &Group)| point(at, &of(group));
            // A group without pairs has no recall.
            let points = groups.iter().enumerate().filter(|(_, group)| group.n_pairs > 0).map(point);
            Line { name: shown(name), points: points.collect() }
        };
        let lines = vec![line(MODEL, |group| group.model), line(&recall.baseline, |group| group.baseline)];
        let y_label = format!("Recall@{k} (share of pairs), 95 % interval");
        Lines { id, title, x: XAxis::Groups(label, names), y_label, from_zero: true, lines }.chart()
    };
    let of_users = chart(
        "activity",
        finding::of_activity(k, &named),
        "actions of the user before the test".to_owned(),
        named.iter().map(|(name, _)| name.clone()).collect(),
        &recall.by_activity,
    );
    let n = recall.by_popularity.len();
    let of_items = chart(
        "popularity",
        finding::of_popularity(&recall.by_popularity),
        format!("{n} equal parts of the catalogue by actions ({n}: most)"),
        (1..=n).map(|part| part.to_string()).collect(),
        &recall.by_popularity,
    );
    [
        (of_users, &recall.by_activity, "Actions of the user"),
        (of_items, &recall.by_popularity, "Actions on the item"),
    ]
}

/// Both groupings with their tables.
pub(super) fn groups_view(recall: &RecallByGroup) -> Vec<GroupsView> {
    let view = |(chart, groups, name): (Chart, &[Group], &'static str)| GroupsView {
        id: chart.id,
        name,
        baseline: shown(&recall.baseline),
        chart: Figure::new(&chart),
        rows: groups.iter().map(group_view).collect(),
    };
    groups(recall).into_iter().map(view).collect()
}

fn group_view(group: &Group) -> GroupView {
    let has_pairs = group.n_pairs > 0;
    let text = |interval: &Interval| if has_pairs { share(interval.value) } else { "–".to_owned() };
    let ends = |interval: &Interval| if has_pairs { ends(interval) } else { String::new() };
    GroupView {
        range: range(group.range),
        n_users: group.n_users,
        users: count(group.n_users as u64),
        n_pairs: group.n_pairs,
        pairs: count(group.n_pairs as u64),
        exact: group.model.value.to_string(),
        model: text(&group.model),
        model_interval: ends(&group.model),
        other: text(&group.baseline),
        other_interval: ends(&group.baseline),
    }
}

/// `12–345`, or one number.
fn range((first, last): (u64, u64)) -> String {
    if first == last { count(first) } else { format!("{}–{}", count(first), count(last)) }
}

/// Recall by the age of users' embeddings; then by that of items' where it changes.
pub(super) fn ages(report: &FreshnessReport) -> Vec<Chart> {
    let k = report.rows.first().map_or(0, |row| row.k);
    let chart = |id, what: &str, of: fn(&AgedRecall) -> Option<&[Interval]>| {
        let rows: Vec<(&AgedRecall, &[Interval])> =
            report.rows.iter().filter_map(|row| Some((row, of(row)?))).take(MOST_SCORERS).collect();
        let (first, ages) = rows.first()?;
        let whose =
            if first.scorer == MODEL { what.to_owned() } else { format!("{what} of {}", first.scorer) };
        let line = |(row, ages): &(&AgedRecall, &[Interval])| Line {
            name: shown(&row.scorer),
            points: ages.iter().enumerate().map(|(age, recall)| point(age, recall)).collect(),
        };
        let lines = Lines {
            id,
            title: finding::of_age(&shown(&whose), k, ages),
            x: XAxis::Numbers(format!("age of {what} (days)")),
            y_label: format!("Recall@{k} (share of pairs), 95 % interval"),
            from_zero: true,
            lines: rows.iter().map(line).collect(),
        };
        Some(lines.chart())
    };
    let users = chart("age", "users' embeddings", |row| Some(&row.by_user_age_days));
    let items = chart("item-age", "the items' side", |row| row.by_item_age_days.as_deref());
    [users, items].into_iter().flatten().collect()
}

fn point(at: usize, recall: &Interval) -> Point {
    Point { x: at as f64, y: recall.value, interval: Some((recall.low, recall.high)) }
}

/// The protocols of freshness as a table, the paper's beside ours.
pub(super) fn ages_view(report: &FreshnessReport) -> AgeView {
    let k = report.rows.first().map_or(0, |row| row.k);
    let note = format!(
        "Recall@{k} of the same {} labels of {} users, {} days from {}, with embeddings computed once, daily (used {} days \
         later) or in real time; {} labels on items first met later and {} of users without actions yet are left out; paper: \
         PinnerFormer's, on another log",
        count(report.n_labels as u64),
        count(report.n_users as u64),
        report.test_days,
        report.cut_off,
        report.delay_days,
        count(report.n_outside as u64),
        count(report.n_too_young as u64)
    );
    let charts = ages(report).iter().map(Figure::new).collect();
    AgeView { charts, note, rows: report.rows.iter().map(protocols).collect() }
}

fn protocols(row: &AgedRecall) -> RowView {
    let is_model = row.scorer == MODEL;
    let [once, daily, realtime] = paper::FRESHNESS;
    let cell = |mut cell: CellView, paper: String| {
        if is_model {
            cell.paper = paper;
        }
        cell
    };
    let recall = |field, interval, paper: f64| cell(measured(field, interval), format!("{paper:.3}"));
    let relative = |interval: &Interval, paper: f64| {
        let interval_text = format!("{} to {}", change(interval.low), change(interval.high));
        let text = change(interval.value);
        cell(CellView { text, interval: interval_text, ..CellView::default() }, change(paper - 1.0))
    };
    let cells = vec![
        recall("once", &row.once, once),
        recall("daily", &row.daily, daily),
        recall("realtime", &row.realtime, realtime),
        relative(&row.change_from_realtime.daily, daily / realtime),
        relative(&row.change_from_realtime.once, once / realtime),
    ];
    RowView { name: shown(&row.scorer), is_model, cells }
}
