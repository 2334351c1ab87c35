//! What a log may look like: formats, types, optional columns, days, windows.

use dayvec_core::{EventSchema, PositiveRule, TimeUnit, id_hash};
use dayvec_sequences::{Keep, ReadOptions, event_files};
use polars::prelude::{self as pl, Column, DataType, IntoColumn, NamedFrom, Series};

use crate::log::{ALL, DAY, DAY_S, columns_of, lines, options, read, read_columns, shop, write_parquet};

#[test]
fn newest_first_users_sorted_by_hash_and_labels() {
    let events = [
        ("u", "a", "view", DAY),
        ("v", "b", "buy", DAY + 5),
        ("u", "b", "buy", DAY + 9),
        ("u", "c", "view", DAY + 4),
    ];
    let (sequences, report) = read_columns(&shop(), columns_of(&events), ALL).unwrap();
    assert_eq!(lines(&sequences), ["u: b buy 9, c view 4, a view 0", "v: b buy 5"]);
    let ids: Vec<_> = sequences.users.iter().collect();
    assert!(ids.is_sorted_by_key(|id| (id_hash(id), id.to_owned())));
    let u = ids.iter().position(|id| *id == "u").unwrap();
    assert_eq!(sequences.actions.positive[sequences.range(u)], [true, false, false]);
    assert_eq!((report.first_s, report.last_s), (Some(DAY), Some(DAY + 9)));
    assert!(sequences.actions.surface.is_empty() && sequences.actions.duration_s.is_empty());
    assert_eq!(report.to_string(), "4 rows of 1 files: 4 actions kept (2011-12-09 to 2011-12-09)");
    assert_eq!(serde_json::to_value(&report).unwrap()["kept"], 4);
}

#[test]
fn integer_ids_of_any_width_are_their_decimal_text() {
    let ids = Series::new("user_id".into(), [7i64, 250, 7]);
    let expected = ["250: b view 1", "7: a view 2, a view 0"];
    let texts = Column::new("user_id".into(), ["7", "250", "7"]);
    let kinds = [
        DataType::Int64,
        DataType::Int32,
        DataType::Int16,
        DataType::UInt8,
        DataType::UInt16,
        DataType::UInt64,
    ];
    let columns = kinds.iter().map(|kind| ids.cast(kind).unwrap().into_column()).chain([texts]);
    for users in columns {
        let mut log =
            columns_of(&[("", "a", "view", DAY), ("", "b", "view", DAY + 1), ("", "a", "view", DAY + 2)]);
        log[0] = users;
        let (sequences, _) = read_columns(&shop(), log, ALL).unwrap();
        assert_eq!(lines(&sequences), expected);
    }
    let mut log = columns_of(&[("", "a", "view", DAY)]);
    log[0] = Column::new("user_id".into(), [u64::MAX]);
    assert_eq!(lines(&read_columns(&shop(), log, ALL).unwrap().0), ["18446744073709551615: a view 0"]);
}

#[test]
fn every_type_of_time() {
    let days = |column: &str, kind: DataType, per_day: i64| {
        Series::new(column.into(), [15_317 * per_day]).cast(&DataType::Int64).unwrap().cast(&kind).unwrap()
    };
    let utc = pl::TimeZone::opt_try_new(Some("UTC")).unwrap();
    let typed = [
        days("timestamp", DataType::Datetime(pl::TimeUnit::Milliseconds, None), 86_400_000),
        days("timestamp", DataType::Datetime(pl::TimeUnit::Microseconds, utc), 86_400_000_000),
        days("timestamp", DataType::Datetime(pl::TimeUnit::Nanoseconds, None), 86_400_000_000_000),
        Series::new("timestamp".into(), [15_317i32]).cast(&DataType::Date).unwrap(),
    ];
    let check = |schema: &EventSchema, time: Series| {
        let mut log = columns_of(&[("u", "a", "view", 0)]);
        log[3] = time.into_column();
        let (sequences, _) = read_columns(schema, log, ALL).unwrap();
        assert_eq!(lines(&sequences), ["u: a view 0"], "{:?}", schema.time_unit);
    };
    for time in typed {
        check(&shop(), time);
    }
    for (time_unit, per_second) in [
        (TimeUnit::Seconds, 1),
        (TimeUnit::Milliseconds, 1_000),
        (TimeUnit::Microseconds, 1_000_000),
        (TimeUnit::Nanoseconds, 1_000_000_000),
    ] {
        check(&EventSchema { time_unit, ..shop() }, Series::new("timestamp".into(), [DAY * per_second]));
    }
    check(&shop(), Series::new("timestamp".into(), [DAY as f64 + 0.75]));
}

