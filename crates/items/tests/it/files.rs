use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::types::Float32Type;
use arrow_array::{ArrayRef, Float64Array, Int64Array, ListArray, RecordBatch, StringArray};
use dayvec_core::{IdColumn, IdInterner, ItemTable};
use dayvec_items::{ItemsError, check_dim, items_version, read_items, write_items};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use tempfile::TempDir;

fn table() -> ItemTable {
    let ids: IdColumn = ["a", "7", "ü"].into_iter().collect();
    ItemTable {
        ids: IdInterner::from(ids),
        dim: 2,
        features: vec![1.0, -0.5, f32::MIN_POSITIVE, 1e30, 0.1, 0.0],
        interests: Some(["toys", "", "books"].into_iter().collect()),
        titles: Some(["A", "Seven", ""].into_iter().collect()),
    }
}

type Embeddings = Vec<Option<Vec<Option<f32>>>>;

pub(crate) fn written(folder: &Path, name: &str, columns: Vec<(&str, ArrayRef)>) -> PathBuf {
    let path = folder.join(name);
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let file = std::fs::File::create(&path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    path
}

fn lists(embeddings: Embeddings) -> ArrayRef {
    Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(embeddings))
}

fn texts(ids: Vec<Option<&str>>) -> ArrayRef {
    Arc::new(StringArray::from(ids))
}

/// The message for a table of these ids and embeddings.
fn refusal(ids: Vec<Option<&str>>, embeddings: Embeddings) -> String {
    let folder = TempDir::new().unwrap();
    let columns = vec![("item_id", texts(ids)), ("embedding", lists(embeddings))];
    read_items(&written(folder.path(), "items.parquet", columns)).unwrap_err().to_string()
}

fn check(message: &str, expected: &[&str]) {
    for part in expected {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}

fn vector(values: &[f32]) -> Option<Vec<Option<f32>>> {
    Some(values.iter().copied().map(Some).collect())
}

#[test]
fn a_written_table_reads_back_to_the_bit() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("items.parquet");
    let table = table();
    write_items(&table, &path).unwrap();
    let back = read_items(&path).unwrap();
    assert_eq!(back.features, table.features);
    assert_eq!(back.ids.ids(), table.ids.ids());
    assert_eq!((&back.interests, &back.titles, back.dim), (&table.interests, &table.titles, 2));
    assert_eq!(items_version(&back), items_version(&table));
}

#[test]
fn every_part_of_the_content_makes_the_version() {
    let versions = [
        items_version(&table()),
        items_version(&ItemTable { dim: 1, ..table() }),
        items_version(&ItemTable { interests: None, ..table() }),
        items_version(&ItemTable { titles: table().interests, interests: table().titles, ..table() }),
        items_version(&ItemTable {
            features: vec![1.0, -0.5, f32::MIN_POSITIVE, 1e30, 0.1, -0.0],
            ..table()
        }),
    ];
    for (at, version) in versions.iter().enumerate() {
        assert_eq!(version.len(), 32);
        assert!(!versions[..at].contains(version), "version {at} repeats");
    }
}

#[test]
fn integer_ids_and_a_folder_of_parts_are_read() {
    let folder = TempDir::new().unwrap();
    let ids = |ids: Vec<i64>| Arc::new(Int64Array::from(ids)) as ArrayRef;
    let first =
        vec![("item_id", ids(vec![10, -2])), ("embedding", lists(vec![vector(&[1.0]), vector(&[2.0])]))];
    let second = vec![
        ("item_id", ids(vec![3])),
        ("embedding", lists(vec![vector(&[3.0])])),
        ("title", texts(vec![Some("three")])),
    ];
    written(folder.path(), "part-1.parquet", first);
    written(folder.path(), "part-2.parquet", second);
    let table = read_items(folder.path()).unwrap();
    assert_eq!(table.ids.ids().iter().collect::<Vec<_>>(), ["10", "-2", "3"]);
    assert_eq!(table.features, [1.0, 2.0, 3.0]);
    assert_eq!((table.title(0), table.title(2)), ("10", "three"));
    assert_eq!(table.interests, None);
}

