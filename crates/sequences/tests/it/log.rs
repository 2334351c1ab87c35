//! Small logs on disk, and sequences as plain text.

use std::fs::File;
use std::path::{Path, PathBuf};

use dayvec_core::{ColumnNames, EventSchema, PositiveRule, Sequences, TimeUnit};
use dayvec_sequences::{Keep, ReadOptions, ReadSummary, Result, SequenceBuilder};
use polars::prelude::{Column, DataFrame, ParquetWriter};

/// 2011-12-09T00:00:00Z.
pub(crate) const DAY: i64 = 1_323_388_800;
pub(crate) const DAY_S: i64 = 86_400;
pub(crate) const ALL: Keep = Keep { newest: None, look_back_days: None };

/// A shop with three actions, of which `buy` is positive.
pub(crate) fn shop() -> EventSchema {
    EventSchema {
        columns: ColumnNames::default(),
        time_unit: TimeUnit::Seconds,
        actions: vec!["view".into(), "buy".into(), "return".into()],
        positives: vec![PositiveRule { action: "buy".into(), longer_than_s: None, surfaces: None }],
    }
}

pub(crate) fn options() -> ReadOptions {
    ReadOptions { from_s: 0, until_s: i64::MAX, max_bad_share: 0.0, quarantine: None }
}

pub(crate) fn write_parquet(path: &Path, columns: Vec<Column>) -> PathBuf {
    let mut frame = DataFrame::new_infer_height(columns).unwrap();
    ParquetWriter::new(File::create(path).unwrap()).finish(&mut frame).unwrap();
    path.to_owned()
}

/// Rows (user, item, action, timestamp) as columns.
pub(crate) fn columns_of(events: &[(&str, &str, &str, i64)]) -> Vec<Column> {
    vec![
        Column::new("user_id".into(), events.iter().map(|event| event.0).collect::<Vec<_>>()),
        Column::new("item_id".into(), events.iter().map(|event| event.1).collect::<Vec<_>>()),
        Column::new("action".into(), events.iter().map(|event| event.2).collect::<Vec<_>>()),
        Column::new("timestamp".into(), events.iter().map(|event| event.3).collect::<Vec<_>>()),
    ]
}

pub(crate) fn read(
    schema: &EventSchema,
    files: &[PathBuf],
    options: ReadOptions,
    keep: Keep,
) -> Result<(Sequences, ReadSummary)> {
    let mut builder = SequenceBuilder::new(schema, options)?;
    builder.push_files(files)?;
    let (sequences, report) = builder.finish(keep)?;
    let accounted =
        report.kept + report.duplicates + report.beyond_keep + report.outside_range + report.n_bad();
    assert_eq!(accounted, report.rows, "every row is accounted for: {report}");
    Ok((sequences, report))
}

/// The same for one file of these columns.
pub(crate) fn read_columns(
    schema: &EventSchema,
    columns: Vec<Column>,
    keep: Keep,
) -> Result<(Sequences, ReadSummary)> {
    let folder = tempfile::tempdir().unwrap();
    let file = write_parquet(&folder.path().join("events.parquet"), columns);
    read(schema, &[file], options(), keep)
}

/// `user: item action timestamp, …` of each user, sorted by user; timestamps count from [`DAY`].
pub(crate) fn lines(sequences: &Sequences) -> Vec<String> {
    let schema = shop();
    let mut lines: Vec<String> = (0..sequences.n_users())
        .map(|user| {
            let actions = sequences.range(user).map(|at| {
                let action = sequences.action(at);
                let item = sequences.items.ids().get(action.item as usize);
                let name = &schema.actions[usize::from(action.action_type)];
                format!("{item} {name} {}", action.timestamp - DAY)
            });
            format!("{}: {}", sequences.users.get(user), actions.collect::<Vec<_>>().join(", "))
        })
        .collect();
    lines.sort();
    lines
}

/// Everything that two equal results share, whatever their items and surfaces are counted in.
pub(crate) fn everything(sequences: &Sequences) -> Vec<(String, Vec<String>)> {
    let actions = &sequences.actions;
    (0..sequences.n_users())
        .map(|user| {
            let texts = sequences.range(user).map(|at| {
                let surface = actions.surface.get(at).and_then(|surface| surface.checked_sub(1));
                format!(
                    "{:?} {:?} {:?} {} {:x}",
                    (sequences.items.ids().get(actions.item[at] as usize), actions.action_type[at]),
                    surface.map(|row| &sequences.surfaces[usize::from(row)]),
                    actions.duration_s.get(at).filter(|lasted| !lasted.is_nan()),
                    actions.timestamp[at],
                    actions.event_key[at],
                ) + if actions.positive[at] { " positive" } else { "" }
            });
            (sequences.users.get(user).to_owned(), texts.collect())
        })
        .collect()
}