#[test]
fn csv_keeps_ids_as_text_and_reads_dates() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.csv");
    for times in
        [["2011-12-09 00:00:01", "2011-12-09 00:00:03"], ["2011-12-09T00:00:01Z", "2011-12-09T00:00:03Z"]]
    {
        std::fs::write(
            &path,
            format!("who,what,when,extra\n007,1.50,{},x\n007,\"a,b\",{},y\n", times[0], times[1]),
        )
        .unwrap();
        let mut schema = shop();
        schema.columns.user_id = "who".into();
        schema.columns.item_id = "what".into();
        schema.columns.timestamp = "when".into();
        schema.columns.action = None;
        schema.actions.truncate(1);
        schema.positives[0].action = "view".into();
        let (sequences, _) = read(&schema, std::slice::from_ref(&path), options(), ALL).unwrap();
        assert_eq!(lines(&sequences), ["007: a,b view 3, 1.50 view 1"]);
    }
}

#[test]
fn surfaces_and_durations_also_where_only_some_files_have_them() {
    let folder = tempfile::tempdir().unwrap();
    let plain = write_parquet(&folder.path().join("1.parquet"), columns_of(&[("u", "a", "view", DAY)]));
    let mut log =
        columns_of(&[("u", "b", "view", DAY + 1), ("u", "c", "view", DAY + 2), ("v", "c", "view", DAY)]);
    log.push(Column::new("surface".into(), [Some("search"), Some("home"), None]));
    log.push(Column::new("duration_s".into(), [Some(12.0f64), None, Some(99.0)]));
    let rich = write_parquet(&folder.path().join("2.parquet"), log);
    let plain_again =
        write_parquet(&folder.path().join("3.parquet"), columns_of(&[("u", "d", "view", DAY + 3)]));
    let mut schema = shop();
    let on = Some(vec!["search".to_owned()]);
    schema.positives = vec![PositiveRule { action: "view".into(), longer_than_s: Some(10.0), surfaces: on }];
    let (sequences, _) = read(&schema, &[plain, rich, plain_again], options(), ALL).unwrap();
    assert_eq!(sequences.surfaces, ["search", "home"]);
    let u = sequences.users.iter().position(|id| id == "u").unwrap();
    let actions = &sequences.actions;
    assert_eq!(actions.surface[sequences.range(u)], [0, 2, 1, 0]);
    assert_eq!(actions.positive[sequences.range(u)], [false, false, true, false]);
    let durations: Vec<_> = actions.duration_s[sequences.range(u)].iter().map(ToString::to_string).collect();
    assert_eq!(durations, ["NaN", "NaN", "12", "NaN"]);
    assert_eq!(actions.surface.len(), sequences.n_actions());
}

#[test]
fn a_window_passes_over_other_events_good_or_bad() {
    let events = [("u", "a", "view", DAY - 1), ("u", "b", "view", DAY), ("w", "b", "nonsense", DAY + DAY_S)];
    let folder = tempfile::tempdir().unwrap();
    let file = write_parquet(&folder.path().join("events.parquet"), columns_of(&events));
    let day = ReadOptions { from_s: DAY, until_s: DAY + DAY_S, ..options() };
    let (sequences, report) = read(&shop(), std::slice::from_ref(&file), day, ALL).unwrap();
    assert_eq!(lines(&sequences), ["u: b view 0"]);
    assert_eq!((report.outside_range, report.n_bad()), (2, 0));
    let later = ReadOptions { from_s: DAY + DAY_S + 1, ..options() };
    let (none, report) = read(&shop(), &[file], later, ALL).unwrap();
    assert_eq!((none.n_users(), none.offsets.as_slice(), report.rows), (0, [0].as_slice(), 3));
}

