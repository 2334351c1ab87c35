//! The same seed makes the same log, whatever the number of threads, with the columns that it promises.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray as _;
use arrow_array::types::{Float32Type, Int64Type};
use arrow_schema::DataType;
use dayvec_cli::synth::{SynthError, SynthOptions, TruthOptions, generate, measure_truth};
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
    let cut_off = Some("2026-03-12".parse().unwrap());
    let late = TruthOptions { cut_off, n_futures: 0, ..TruthOptions::default() };
    let message = measure_truth(&options(), &late, folder.path(), &|_| ()).unwrap_err().to_string();
    assert!(message.contains("cut-off: 2026-03-12") && message.contains("futures: 0"), "{message}");
    let short = SynthOptions { n_days: 15, ..options() };
    assert!(!TruthOptions::default().has_history(&short));
    let message =
        measure_truth(&short, &TruthOptions::default(), folder.path(), &|_| ()).unwrap_err().to_string();
    assert!(message.contains("test days: 14"), "{message}");
}

/// (user, item, timestamp) of every event of a log.
fn events(root: &Path) -> Vec<(i64, String, i64)> {
    let mut events = Vec::new();
    for path in files(root).into_keys().filter(|path| path.starts_with("events")) {
        for batch in read(&root.join(path)) {
            let users = batch.column(0).as_primitive::<Int64Type>().values();
            let items = batch.column(1).as_string::<i32>();
            let times = batch.column(3).as_primitive::<Int64Type>().values();
            events.extend((0..users.len()).map(|at| (users[at], items.value(at).to_owned(), times[at])));
        }
    }
    events
}

#[test]
fn a_log_without_repeats_has_the_first_event_of_each_pair() {
    let reviews = SynthOptions { no_repeats: true, n_users: 600, ..options() };
    let (all, _) = make(&SynthOptions { no_repeats: false, ..reviews.clone() });
    let (first, n_events) = make(&SynthOptions { threads: 1, ..reviews.clone() });
    let mut firsts = BTreeMap::new();
    for (user, item, time) in events(all.path()) {
        // Events of a day are in the order of drawing, not of time: compare days.
        let day = firsts.entry((user, item)).or_insert(time / 86_400);
        *day = (*day).min(time / 86_400);
    }
    let kept = events(first.path());
    assert_eq!(kept.len() as u64, n_events);
    let kept: BTreeMap<_, _> =
        kept.into_iter().map(|(user, item, time)| ((user, item), time / 86_400)).collect();
    assert_eq!(kept.len() as u64, n_events, "no pair comes twice");
    assert_eq!(kept, firsts);
    let three = make(&SynthOptions { threads: 3, ..reviews.clone() });
    // With a gap, events on an item are as far apart, and some are exactly that.
    let (gaps, _) = make(&SynthOptions { no_repeats: false, repeat_gap_days: 5, ..reviews });
    let mut visits = events(gaps.path());
    visits.sort_unstable();
    let repeats = visits.windows(2).filter(|pair| (pair[0].0, &pair[0].1) == (pair[1].0, &pair[1].1));
    let days: Vec<i64> = repeats.map(|pair| pair[1].2 / 86_400 - pair[0].2 / 86_400).collect();
    assert_eq!(days.iter().min(), Some(&5));
    assert!(days.len() > 500 && days.iter().any(|&days| days > 30), "{} repeats", days.len());
    assert_eq!(files(first.path()), files(three.0.path()));
}

#[test]
fn options_show_in_the_log() {
    let days = SynthOptions { day_precision: true, new_items: 0.5, thin_users: 0.9, ..options() };
    let (plain, n_plain) = make(&options());
    let (dated, n_dated) = make(&days);
    assert!(events(plain.path()).iter().any(|event| event.2 % 86_400 != 0));
    let dated = events(dated.path());
    assert!(dated.iter().all(|event| event.2 % 86_400 == 0));
    assert!(n_dated * 2 < n_plain, "{n_dated} events of thin users, {n_plain} of others");
    // Items that are born during the log are first met later on.
    let met_by = |events: &[(i64, String, i64)], days: i64| {
        let items = events.iter().filter(|event| event.2 < 1_767_225_600 + days * 86_400);
        items.map(|event| event.1.clone()).collect::<std::collections::BTreeSet<_>>().len()
    };
    assert!(met_by(&dated, 20) < 170 && met_by(&dated, 70) > 190, "{}", met_by(&dated, 70));
}

#[test]
fn the_truth_is_written_beside_the_log() {
    check_truth(&options());
    check_truth(&SynthOptions { no_repeats: true, ..options() });
    check_truth(&SynthOptions { repeat_gap_days: 20, new_items: 0.3, ..options() });
}

fn check_truth(options: &SynthOptions) {
    let (folder, _) = make(options);
    let truth = measure_truth(options, &TruthOptions::default(), folder.path(), &|_| ()).unwrap();
    assert_eq!(truth.cut_off.to_string(), "2026-02-25", "the last day, 2026-03-11, less 14");
    let text = std::fs::read_to_string(folder.path().join("truth.json")).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    // Recall once more, from the files alone.
    let (start, end) = (truth.cut_off.start_s(), truth.cut_off.plus(14).start_s());
    let mut listed = BTreeMap::<i64, Vec<String>>::new();
    for batch in read(&folder.path().join("truth.parquet")) {
        let (users, items) = (batch.column(0).as_string::<i32>(), batch.column(2).as_string::<i32>());
        for at in 0..batch.num_rows() {
            listed.entry(users.value(at).parse().unwrap()).or_default().push(items.value(at).to_owned());
        }
    }
    let (mut met, mut relevant) = (std::collections::BTreeSet::new(), std::collections::BTreeSet::new());
    for path in files(folder.path()).into_keys().filter(|path| path.starts_with("events")) {
        for batch in read(&folder.path().join(path)) {
            let (users, times) = (batch.column(0).as_primitive::<Int64Type>(), batch.column(3));
            let (items, actions) = (batch.column(1).as_string::<i32>(), batch.column(2).as_string::<i32>());
            let lasted = batch.column(5).as_primitive::<Float32Type>();
            for at in 0..batch.num_rows() {
                let time = times.as_primitive::<Int64Type>().value(at);
                let positive = match actions.value(at) {
                    "click" => lasted.value(at) > 10.0,
                    action => action == "save" || action == "purchase",
                };
                if time < start {
                    met.insert(items.value(at).to_owned());
                } else if time < end && positive {
                    relevant.insert((users.value(at), items.value(at).to_owned()));
                }
            }
        }
    }
    relevant.retain(|(user, item)| listed.contains_key(user) && met.contains(item));
    let hits = relevant.iter().filter(|(user, item)| listed[user].contains(item)).count();
    assert_eq!((hits as u64, relevant.len() as u64), (truth.best.n_hits, truth.best.n_pairs));
    assert_eq!(listed.len() as u64, truth.n_users);
    let micro = &json["best_achievable"]["seen_allowed"]["recall"]["micro"];
    assert!((micro.as_f64().unwrap() - hits as f64 / relevant.len() as f64).abs() < 1e-12);
    assert!(truth.best.micro() > truth.popularity.micro());
}
