//! Each kind of bad input: what is counted, and what the error says.

use dayvec_core::{EventSchema, Sequences};
use dayvec_sequences::{BadRow, ReadOptions, ReadSummary, SequenceBuilder, SequencesError};
use polars::prelude::{Column, DataType, IntoColumn, NamedFrom, Series};

use crate::log::{ALL, DAY, columns_of, lines, options, read, read_columns, shop, write_parquet};

/// Reads columns that are refused; the message has all the `words`.
fn refused(schema: &EventSchema, columns: Vec<Column>, words: &[&str]) -> SequencesError {
    let error = read_columns(schema, columns, ALL).unwrap_err();
    let message = error.to_string();
    for word in words {
        assert!(message.contains(word), "no `{word}` in: {message}");
    }
    error
}

fn good(n: usize) -> Vec<(&'static str, &'static str, &'static str, i64)> {
    (0..n).map(|row| ("u", "a", "view", DAY + row as i64)).collect()
}

#[test]
fn an_empty_log() {
    let error = refused(&shop(), columns_of(&[]), &["the log is empty", "1 files", "events.parquet"]);
    assert!(matches!(error, SequencesError::EmptyLog { .. }));
    let nothing = SequenceBuilder::new(&shop(), options()).unwrap().finish(ALL).unwrap_err();
    assert!(matches!(nothing, SequencesError::EmptyLog { n_files: 0, .. }));
}

#[test]
fn an_empty_csv_has_no_columns() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.csv");
    std::fs::write(&path, "").unwrap();
    let error = read(&shop(), &[path], options(), ALL).unwrap_err();
    assert!(matches!(error, SequencesError::MissingColumn { .. }), "{error}");
}

#[test]
fn a_missing_column() {
    let mut log = columns_of(&good(1));
    log[0].rename("customer".into());
    let error = refused(
        &shop(),
        log,
        &["no column `user_id`", "customer", "item_id", "`columns: { user_id: NAME }`"],
    );
    assert!(matches!(error, SequencesError::MissingColumn { role: "user_id", .. }));
    let mut log = columns_of(&good(1));
    log.remove(2);
    refused(&shop(), log, &["no column `action`", "list a single action"]);
}

#[test]
fn a_column_of_a_wrong_type() {
    let mut log = columns_of(&good(1));
    log[0] = Column::new("user_id".into(), [1.0f64]);
    refused(&shop(), log, &["`user_id`", "f64", "text or integer"]);
    let mut log = columns_of(&good(1));
    log[3] = Column::new("timestamp".into(), [true]);
    let error = refused(&shop(), log, &["`timestamp`", "bool", "`time_unit`"]);
    assert!(matches!(error, SequencesError::ColumnType { .. }));
}

#[test]
fn a_wrong_unit_of_time_names_the_one_that_fits() {
    for (factor, fits) in
        [(1_000, "`ms` would fit"), (1_000_000, "`us` would fit"), (1_000_000_000, "`ns` would fit")]
    {
        let events: Vec<_> =
            good(10).into_iter().map(|event| (event.0, event.1, event.2, event.3 * factor)).collect();
        let error = refused(
            &shop(),
            columns_of(&events),
            &["implausible time", "`time_unit` is probably wrong", fits, "says `s`"],
        );
        assert!(matches!(error, SequencesError::TooManyBadRows { bad: 10, rows: 10, .. }));
    }
}

