use std::path::PathBuf;

use dayvec_items::{TextColumns, read_item_text};
use tempfile::TempDir;

fn csv(folder: &TempDir, content: &str) -> PathBuf {
    let path = folder.path().join("items.csv");
    std::fs::write(&path, content).unwrap();
    path
}

fn columns(text: &[&str]) -> TextColumns {
    TextColumns {
        item_id: "sku".into(),
        text: text.iter().map(|&name| name.to_owned()).collect(),
        title: Some("name".into()),
        interest: Some("department".into()),
    }
}

#[test]
fn columns_are_mapped_and_joined() {
    let folder = TempDir::new().unwrap();
    let path = csv(
        &folder,
        "name,sku,department,price\n\"Hat, red\",007,clothes,3\nVase,8,,4\n,9,garden,\nTwice,8,x,1\nNo id,,y,2\n",
    );
    let text = read_item_text(&path, &columns(&["name", "department"])).unwrap();
    assert_eq!(text.ids.ids().iter().collect::<Vec<_>>(), ["007", "8", "9"], "ids stay as written");
    assert_eq!(text.text.iter().collect::<Vec<_>>(), ["Hat, red\nclothes", "Vase", "garden"]);
    assert_eq!(text.titles.unwrap().iter().collect::<Vec<_>>(), ["Hat, red", "Vase", ""]);
    assert_eq!(text.interests.unwrap().iter().collect::<Vec<_>>(), ["clothes", "", "garden"]);
    assert_eq!((text.n_repeated, text.n_without_id), (1, 1));
}

#[test]
fn parquet_gives_the_same_as_csv_without_text_columns_too() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("items.parquet");
    let table = dayvec_core::ItemTable {
        ids: dayvec_core::IdInterner::from(["a", "b"].into_iter().collect::<dayvec_core::IdColumn>()),
        dim: 1,
        features: vec![1.0, 2.0],
        interests: None,
        titles: Some(["Hat", "Vase"].into_iter().collect()),
    };
    dayvec_items::write_items(&table, &path).unwrap();
    let columns = TextColumns { title: Some("title".into()), text: vec![], ..TextColumns::default() };
    let text = read_item_text(&path, &columns).unwrap();
    assert_eq!(text.titles.unwrap().iter().collect::<Vec<_>>(), ["Hat", "Vase"]);
    assert_eq!(text.text.iter().collect::<Vec<_>>(), ["", ""]);
    assert!(text.interests.is_none());
}

#[test]
fn what_is_missing_is_named() {
    let folder = TempDir::new().unwrap();
    let path = csv(&folder, "sku,name,department\n1,Hat,clothes\n");
    let message = read_item_text(&path, &columns(&["brand"])).unwrap_err().to_string();
    for part in ["items.csv", "`brand`", "department", "map it"] {
        assert!(message.contains(part), "{message}");
    }
    let absent = read_item_text(&folder.path().join("absent.csv"), &columns(&[])).unwrap_err().to_string();
    assert!(absent.contains("cannot open") && absent.contains("absent.csv"), "{absent}");
}
