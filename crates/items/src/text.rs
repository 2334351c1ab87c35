//! Item text from CSV or Parquet: what gives an item without events its vector.

use std::path::Path;

use dayvec_core::{IdColumn, IdInterner};
use serde::{Deserialize, Serialize};

use crate::columns::{TextColumn, is_csv, parquet_files, read_csv, read_parquet, texts};
use crate::error::ItemsError;

/// Names of the columns of an item file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TextColumns {
    /// Item id: text or integer, written as in the events.
    pub item_id: String,
    /// Text columns (title, description, department, brand, …); joined in this order. May be empty: then only titles and
    /// interests are taken.
    pub text: Vec<String>,
    /// Title of the item for reports, if there is one.
    pub title: Option<String>,
    /// Interest label of the item for Interest Entropy, if there is one.
    pub interest: Option<String>,
}

impl Default for TextColumns {
    fn default() -> Self {
        Self { item_id: "item_id".into(), text: vec!["text".into()], title: None, interest: None }
    }
}

/// What an item file says about its items; every column has one entry an item.
#[derive(Debug, Clone, Default)]
pub struct ItemText {
    /// Item ids.
    pub ids: IdInterner,
    /// The text columns, joined by line breaks so that no pair of words spans two columns.
    pub text: IdColumn,
    /// Titles, where the file has them; empty text for none.
    pub titles: Option<IdColumn>,
    /// Interest labels, where the file has them; empty text for none.
    pub interests: Option<IdColumn>,
    /// Rows that were skipped because their id was null or empty.
    pub n_without_id: usize,
    /// Rows that were skipped because an earlier row had the same id.
    pub n_repeated: usize,
}

/// Read item text from a `.csv` file with a header, or else from Parquet (a file, or a folder of `*.parquet`).
///
/// A row without an id and a second row of an item are counted and skipped, with a warning in the log.
///
/// # Errors
/// When the file cannot be read, or lacks one of `columns`, or such a column is neither text nor integers.
pub fn read_item_text(path: &Path, columns: &TextColumns) -> Result<ItemText, ItemsError> {
    let names = wanted(columns);
    let mut text = ItemText {
        titles: columns.title.as_ref().map(|_| IdColumn::default()),
        interests: columns.interest.as_ref().map(|_| IdColumn::default()),
        ..ItemText::default()
    };
    if is_csv(path) {
        text.push(columns, &read_csv(path, &names)?);
    } else {
        for file in parquet_files(path)? {
            for batch in read_parquet(&file, &names, &[])? {
                let cells: Result<Vec<_>, _> = names.iter().map(|name| texts(&file, &batch, name)).collect();
                text.push(columns, &cells?);
            }
        }
    }
    if text.n_without_id + text.n_repeated > 0 {
        let path = path.display().to_string();
        tracing::warn!(path, text.n_without_id, text.n_repeated, "skipped rows of the item file");
    }
    Ok(text)
}

/// The columns in the order in which `push` expects them: id, texts, title, interest.
fn wanted(columns: &TextColumns) -> Vec<&str> {
    let texts = columns.text.iter();
    std::iter::once(&columns.item_id)
        .chain(texts)
        .chain(&columns.title)
        .chain(&columns.interest)
        .map(String::as_str)
        .collect()
}

impl ItemText {
    fn push(&mut self, columns: &TextColumns, cells: &[TextColumn]) {
        let (ids, cells) = cells.split_first().expect("the id column is always read");
        let (texts, mut others) = cells.split_at(columns.text.len());
        let mut next = |given: bool| {
            let (first, rest) = if given { others.split_first()? } else { return None };
            others = rest;
            Some(first)
        };
        let (titles, interests) = (next(self.titles.is_some()), next(self.interests.is_some()));
        for (row, id) in ids.iter().enumerate() {
            let Some(id) = id.as_deref().filter(|id| !id.is_empty()) else {
                self.n_without_id += 1;
                continue;
            };
            if self.ids.find(id).is_some() {
                self.n_repeated += 1;
                continue;
            }
            self.ids.intern(id);
            let parts: Vec<&str> = texts.iter().filter_map(|column| column[row].as_deref()).collect();
            self.text.push(&parts.join("\n"));
            for (column, cells) in [(&mut self.titles, titles), (&mut self.interests, interests)] {
                if let (Some(column), Some(cells)) = (column, cells) {
                    column.push(cells[row].as_deref().unwrap_or_default());
                }
            }
        }
    }
}