#[test]
fn null_and_empty_ids_and_times_are_counted_by_reason() {
    let mut log = columns_of(&good(7));
    log[0] = Column::new(
        "user_id".into(),
        [None, Some(""), Some("u"), Some("u"), Some("u"), Some("u"), Some("u")],
    );
    log[1] = Column::new(
        "item_id".into(),
        [Some("a"), Some("a"), None, Some(""), Some("a"), Some("a"), Some("a")],
    );
    log[2] = Column::new(
        "action".into(),
        [Some("view"), Some("view"), Some("view"), Some("view"), None, Some("view"), Some("view")],
    );
    log[3] = Column::new(
        "timestamp".into(),
        [Some(DAY), Some(DAY), Some(DAY), Some(DAY), Some(DAY), None, Some(DAY)],
    );
    let folder = tempfile::tempdir().unwrap();
    let file = write_parquet(&folder.path().join("events.parquet"), log);
    let quarantine = folder.path().join("quarantine.csv");
    let with_limit =
        |max_bad_share| ReadOptions { max_bad_share, quarantine: Some(quarantine.clone()), ..options() };
    let (sequences, report) = read(&shop(), std::slice::from_ref(&file), with_limit(0.9), ALL).unwrap();
    assert_eq!(lines(&sequences), ["u: a view 0"]);
    use BadRow::{EmptyItemId, EmptyUserId, NullAction, NullItemId, NullTimestamp, NullUserId};
    let reasons = [NullUserId, EmptyUserId, NullItemId, EmptyItemId, NullTimestamp, NullAction];
    assert_eq!(report.bad, reasons.map(|reason| (reason, 1)).into());
    assert_eq!(serde_json::to_value(&report).unwrap()["bad"]["null_item_id"], 1);
    let samples = std::fs::read_to_string(&quarantine).unwrap();
    let file_text = file.display();
    for (reason, row) in [
        ("null or unreadable user id", 0),
        ("empty user id", 1),
        ("null or unreadable item id", 2),
        ("null action", 4),
    ] {
        let line = format!("{reason},\"{file_text}\",{row},\"\"");
        assert!(samples.contains(&line), "no {line} in {samples}");
    }
    let message = read(&shop(), &[file], with_limit(0.01), ALL).unwrap_err().to_string();
    for words in [
        "6 of 7 rows are bad (85.71 %; the limit is 1.00 %)",
        "null or unreadable item id 1",
        "examples are in",
        "quarantine.csv",
    ] {
        assert!(message.contains(words), "no `{words}` in: {message}");
    }
}

#[test]
fn all_null_ids() {
    let mut log = columns_of(&good(3));
    log[0] = Series::new_null("user_id".into(), 3).into_column();
    refused(&shop(), log, &["null or unreadable user id 3"]);
    let mut log = columns_of(&good(3));
    log[1] = Series::new("item_id".into(), [None::<i64>, None, None]).into_column();
    refused(&shop(), log, &["null or unreadable item id 3"]);
}

#[test]
fn an_unknown_action_is_named_beside_the_known() {
    let mut events = good(3);
    events[1].2 = "wishlist";
    refused(&shop(), columns_of(&events), &["unknown action 1", "`wishlist` 1", "`view`, `buy`, `return`"]);
    let mut log = columns_of(&good(2));
    log[2] = log[2].as_materialized_series().cast(&DataType::Binary).unwrap().into_column();
    assert_eq!(read_columns(&shop(), log, ALL).unwrap().1.kept, 2, "binary text is text");
}

#[test]
fn fields_of_csv_that_cannot_be_read_are_bad_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.csv");
    let mut text = String::from("user_id,item_id,action,timestamp,duration_s\n");
    for row in 0..200 {
        text.push_str(&format!("u{row},a,view,{},1.5\n", DAY + row));
    }
    text.push_str(&format!("u,a,view,yesterday,1\n,a,view,{DAY},1\nu,a,view,{DAY},long\n"));
    std::fs::write(&path, text).unwrap();
    let lenient = ReadOptions { max_bad_share: 0.05, ..options() };
    let (_, report) = read(&shop(), &[path], lenient, ALL).unwrap();
    let reasons = [BadRow::NullTimestamp, BadRow::NullUserId, BadRow::UnreadableDuration];
    assert_eq!(report.bad, reasons.map(|reason| (reason, 1)).into());
    assert_eq!(report.kept, 200);
}

#[test]
fn a_damaged_or_absent_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let whole = write_parquet(&folder.path().join("whole.parquet"), columns_of(&good(1000)));
    let bytes = std::fs::read(&whole).unwrap();
    let cut = folder.path().join("cut.parquet");
    std::fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    let mut flipped = bytes.clone();
    flipped[40..60].fill(0xff);
    let damaged = folder.path().join("damaged.parquet");
    std::fs::write(&damaged, flipped).unwrap();
    for path in [cut, damaged, folder.path().join("absent.parquet")] {
        let message = read(&shop(), std::slice::from_ref(&path), options(), ALL).unwrap_err().to_string();
        assert!(message.contains(path.to_str().unwrap()), "{message}");
    }
}

