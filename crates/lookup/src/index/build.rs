//! Laying a snapshot out as an index file, row by row: memory is 16 bytes a row, whatever the width.

use std::fs::File;
use std::io::{BufWriter, Seek as _, SeekFrom, Write};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use dayvec_core::{EmbeddingBlock, IdColumn, id_hash};
use half::f16;

use super::layout::{DIGEST, Element, HEADER_BYTES, Layout, RECORD_HEAD_BYTES, Table, slot};
use super::{Index, IndexError};

/// Bytes gathered before each write.
const BUFFER_BYTES: usize = 1 << 20;

/// What must be known before the first row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Width of an embedding.
    pub dim: usize,
    /// How numbers are kept.
    pub element: Element,
    /// Number of users.
    pub n_users: usize,
    /// Number of items.
    pub n_items: usize,
}

/// Writes an index file: users first, then items, then [`IndexBuilder::finish`].
#[derive(Debug)]
pub struct IndexBuilder {
    path: PathBuf,
    file: File,
    shape: Shape,
    /// The table that rows go to.
    table: TableWriter,
    /// The finished table of users, once items have begun.
    users: Option<Table>,
    /// Sum of the user embeddings, `[dim]`.
    sum: Vec<f64>,
}

/// The table under construction. Two handles of one file: records and ids grow side by side.
#[derive(Debug)]
struct TableWriter {
    records: BufWriter<File>,
    ids: BufWriter<File>,
    ids_len: usize,
    table: Table,
    keys: Vec<(u64, usize)>,
}

impl IndexBuilder {
    /// Begin a file at `path`, which is replaced.
    ///
    /// # Errors
    /// [`IndexError::Io`] when the file can't be made; [`IndexError::BadSnapshot`] for a width of 0 or too many rows.
    pub fn create(path: &Path, shape: Shape) -> Result<Self, IndexError> {
        if shape.dim == 0 || shape.n_users.max(shape.n_items) > u32::MAX as usize {
            return Err(IndexError::BadSnapshot(format!("{shape:?} is out of range")));
        }
        let io = |source| IndexError::Io { verb: "create", path: path.to_owned(), source };
        let file =
            File::options().read(true).write(true).create(true).truncate(true).open(path).map_err(io)?;
        let table = TableWriter::begin(path, HEADER_BYTES, shape.n_users, stride(shape)).map_err(io)?;
        Ok(Self { path: path.to_owned(), file, shape, table, users: None, sum: vec![0.0; shape.dim] })
    }

    /// Add users, in any order.
    ///
    /// # Errors
    /// [`IndexError::BadSnapshot`] for another width, a number that is not finite, or more users than announced.
    pub fn add_users(&mut self, block: &EmbeddingBlock) -> Result<(), IndexError> {
        self.check(&block.ids, block.dim, &block.values, "user")?;
        for row in 0..block.len() {
            let numbers = block.embedding(row);
            for (sum, number) in self.sum.iter_mut().zip(numbers) {
                *sum += f64::from(*number);
            }
            let times = [block.last_action_at[row], block.computed_at[row]];
            self.push(block.ids.get(row), times, numbers)?;
        }
        Ok(())
    }

    /// Add items with their embeddings (row-major `[n, dim]`), in any order, after all users.
    ///
    /// # Errors
    /// As [`IndexBuilder::add_users`].
    pub fn add_items(&mut self, ids: &IdColumn, values: &[f32]) -> Result<(), IndexError> {
        self.begin_items()?;
        self.check(ids, self.shape.dim, values, "item")?;
        for (id, numbers) in ids.iter().zip(values.chunks_exact(self.shape.dim)) {
            self.push(id, [0, 0], numbers)?;
        }
        Ok(())
    }

    /// Write what remains, with `about` for [`Index::about`], make it durable, and open the index.
    ///
    /// # Errors
    /// [`IndexError::BadSnapshot`] when rows are missing or an id has two; [`IndexError::Io`].
    pub fn finish(mut self, about: &[u8]) -> Result<Index, IndexError> {
        self.begin_items()?;
        let (items, end) = self.end_table("items", self.shape.n_items)?;
        let users = self.users.expect("begin_items has set it");
        let mut tail = unit_mean(&self.sum);
        let layout = Layout {
            dim: self.shape.dim,
            element: self.shape.element,
            users,
            items,
            mean: end,
            about: end + tail.len(),
            about_len: about.len(),
            file_len: end + tail.len() + about.len(),
        };
        tail.extend_from_slice(about);
        self.seal(&layout, &tail).map_err(|source| IndexError::Io {
            verb: "write",
            path: self.path.clone(),
            source,
        })?;
        Index::open(&self.path)
    }

    fn seal(&self, layout: &Layout, tail: &[u8]) -> std::io::Result<()> {
        self.file.write_all_at(tail, layout.mean as u64)?;
        self.file.write_all_at(&layout.to_bytes(), 0)?;
        let mut hasher = blake3::Hasher::new();
        let mut file = &self.file;
        file.seek(SeekFrom::Start(DIGEST.end as u64))?;
        std::io::copy(&mut std::io::BufReader::with_capacity(BUFFER_BYTES, file), &mut hasher)?;
        self.file.write_all_at(hasher.finalize().as_bytes(), DIGEST.start as u64)?;
        self.file.sync_all()
    }

