//! Item lists that another program predicted: `user_id`, `item_id`, and `rank` or `score`, from Parquet or CSV.
//!
//! What comes out of [`read_lists`] has every item once in a list, and an order without contradictions.

use std::path::Path;

use dayvec_core::IdInterner;

use crate::columns::{CsvTable, TextColumn, is_csv, numbers, parquet_files, read_parquet, texts};
use crate::error::ItemsError;

const USER_ID: &str = "user_id";
const ITEM_ID: &str = "item_id";
const RANK: &str = "rank";
const SCORE: &str = "score";
/// Highest rank: counts up to it are exact in 32-bit floats, which scores are.
const LAST_RANK: f64 = (1 << 24) as f64;

/// An item of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListedItem {
    /// Row in [`ItemLists::items`].
    pub item: u32,
    /// Place in the list, from 1, at most 2^24. Items of equal score have equal places.
    pub place: u32,
}

/// A list of items for each of many users.
#[derive(Debug, Clone, Default)]
pub struct ItemLists {
    /// The users, in the order of their first rows.
    pub users: IdInterner,
    /// The items, in the order of their first rows.
    pub items: IdInterner,
    /// The list of each of `users`, best item first.
    pub lists: Vec<Vec<ListedItem>>,
}

/// Read lists from a `.csv` file with a header, or else from Parquet (a file, or a folder of `*.parquet`).
///
/// Columns: `user_id` and `item_id` (text or integers), and `rank` (1 for the best item, without gaps), `score` (the
/// highest for the best) or both. Equal scores are ties; ranks have none. Rows may come in any order; other columns are not
/// read.
///
/// # Errors
/// A file that cannot be read, or without these columns; a row without id, rank or score; a list with an item or a rank
/// twice, with a gap between ranks, or whose ranks say another order than its scores; no rows at all. Rows are counted
/// from 0.
pub fn read_lists(path: &Path) -> Result<ItemLists, ItemsError> {
    let mut reader = ListReader { path, lists: ItemLists::default(), rows: Vec::new(), n_rows: 0 };
    if is_csv(path) {
        let table = CsvTable::read(path)?;
        let present = table.names();
        let order = [RANK, SCORE].map(|name| {
            let is_present = present.iter().any(|other| other == name);
            is_present.then(|| reader.parsed(name, table.texts(name)?)).transpose()
        });
        reader.push([table.texts(USER_ID)?, table.texts(ITEM_ID)?], order, &present)?;
    } else {
        for file in parquet_files(path)? {
            for batch in read_parquet(&file, &[USER_ID, ITEM_ID], &[RANK, SCORE])? {
                let present: Vec<String> =
                    batch.schema().fields().iter().map(|field| field.name().clone()).collect();
                let order = [RANK, SCORE].map(|name| {
                    let is_present = batch.column_by_name(name).is_some();
                    is_present.then(|| numbers(&file, &batch, name)).transpose()
                });
                let ids = [texts(&file, &batch, USER_ID)?, texts(&file, &batch, ITEM_ID)?];
                reader.push(ids, order, &present)?;
            }
        }
    }
    reader.finish()
}

/// A column of ranks or scores, where the file has it.
type NumberColumn = Result<Option<Vec<Option<f64>>>, ItemsError>;

/// A row of a list.
#[derive(Debug, Clone, Copy)]
struct Row {
    item: u32,
    rank: Option<f64>,
    score: Option<f64>,
    at: usize,
}

/// The lists as far as they have been read.
struct ListReader<'a> {
    path: &'a Path,
    lists: ItemLists,
    /// Of each user, in the order of the input.
    rows: Vec<Vec<Row>>,
    n_rows: usize,
}