#[test]
fn a_schema_that_contradicts_itself() {
    let mut schema = shop();
    schema.positives.clear();
    schema.actions.push("view".into());
    let error = SequenceBuilder::new(&schema, options()).err().unwrap().to_string();
    assert!(error.contains("listed twice") && error.contains("positives"), "{error}");
}

/// Reads a CSV file with one bad row in two tolerated.
fn csv(schema: &EventSchema, text: &str) -> (Sequences, ReadSummary) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.csv");
    std::fs::write(&path, text).unwrap();
    read(schema, &[path], ReadOptions { max_bad_share: 0.5, ..options() }, ALL).unwrap()
}

#[test]
fn empty_lines_of_a_csv_are_no_rows() {
    let text = format!("user_id,item_id,action,timestamp\nu,a,view,{DAY}\n\nu,b,view,{}\n\n\n", DAY + 1);
    let (sequences, report) = csv(&shop(), &text);
    assert_eq!(lines(&sequences), ["u: b view 1, a view 0"]);
    assert_eq!((report.rows, report.n_bad()), (2, 0));
    // A row with anything in it is one.
    let (_, report) = csv(&shop(), &format!("user_id,item_id,action,timestamp\nu,a,view,{DAY}\nu,,,\n"));
    assert_eq!((report.rows, report.bad), (2, [(BadRow::NullTimestamp, 1)].into()));
}

#[test]
fn a_duration_that_is_no_number_is_a_bad_row() {
    let rows = ["1.5", "", "00:00:12", "12s", "inf", "nan"].iter().enumerate();
    let rows = rows.map(|(row, duration)| format!("u,i{row},view,{},{duration}\n", DAY + row as i64));
    let header = "user_id,item_id,action,timestamp,duration_s\n".to_owned();
    let (sequences, report) = csv(&shop(), &rows.fold(header, |text, row| text + &row));
    assert_eq!(lines(&sequences), ["u: i5 view 5, i1 view 1, i0 view 0"]);
    assert_eq!(report.bad, [(BadRow::UnreadableDuration, 3)].into());
    assert_eq!(sequences.actions.duration_s[2], 1.5);
    assert!(sequences.actions.duration_s[..2].iter().all(|duration| duration.is_nan()));

    let mut log = columns_of(&good(2));
    log.push(Column::new("duration_s".into(), [1e39f64, 2.0]));
    let folder = tempfile::tempdir().unwrap();
    let file = write_parquet(&folder.path().join("events.parquet"), log);
    let (sequences, report) =
        read(&shop(), &[file], ReadOptions { max_bad_share: 0.5, ..options() }, ALL).unwrap();
    assert_eq!((sequences.n_actions(), report.bad), (1, [(BadRow::UnreadableDuration, 1)].into()));
}

#[test]
fn an_id_that_is_not_utf_8_is_a_bad_row() {
    let mut log = columns_of(&good(3));
    let ids: [&[u8]; 3] = [b"u", &[0xff, 0xfe], "ü".as_bytes()];
    log[0] = Series::new("user_id".into(), ids).into_column();
    let folder = tempfile::tempdir().unwrap();
    let file = write_parquet(&folder.path().join("events.parquet"), log);
    let (sequences, report) =
        read(&shop(), &[file], ReadOptions { max_bad_share: 0.5, ..options() }, ALL).unwrap();
    assert_eq!(sequences.users.iter().collect::<std::collections::BTreeSet<_>>(), ["u", "ü"].into());
    assert_eq!(report.bad, [(BadRow::NullUserId, 1)].into());
}

#[test]
fn a_compressed_csv_is_named() {
    let folder = tempfile::tempdir().unwrap();
    for (bytes, compression) in [(&[0x1f, 0x8b, 8, 0, 0][..], "gzip"), (&[0x28, 0xb5, 0x2f, 0xfd], "zstd")] {
        let path = folder.path().join("events.csv");
        std::fs::write(&path, bytes).unwrap();
        let message = read(&shop(), &[path], options(), ALL).unwrap_err().to_string();
        assert!(message.contains("events.csv") && message.contains(compression), "{message}");
    }
}