    fn begin_items(&mut self) -> Result<(), IndexError> {
        if self.users.is_some() {
            return Ok(());
        }
        let (users, end) = self.end_table("users", self.shape.n_users)?;
        self.users = Some(users);
        self.table = TableWriter::begin(&self.path, end, self.shape.n_items, stride(self.shape))
            .map_err(|source| IndexError::Io { verb: "write", path: self.path.clone(), source })?;
        Ok(())
    }

    fn end_table(&mut self, what: &str, expected: usize) -> Result<(Table, usize), IndexError> {
        let n_rows = self.table.keys.len();
        if n_rows != expected {
            return Err(IndexError::BadSnapshot(format!(
                "its parts hold {n_rows} {what}, its manifest says {expected}"
            )));
        }
        self.table.end().map_err(|source| IndexError::Io { verb: "write", path: self.path.clone(), source })
    }

    fn check(&self, ids: &IdColumn, dim: usize, values: &[f32], what: &str) -> Result<(), IndexError> {
        let expected = self.shape.dim;
        let bad = |reason: String| Err(IndexError::BadSnapshot(reason));
        if dim != expected || values.len() != ids.len() * expected {
            return bad(format!("{what} embeddings have {dim} numbers, the manifest says {expected}"));
        }
        if self.table.keys.len() + ids.len() > self.table.table.n_rows {
            return bad(format!("its parts hold more {what}s than its manifest says"));
        }
        match values.iter().position(|number| !number.is_finite()) {
            Some(at) => bad(format!("{what} `{}` has a number that is not finite", ids.get(at / expected))),
            None => Ok(()),
        }
    }

    fn push(&mut self, id: &str, times: [i64; 2], numbers: &[f32]) -> Result<(), IndexError> {
        self.table.push(id, times, numbers, self.shape.element).map_err(|source| IndexError::Io {
            verb: "write",
            path: self.path.clone(),
            source,
        })
    }
}

impl TableWriter {
    fn begin(path: &Path, at: usize, n_rows: usize, stride: usize) -> std::io::Result<Self> {
        let ids = at + n_rows * stride;
        // Cloned handles share one position, so each writer opens its own.
        let writer_at = |at: usize| -> std::io::Result<BufWriter<File>> {
            let mut own = File::options().write(true).open(path)?;
            own.seek(SeekFrom::Start(at as u64))?;
            Ok(BufWriter::with_capacity(BUFFER_BYTES, own))
        };
        let table = Table { n_rows, records: at, ids, ..Table::default() };
        Ok(Self {
            records: writer_at(at)?,
            ids: writer_at(ids)?,
            ids_len: 0,
            table,
            keys: Vec::with_capacity(n_rows),
        })
    }

    fn push(&mut self, id: &str, times: [i64; 2], numbers: &[f32], element: Element) -> std::io::Result<()> {
        self.keys.push((id_hash(id), self.keys.len()));
        let head = [self.ids_len as u64, id.len() as u64, times[0] as u64, times[1] as u64];
        const { assert!(RECORD_HEAD_BYTES == 4 * 8, "the head is four words") };
        for word in head {
            self.records.write_all(&word.to_le_bytes())?;
        }
        match element {
            Element::F32 => {
                numbers.iter().try_for_each(|number| self.records.write_all(&number.to_le_bytes()))?
            }
            Element::F16 => numbers
                .iter()
                .try_for_each(|number| self.records.write_all(&f16::from_f32(*number).to_le_bytes()))?,
        }
        self.ids_len += id.len();
        self.ids.write_all(id.as_bytes())
    }

    /// Write keys and directory behind the ids; returns the table and where it ends.
    fn end(&mut self) -> std::io::Result<(Table, usize)> {
        let mut keys = std::mem::take(&mut self.keys);
        keys.sort_unstable();
        self.records.flush()?;
        let mut table = self.table;
        let aligned = (table.ids + self.ids_len).next_multiple_of(8);
        self.ids.write_all(&[0; 8][..aligned - table.ids - self.ids_len])?;
        table.keys = aligned;
        for (hash, row) in &keys {
            self.ids.write_all(&hash.to_le_bytes())?;
            self.ids.write_all(&(*row as u64).to_le_bytes())?;
        }
        table.directory = table.keys + keys.len() * super::layout::KEY_BYTES;
        // One to two keys an entry: the keys of an entry nearly always share a cache line.
        table.directory_bits = keys.len().max(1).ilog2() as usize;
        let n_slots = 1_usize << table.directory_bits;
        let mut first = 0;
        for wanted in 0..=n_slots {
            while first < keys.len() && slot(keys[first].0, table.directory_bits) < wanted {
                first += 1;
            }
            self.ids.write_all(&(first as u32).to_le_bytes())?;
        }
        self.ids.flush()?;
        let end = table.directory + (n_slots + 1) * super::layout::ENTRY_BYTES;
        Ok((table, end.next_multiple_of(64)))
    }
}

const fn stride(shape: Shape) -> usize {
    RECORD_HEAD_BYTES + shape.dim * shape.element.bytes()
}

/// The direction of `sum` as f32 bytes; zeros when it has none.
fn unit_mean(sum: &[f64]) -> Vec<u8> {
    let norm = sum.iter().map(|number| number * number).sum::<f64>().sqrt();
    let scale = if norm > 0.0 { norm.recip() } else { 0.0 };
    sum.iter().flat_map(|number| ((number * scale) as f32).to_le_bytes()).collect()
}