#[test]
fn a_missing_column_is_named_beside_those_there_are() {
    let folder = TempDir::new().unwrap();
    let columns = vec![("id", texts(vec![Some("a")])), ("embedding", lists(vec![vector(&[1.0])]))];
    let path = written(folder.path(), "items.parquet", columns);
    check(&read_items(&path).unwrap_err().to_string(), &["items.parquet", "`item_id`", "\"id\"", "rename"]);
}

#[test]
fn a_column_of_another_type_says_which_is_needed() {
    let folder = TempDir::new().unwrap();
    let floats = Arc::new(Float64Array::from(vec![1.0])) as ArrayRef;
    let embedding = ("embedding", lists(vec![vector(&[1.0])]));
    let path = written(folder.path(), "a.parquet", vec![("item_id", Arc::clone(&floats)), embedding]);
    check(&read_items(&path).unwrap_err().to_string(), &["`item_id`", "Float64", "text or integers"]);
    let path =
        written(folder.path(), "b.parquet", vec![("item_id", texts(vec![Some("a")])), ("embedding", floats)]);
    check(&read_items(&path).unwrap_err().to_string(), &["`embedding`", "Float64", "list of floats"]);
}

#[test]
fn a_vector_of_another_width_is_refused_with_row_item_and_widths() {
    let message = refusal(vec![Some("a"), Some("b")], vec![vector(&[1.0, 2.0]), vector(&[1.0])]);
    check(&message, &["row 1", "`b`", "has width 1", "has width 2"]);
    let message = refusal(vec![Some("a"), Some("b")], vec![vector(&[1.0, 2.0]), None]);
    check(&message, &["row 1", "`b`", "has width 0"]);
    check(&refusal(vec![Some("a")], vec![vector(&[])]), &["row 0", "`a`"]);
    check(&check_dim(&table(), 3).unwrap_err().to_string(), &["have width 2", "with width 3"]);
    check_dim(&table(), 2).unwrap();
}

#[test]
fn a_number_that_is_not_finite_is_refused_with_item_and_position() {
    let ids = || vec![Some("a"), Some("b")];
    let message = refusal(ids(), vec![vector(&[1.0, 2.0]), vector(&[3.0, f32::NAN])]);
    check(&message, &["row 1", "`b`", "NaN", "position 1"]);
    let message = refusal(ids(), vec![vector(&[f32::NEG_INFINITY, 2.0]), vector(&[3.0, 1.0])]);
    check(&message, &["row 0", "`a`", "-inf", "position 0"]);
    check(&refusal(ids(), vec![vector(&[1.0]), Some(vec![None])]), &["`b`", "null", "position 0"]);
}

#[test]
fn null_empty_and_repeated_ids_are_refused() {
    let two = || vec![vector(&[1.0]), vector(&[2.0])];
    check(&refusal(vec![Some("a"), None], two()), &["row 1", "null"]);
    check(&refusal(vec![Some(""), Some("b")], two()), &["row 0", "empty"]);
    check(&refusal(vec![Some("a"), Some("a")], two()), &["row 1", "`a`", "row 0"]);
}

#[test]
fn no_rows_no_file_and_no_parquet_are_different_errors() {
    check(&refusal(vec![], vec![]), &["no items"]);
    let folder = TempDir::new().unwrap();
    check(&read_items(folder.path()).unwrap_err().to_string(), &["no items"]);
    let path = folder.path().join("items.parquet");
    check(&read_items(&path).unwrap_err().to_string(), &["cannot open", "items.parquet"]);
    std::fs::write(&path, "item_id,embedding\n").unwrap();
    check(&read_items(&path).unwrap_err().to_string(), &["items.parquet", "as Parquet"]);
    let written = write_items(&table(), &folder.path().join("absent").join("items.parquet"));
    assert!(matches!(written, Err(ItemsError::Write { .. })));
}