#[test]
fn days_of_a_folder_are_one_log() {
    let root = tempfile::tempdir().unwrap();
    for (day, item, at) in [("2011-12-10", "late", DAY + DAY_S), ("2011-12-09", "early", DAY)] {
        let folder = root.path().join(format!("day={day}"));
        std::fs::create_dir(&folder).unwrap();
        write_parquet(&folder.join("part-0.parquet"), columns_of(&[("u", item, "view", at)]));
    }
    let files = event_files(root.path(), None).unwrap();
    let (sequences, report) = read(&shop(), &files, options(), ALL).unwrap();
    assert_eq!(lines(&sequences), ["u: late view 86400, early view 0"]);
    assert_eq!(report.files, 2);
}

#[test]
fn many_batches_give_what_one_gives() {
    let n = 300_000i64;
    let log = vec![
        Column::new("user_id".into(), (0..n).map(|row| row * 7 % 1000).collect::<Vec<_>>()),
        Column::new("item_id".into(), (0..n).map(|row| format!("item-{}", row % 777)).collect::<Vec<_>>()),
        Column::new("timestamp".into(), (0..n).map(|row| DAY + row / 10).collect::<Vec<_>>()),
    ];
    let mut schema = shop();
    schema.actions = vec!["buy".into()];
    let (sequences, report) =
        read_columns(&schema, log, Keep { newest: Some(256), look_back_days: None }).unwrap();
    assert_eq!((sequences.n_users(), report.rows, report.duplicates), (1000, n as u64, 0));
    assert_eq!(report.kept, 256_000);
    for user in 0..1000 {
        let id: i64 = sequences.users.get(user).parse().unwrap();
        let rows = (0..n).rev().filter(|row| row * 7 % 1000 == id).take(256);
        let expected: Vec<_> = rows.map(|row| (DAY + row / 10, format!("item-{}", row % 777))).collect();
        let found: Vec<_> = sequences
            .range(user)
            .map(|at| {
                let action = sequences.action(at);
                (action.timestamp, sequences.items.ids().get(action.item as usize).to_owned())
            })
            .collect();
        assert_eq!(found, expected, "user {id}");
    }
}

#[test]
fn folders_named_like_columns_say_nothing_about_the_rows() {
    let folder = tempfile::tempdir().unwrap();
    let below = folder.path().join("user_id=7/action=buy/surface=web/day=2011-12-09");
    std::fs::create_dir_all(&below).unwrap();
    let mut log = columns_of(&[("u", "a", "view", DAY)]);
    log.push(Column::new("day".into(), [20i64])); // a column of the file's own that a folder also has
    let file = write_parquet(&below.join("a.parquet"), log);
    let (sequences, _) = read(&shop(), &[file], options(), ALL).unwrap();
    assert_eq!(lines(&sequences), ["u: a view 0"]);
    assert!(sequences.actions.surface.is_empty());
}

#[test]
fn times_may_be_text() {
    let texts = ["2011-12-09 00:00:01 UTC", "2011-12-09T01:00:00+00:59", "2011-12-09", "1323388803"];
    let rows = texts.map(|_| ("u", "a", "view", 0));
    let mut log = columns_of(&rows);
    log[1] = Column::new("item_id".into(), ["a", "b", "c", "d"]);
    log[3] = Column::new("timestamp".into(), texts);
    let folder = tempfile::tempdir().unwrap();
    let file = write_parquet(&folder.path().join("events.parquet"), log);
    let (sequences, _) = read(&shop(), &[file], options(), ALL).unwrap();
    assert_eq!(lines(&sequences), ["u: b view 60, d view 3, a view 1, c view 0"]);
    let csv = folder.path().join("events.csv");
    let text = texts.iter().zip("abcd".chars()).map(|(time, item)| format!("u,{item},view,{time}\n"));
    std::fs::write(&csv, text.fold("user_id,item_id,action,timestamp\n".to_owned(), |all, row| all + &row))
        .unwrap();
    assert_eq!(lines(&read(&shop(), &[csv], options(), ALL).unwrap().0), lines(&sequences));

    let bigquery = folder.path().join("bigquery.csv");
    let rows = "u,a,view,2011-12-09 00:00:00 UTC\nu,b,view,2011-12-09 00:00:01.500000 UTC\n";
    std::fs::write(&bigquery, format!("user_id,item_id,action,timestamp\n{rows}")).unwrap();
    assert_eq!(lines(&read(&shop(), &[bigquery], options(), ALL).unwrap().0), ["u: b view 1, a view 0"]);
}