impl ListReader<'_> {
    fn bad_cell(&self, row: usize, column: &'static str, what: String) -> ItemsError {
        ItemsError::BadCell { path: self.path.to_owned(), row, column, what }
    }

    /// Numbers written as text.
    fn parsed(&self, column: &'static str, cells: TextColumn) -> Result<Vec<Option<f64>>, ItemsError> {
        let parse = |(row, cell): (usize, Option<String>)| {
            let not_a_number = |text| self.bad_cell(row, column, format!("`{text}`; it must be a number"));
            cell.map(|text| text.trim().parse::<f64>().map_err(|_| not_a_number(text))).transpose()
        };
        cells.into_iter().enumerate().map(parse).collect()
    }

    fn push(
        &mut self,
        [users, items]: [TextColumn; 2],
        [ranks, scores]: [NumberColumn; 2],
        present: &[String],
    ) -> Result<(), ItemsError> {
        let (ranks, scores) = (ranks?, scores?);
        if ranks.is_none() && scores.is_none() {
            return Err(ItemsError::NoOrder { path: self.path.to_owned(), present: present.to_vec() });
        }
        for (offset, (user, item)) in users.into_iter().zip(items).enumerate() {
            let at = self.n_rows + offset;
            let user = self.id(at, USER_ID, user)?;
            let item = self.id(at, ITEM_ID, item)?;
            let rank = ranks.as_ref().map(|ranks| self.rank(at, ranks[offset])).transpose()?;
            let score = scores.as_ref().map(|scores| self.score(at, scores[offset])).transpose()?;
            let user = self.lists.users.intern(&user) as usize;
            let item = self.lists.items.intern(&item);
            if user == self.rows.len() {
                self.rows.push(Vec::new());
            }
            self.rows[user].push(Row { item, rank, score, at });
        }
        self.n_rows += ranks.or(scores).map_or(0, |column| column.len());
        Ok(())
    }

    fn id(&self, row: usize, column: &'static str, id: Option<String>) -> Result<String, ItemsError> {
        let missing = || self.bad_cell(row, column, "null or empty; give every row an id".to_owned());
        id.filter(|id| !id.is_empty()).ok_or_else(missing)
    }

    fn rank(&self, row: usize, rank: Option<f64>) -> Result<f64, ItemsError> {
        let is_rank = |rank: f64| rank.fract() == 0.0 && (1.0..=LAST_RANK).contains(&rank);
        rank.filter(|&rank| is_rank(rank)).ok_or_else(|| {
            let found = rank.map_or("null".to_owned(), |rank| rank.to_string());
            self.bad_cell(row, RANK, format!("{found}; ranks are whole numbers, 1 for the best item"))
        })
    }

    fn score(&self, row: usize, score: Option<f64>) -> Result<f64, ItemsError> {
        score.filter(|score| score.is_finite()).ok_or_else(|| {
            let found = score.map_or("null".to_owned(), |score| score.to_string());
            self.bad_cell(row, SCORE, format!("{found}; leave out what was not retrieved"))
        })
    }

    fn finish(mut self) -> Result<ItemLists, ItemsError> {
        if self.n_rows == 0 {
            return Err(ItemsError::NoLists { path: self.path.to_owned() });
        }
        for (user, rows) in std::mem::take(&mut self.rows).into_iter().enumerate() {
            let list = self.list(rows).map_err(|what| ItemsError::BadList {
                path: self.path.to_owned(),
                user: self.lists.users.ids().get(user).to_owned(),
                what,
            })?;
            self.lists.lists.push(list);
        }
        Ok(self.lists)
    }

    /// The list of one user, or what is wrong with it.
    fn list(&self, mut rows: Vec<Row>) -> Result<Vec<ListedItem>, String> {
        rows.sort_by_key(|row| (row.item, row.at));
        if let Some([first, second]) = rows.array_windows().find(|[a, b]| a.item == b.item) {
            let item = self.lists.items.ids().get(first.item as usize);
            return Err(format!(
                "item `{item}` is in the rows {} and {}; list an item once",
                first.at, second.at
            ));
        }
        let order = |row: &Row| (row.rank.unwrap_or(0.0), -row.score.unwrap_or(0.0));
        rows.sort_by(|a, b| {
            let (a, b) = (order(a), order(b));
            a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1))
        });
        for (expected, row) in (1..).zip(&rows) {
            let Some(rank) = row.rank.map(|rank| rank as usize) else { break };
            if rank < expected {
                return Err(format!("rank {rank} is there twice, in row {} again", row.at));
            }
            if rank > expected {
                return Err(format!(
                    "rank {expected} is missing, and rank {rank} is there; ranks have no gaps"
                ));
            }
        }
        let rises = |[a, b]: &&[Row; 2]| matches!((a.score, b.score), (Some(a), Some(b)) if a < b);
        if let Some([a, b]) = rows.array_windows().find(rises) {
            return Err(format!(
                "by its rank row {} is before row {}, by its score behind it; correct one, or leave out a column",
                a.at, b.at
            ));
        }
        let mut place = 0;
        let mut before = None;
        let placed = rows.iter().map(|row| {
            if row.score.is_none() || row.score != before {
                place += 1;
            }
            before = row.score;
            ListedItem { item: row.item, place }
        });
        Ok(placed.collect())
    }
}
