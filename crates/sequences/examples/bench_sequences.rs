//! Writes a synthetic log, or reads one into sequences and prints how long it took and the peak of memory;
//! `scripts/bench-sequences.sh` runs it beside DuckDB.
#![expect(clippy::print_stdout, reason = "the figures are its output")]

use std::error::Error;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Instant;

use dayvec_core::{ColumnNames, EventSchema, PositiveRule, TimeUnit};
use dayvec_sequences::{Keep, ReadOptions, SequenceBuilder, event_files};
use polars::prelude::{Column, DataFrame, IntoColumn, NamedFrom, ParquetWriter, Series};

const ACTIONS: [&str; 3] = ["view", "click", "buy"];
/// 2011-12-09T00:00:00Z, the log's first second.
const START_S: i64 = 1_323_388_800;
const ROWS_A_FILE: usize = 5_000_000;
const ROWS_A_GROUP: usize = 500_000;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["write", folder, n_events, items] => write(Path::new(folder), n_events.parse()?, items == "text"),
        ["read", folder] => read(Path::new(folder)),
        _ => Err("usage: bench_sequences write FOLDER N_EVENTS text|integer | read FOLDER".into()),
    }
}

/// Events in order of time; one user in a hundred events, some far more active than others, and popular items.
/// One event in fifty repeats the one before it.
fn write(folder: &Path, n_events: usize, text_items: bool) -> Result<(), Box<dyn Error>> {
    std::fs::create_dir_all(folder)?;
    let (n_users, n_items) = ((n_events / 100).max(1) as f64, (n_events / 250).clamp(100, 200_000) as f64);
    for (file, first) in (0..n_events).step_by(ROWS_A_FILE).enumerate() {
        let rows = first..(first + ROWS_A_FILE).min(n_events);
        let source: Vec<u64> = rows.map(|row| if row % 50 == 49 { row - 1 } else { row } as u64).collect();
        let pick = |row: u64, salt: u64, n: f64, power: i32| (n * unit(row, salt).powi(power)) as i64;
        let item = |row: u64| pick(row, 2, n_items, 2);
        let items = if text_items {
            Series::new(
                "item_id".into(),
                source.iter().map(|&row| format!("SKU-{:07}", item(row))).collect::<Vec<_>>(),
            )
        } else {
            Series::new("item_id".into(), source.iter().map(|&row| item(row)).collect::<Vec<_>>())
        };
        let columns = vec![
            Column::new(
                "user_id".into(),
                source.iter().map(|&row| 1_000_000 + pick(row, 1, n_users, 2)).collect::<Vec<_>>(),
            ),
            items.into_column(),
            Column::new(
                "action".into(),
                source.iter().map(|&row| ACTIONS[pick(row, 3, 3.0, 1) as usize]).collect::<Vec<_>>(),
            ),
            Column::new(
                "timestamp".into(),
                source.iter().map(|&row| START_S + row as i64 / 20).collect::<Vec<_>>(),
            ),
        ];
        let path = folder.join(format!("{file:04}.parquet"));
        let mut frame = DataFrame::new_infer_height(columns)?;
        ParquetWriter::new(File::create(path)?).with_row_group_size(Some(ROWS_A_GROUP)).finish(&mut frame)?;
    }
    Ok(())
}

/// A number in [0, 1) from a row and a salt (splitmix64).
fn unit(row: u64, salt: u64) -> f64 {
    let mut z = row.wrapping_mul(4).wrapping_add(salt).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (z ^ (z >> 31)) as f64 / (u64::MAX as f64 + 1.0)
}

fn read(folder: &Path) -> Result<(), Box<dyn Error>> {
    let schema = EventSchema {
        columns: ColumnNames::default(),
        time_unit: TimeUnit::Seconds,
        actions: ACTIONS.map(str::to_owned).to_vec(),
        positives: vec![PositiveRule { action: "buy".into(), longer_than_s: None, surfaces: None }],
    };
    let options = ReadOptions { from_s: 0, until_s: i64::MAX, max_bad_share: 0.0, quarantine: None };
    let start = Instant::now();
    let files: Vec<PathBuf> = event_files(folder, None)?;
    let mut builder = SequenceBuilder::new(&schema, options)?;
    builder.push_files(&files)?;
    let read_s = start.elapsed().as_secs_f64();
    let (sequences, report) = builder.finish(Keep { newest: Some(256), look_back_days: None })?;
    let seconds = start.elapsed().as_secs_f64();
    let (users, actions) = (sequences.n_users(), sequences.n_actions());
    eprintln!("{report}; {read_s:.2} s to read, {:.2} s to arrange", seconds - read_s);
    println!(
        "{{\"seconds\": {seconds:.3}, \"peak_gib\": {:.3}, \"users\": {users}, \"actions\": {actions}}}",
        peak_gib()?
    );
    Ok(())
}

/// The most memory that this process has had resident.
fn peak_gib() -> Result<f64, Box<dyn Error>> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM in /proc/self/status")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / f64::from(1 << 20))
}
