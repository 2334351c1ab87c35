//! The same seed makes the same log, whatever the number of threads, with the columns that it promises.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray as _;
use arrow_array::types::Int64Type;
use arrow_schema::DataType;
use dayvec_cli::synth::{SynthError, SynthOptions, generate};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

fn options() -> SynthOptions {
    SynthOptions { n_users: 300, n_items: 240, n_days: 70, embedding_dim: 8, ..SynthOptions::default() }
}

fn make(options: &SynthOptions) -> (tempfile::TempDir, u64) {
    let folder = tempfile::tempdir().unwrap();
    let n_events = generate(options, folder.path()).unwrap();
    (folder, n_events)
}

/// Every file below `root` by its relative path.
fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(root).unwrap().to_owned(), std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

fn read(path: &Path) -> Vec<RecordBatch> {
    let reader =
        ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap().build().unwrap();
    reader.collect::<Result<_, _>>().unwrap()
}

#[test]
fn the_log_depends_on_the_seed_alone() {
    let one = make(&SynthOptions { threads: 1, ..options() });
    let three = make(&SynthOptions { threads: 3, ..options() });
    assert_eq!(files(one.0.path()), files(three.0.path()));
    let other = make(&SynthOptions { seed: 2, ..options() });
    assert_ne!(files(one.0.path()), files(other.0.path()));
}

#[test]
fn columns_days_and_counts_are_as_promised() {
    let (folder, n_events) = make(&options());
    let expected = [
        ("user_id", DataType::Int64),
        ("item_id", DataType::Utf8),
        ("action", DataType::Utf8),
        ("timestamp", DataType::Int64),
        ("surface", DataType::Utf8),
        ("duration_s", DataType::Float32),
        ("event_id", DataType::Int64),
    ];
    let mut event_ids = Vec::new();
    for (day, first_second) in [("2026-01-01", 1_767_225_600), ("2026-03-11", 1_773_187_200)] {
        let part = folder.path().join(format!("events/day={day}/part-0000.parquet"));
        for batch in read(&part) {
            let schema = batch.schema();
            let columns: Vec<_> = schema
                .fields()
                .iter()
                .map(|field| (field.name().as_str(), field.data_type().clone()))
                .collect();
            assert_eq!(columns, expected);
            let times = batch.column(3).as_primitive::<Int64Type>().values();
            assert!(times.iter().all(|time| (first_second..first_second + 86_400).contains(time)));
            event_ids.extend_from_slice(batch.column(6).as_primitive::<Int64Type>().values());
        }
    }
    let n_ids = event_ids.len();
    event_ids.sort_unstable();
    event_ids.dedup();
    assert_eq!(event_ids.len(), n_ids, "event ids are distinct");

    let asked = 300.0 * 70.0 * options().events_per_user_day;
    assert!((n_events as f64 / asked - 1.0).abs() < 0.2, "{n_events} events for {asked}");
    let items = read(&folder.path().join("items.parquet"));
    assert_eq!(items.iter().map(RecordBatch::num_rows).sum::<usize>(), 240);
    let text = std::fs::read_to_string(folder.path().join("items.csv")).unwrap();
    assert_eq!(text.lines().count(), 241);
    assert!(text.starts_with("item_id,interest,title\nitem-0,garden,"), "{}", &text[..80]);
}

#[test]
fn wrong_options_and_a_second_log_are_refused() {
    let (folder, _) = make(&SynthOptions { n_days: 1, ..options() });
    let again = generate(&options(), folder.path()).unwrap_err();
    assert!(matches!(again, SynthError::AlreadyThere(_)), "{again}");
    let wrong = generate(&SynthOptions { n_users: 0, n_days: 0, ..options() }, folder.path()).unwrap_err();
    let message = wrong.to_string();
    assert!(message.contains("users: 0") && message.contains("days: 0"), "{message}");
}
