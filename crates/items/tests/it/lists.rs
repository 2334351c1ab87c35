//! Lists that another program predicted.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int32Array, Int64Array, StringArray};
use dayvec_items::{ItemLists, read_lists};
use tempfile::TempDir;

use crate::files::written;

/// The list of a user: items with their places.
fn list(lists: &ItemLists, user: &str) -> Vec<(String, u32)> {
    let list = &lists.lists[lists.users.find(user).unwrap() as usize];
    list.iter().map(|listed| (lists.items.ids().get(listed.item as usize).to_owned(), listed.place)).collect()
}

fn places(places: &[(&str, u32)]) -> Vec<(String, u32)> {
    places.iter().map(|&(item, place)| (item.to_owned(), place)).collect()
}

/// The lists of a CSV file.
fn csv(text: &str) -> Result<ItemLists, String> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("lists.csv");
    std::fs::write(&path, text).unwrap();
    read_lists(&path).map_err(|error| error.to_string())
}

#[test]
fn rows_in_any_order_become_lists_in_the_order_of_their_ranks() {
    let folder = TempDir::new().unwrap();
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("user_id", Arc::new(Int64Array::from(vec![7, 8, 7, 7]))),
        ("item_id", Arc::new(StringArray::from(vec!["a", "a", "b", "c"]))),
        ("rank", Arc::new(Int32Array::from(vec![3, 1, 1, 2]))),
    ];
    let lists = read_lists(&written(folder.path(), "lists.parquet", columns)).unwrap();
    assert_eq!(list(&lists, "7"), places(&[("b", 1), ("c", 2), ("a", 3)]));
    assert_eq!(list(&lists, "8"), places(&[("a", 1)]));
}

#[test]
fn parts_of_a_list_in_several_files_are_one_list() {
    let folder = TempDir::new().unwrap();
    for (name, item, score) in [("1.parquet", "a", 0.5), ("2.parquet", "b", 0.75)] {
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("user_id", Arc::new(StringArray::from(vec!["u"]))),
            ("item_id", Arc::new(StringArray::from(vec![item]))),
            ("score", Arc::new(Float64Array::from(vec![score]))),
        ];
        written(folder.path(), name, columns);
    }
    assert_eq!(list(&read_lists(folder.path()).unwrap(), "u"), places(&[("b", 1), ("a", 2)]));
}

#[test]
fn equal_scores_are_ties_and_ids_are_as_they_are_written() {
    let lists = csv("user_id,item_id,score\n007,x,-1\n007,y,2.5\n007,z,2.5\n").unwrap();
    let mut first = list(&lists, "007");
    first.sort();
    assert_eq!(first, places(&[("x", 2), ("y", 1), ("z", 1)]));
    let both = csv("user_id,item_id,rank,score\nu,x,1,0.5\nu,y,2,0.5\nu,z,3,0.25\n").unwrap();
    assert_eq!(list(&both, "u"), places(&[("x", 1), ("y", 1), ("z", 2)]));
}

#[test]
fn every_fault_is_named_where_it_is() {
    for (text, expected) in [
        ("user_id,item_id,rank\nu,a,1\nu,b,1\n", "user `u`: rank 1 is there twice, in row 1 again"),
        ("user_id,item_id,rank\nu,a,1\nu,a,2\n", "user `u`: item `a` is in the rows 0 and 1"),
        ("user_id,item_id,rank\nu,a,1\nu,b,3\n", "user `u`: rank 2 is missing, and rank 3 is there"),
        ("user_id,item_id,rank\nu,a,0\n", "row 0: rank is 0; ranks are whole numbers, 1 for the best"),
        ("user_id,item_id,rank\nu,a,1.5\n", "row 0: rank is 1.5;"),
        ("user_id,item_id,rank\nu,a,first\n", "row 0: rank is `first`; it must be a number"),
        ("user_id,item_id,rank\nu,a,\n", "row 0: rank is null;"),
        ("user_id,item_id,score\nu,a,NaN\n", "row 0: score is NaN; leave out what was not retrieved"),
        ("user_id,item_id,score\nu,a,1\n,b,2\n", "row 1: user_id is null or empty"),
        ("user_id,item_id,score\nu,,1\n", "row 0: item_id is null or empty"),
        ("user_id,item_id\nu,a\n", "column `rank` (1 for the best item) or `score`"),
        ("user,item_id,rank\nu,a,1\n", "column `user_id` is missing; the file has [\"user\""),
        ("user_id,item_id,rank\n", "no rows"),
        (
            "user_id,item_id,rank,score\nu,a,1,0.5\nu,b,2,0.75\n",
            "user `u`: by its rank row 0 is before row 1, by its score behind it",
        ),
    ] {
        let message = csv(text).unwrap_err();
        assert!(message.contains(expected) && message.contains("lists.csv"), "{message}");
    }
}
