//! Building an index file from a snapshot in one pass: it takes at most 40 bytes of memory per row, whatever the width.

use std::fs::File;
use std::io::{BufWriter, Seek as _, SeekFrom, Write};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use dayvec_core::{EmbeddingBlock, IdColumn, id_hash};
use half::f16;

use super::layout::{
    ALIGNMENT, DIGEST, Element, HEADER_BYTES, Layout, MOST_PLACE, RECORD_HEAD_BYTES, SLOT_BYTES, Table,
    first_slot, may_be, place, slot, slot_bits,
};
use super::read::Index;
use crate::LookupError;

/// Bytes gathered before each write.
const BUFFER_BYTES: usize = 1 << 20;

/// What the builder needs to know before the first row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Width of an embedding.
    pub dim: usize,
    /// Type of the numbers.
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
    shape: Shape,
    to: Output,
    /// Hash and place of each record of the table under construction.
    keys: Vec<(u64, usize)>,
    /// The finished table of users, once items have begun.
    users: Option<Table>,
    /// Places of records that may have one id: the bits of their hashes in the slots agree.
    suspects: Vec<(usize, usize)>,
    /// Sum of the user embeddings, `[dim]`.
    sum: Vec<f64>,
    /// Sum of the users' norms.
    norms: f64,
}

/// The file, written from front to back, with the digest of what has been written.
#[derive(Debug)]
struct Output {
    file: BufWriter<File>,
    hasher: blake3::Hasher,
    len: usize,
    /// The record or slots that are about to be written.
    buffer: Vec<u8>,
}

impl IndexBuilder {
    /// Create a file at `path`, or replace it.
    ///
    /// # Errors
    /// [`LookupError::Disk`] when the file can't be made; [`LookupError::BadSnapshot`] for embeddings of width 0.
    pub fn create(path: &Path, shape: Shape) -> Result<Self, LookupError> {
        if shape.dim == 0 {
            return Err(LookupError::BadSnapshot("its embeddings have width 0".to_owned()));
        }
        let to = Output::create(path).map_err(|source| LookupError::Disk {
            verb: "create",
            path: path.to_owned(),
            source,
        })?;
        Ok(Self {
            path: path.to_owned(),
            shape,
            to,
            keys: Vec::new(),
            users: None,
            suspects: Vec::new(),
            sum: vec![0.0; shape.dim],
            norms: 0.0,
        })
    }

    /// Add users, in any order.
    ///
    /// # Errors
    /// [`LookupError::BadSnapshot`] for another width, a number that is not finite, or more users than announced.
    pub fn add_users(&mut self, block: &EmbeddingBlock) -> Result<(), LookupError> {
        self.check(&block.ids, block.dim, &block.values, "user")?;
        for row in 0..block.len() {
            let numbers = block.embedding(row);
            let mut square = 0.0;
            for (sum, number) in self.sum.iter_mut().zip(numbers) {
                *sum += f64::from(*number);
                square += f64::from(*number).powi(2);
            }
            self.norms += square.sqrt();
            self.push(block.ids.get(row), [block.last_action_at[row], block.computed_at[row]], numbers)?;
        }
        Ok(())
    }

    /// Add items with their embeddings (row-major `[n, dim]`), in any order, after all users.
    ///
    /// # Errors
    /// As [`IndexBuilder::add_users`].
    pub fn add_items(&mut self, ids: &IdColumn, values: &[f32]) -> Result<(), LookupError> {
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
    /// [`LookupError::BadSnapshot`] when rows are missing or an id has two; [`LookupError::Disk`].
    pub fn finish(mut self, about: &[u8]) -> Result<Index, LookupError> {
        self.begin_items()?;
        let items = self.end_table("items", self.shape.n_items)?;
        let users = self.users.expect("begin_items has set it");
        let mean = usual_user(&self.sum, self.norms / self.shape.n_users.max(1) as f64);
        let layout = Layout {
            dim: self.shape.dim,
            element: self.shape.element,
            users,
            items,
            mean: self.to.len,
            about: self.to.len + mean.len(),
            about_len: about.len(),
            file_len: self.to.len + mean.len() + about.len(),
        };
        let Self { path, mut to, suspects, .. } = self;
        let written = to.write(&mean).and_then(|()| to.write(about)).and_then(|()| to.seal(&layout));
        written.map_err(|source| LookupError::Disk { verb: "write", path: path.clone(), source })?;
        let index = Index::open(&path)?;
        match suspects.iter().find(|(one, other)| index.have_one_id(*one, *other)) {
            Some((one, _)) => {
                let id = String::from_utf8_lossy(index.id(*one));
                Err(LookupError::BadSnapshot(format!("`{id}` has two rows")))
            }
            None => Ok(index),
        }
    }

    fn begin_items(&mut self) -> Result<(), LookupError> {
        if self.users.is_none() {
            self.users = Some(self.end_table("users", self.shape.n_users)?);
        }
        Ok(())
    }

    /// Write the slots of the table under construction.
    fn end_table(&mut self, what: &str, expected: usize) -> Result<Table, LookupError> {
        let keys = std::mem::take(&mut self.keys);
        let n_rows = keys.len();
        if n_rows != expected {
            return Err(LookupError::BadSnapshot(format!(
                "its parts contain {n_rows} {what}, but its manifest says {expected}"
            )));
        }
        self.to.align().map_err(|source| self.failed(source))?;
        let table = Table { n_rows, slots: self.to.len, slot_bits: slot_bits(n_rows) };
        let mut slots = vec![0_u64; 1 << table.slot_bits];
        for (hash, at) in keys {
            let mut free = first_slot(hash, table.slot_bits);
            while slots[free] != 0 {
                if may_be(slots[free], hash) {
                    self.suspects.push((place(slots[free]), at));
                }
                free = (free + 1) & (slots.len() - 1);
            }
            slots[free] = slot(hash, at);
        }
        self.to.slots(&slots).map_err(|source| self.failed(source))?;
        Ok(table)
    }

    fn check(&self, ids: &IdColumn, dim: usize, values: &[f32], what: &str) -> Result<(), LookupError> {
        let expected = self.shape.dim;
        let bad = |reason: String| Err(LookupError::BadSnapshot(reason));
        if dim != expected || values.len() != ids.len() * expected {
            return bad(format!("{what} embeddings have width {dim}, but the manifest says {expected}"));
        }
        let n_rows = if what == "user" { self.shape.n_users } else { self.shape.n_items };
        if self.keys.len() + ids.len() > n_rows {
            return bad(format!("its parts contain more {what}s than its manifest says"));
        }
        match values.iter().position(|number| !number.is_finite()) {
            Some(at) => bad(format!("{what} `{}` has a number that is not finite", ids.get(at / expected))),
            None => Ok(()),
        }
    }

    fn push(&mut self, id: &str, times: [i64; 2], numbers: &[f32]) -> Result<(), LookupError> {
        if self.to.len > MOST_PLACE {
            return Err(LookupError::BadSnapshot("it is larger than an index can be".to_owned()));
        }
        self.keys.push((id_hash(id), self.to.len));
        self.to.record(id, times, numbers, self.shape.element).map_err(|source| self.failed(source))
    }

    fn failed(&self, source: std::io::Error) -> LookupError {
        LookupError::Disk { verb: "write", path: self.path.clone(), source }
    }
}

impl Output {
    fn create(path: &Path) -> std::io::Result<Self> {
        let mut file = File::create(path)?;
        file.seek(SeekFrom::Start(HEADER_BYTES as u64))?;
        let file = BufWriter::with_capacity(BUFFER_BYTES, file);
        Ok(Self { file, hasher: blake3::Hasher::new(), len: HEADER_BYTES, buffer: Vec::new() })
    }

    fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.hasher.update(bytes);
        self.len += bytes.len();
        self.file.write_all(bytes)
    }

    fn record(
        &mut self,
        id: &str,
        times: [i64; 2],
        numbers: &[f32],
        element: Element,
    ) -> std::io::Result<()> {
        let mut record = std::mem::take(&mut self.buffer);
        record.clear();
        for word in [times[0] as u64, times[1] as u64, id.len() as u64] {
            record.extend_from_slice(&word.to_le_bytes());
        }
        const { assert!(RECORD_HEAD_BYTES == 3 * 8, "the head is three words") };
        match element {
            Element::F32 => record.extend(numbers.iter().flat_map(|number| number.to_le_bytes())),
            Element::F16 => {
                record.extend(numbers.iter().flat_map(|number| f16::from_f32(*number).to_le_bytes()))
            }
        }
        record.extend_from_slice(id.as_bytes());
        record.resize(record.len().next_multiple_of(ALIGNMENT), 0);
        let written = self.write(&record);
        self.buffer = record;
        written
    }

    /// Pad to the start of the next cache line.
    fn align(&mut self) -> std::io::Result<()> {
        let gap = self.len.next_multiple_of(64) - self.len;
        self.write(&[0; 64][..gap])
    }

    fn slots(&mut self, slots: &[u64]) -> std::io::Result<()> {
        let mut bytes = std::mem::take(&mut self.buffer);
        for slots in slots.chunks(BUFFER_BYTES / SLOT_BYTES) {
            bytes.clear();
            bytes.extend(slots.iter().flat_map(|slot| slot.to_le_bytes()));
            self.write(&bytes)?;
        }
        self.buffer = bytes;
        Ok(())
    }

    /// Write the header, the digest last, and wait until all of it is on the disk.
    fn seal(mut self, layout: &Layout) -> std::io::Result<()> {
        let mut header = layout.to_bytes();
        self.hasher.update(&header[DIGEST.end..]);
        header[DIGEST].copy_from_slice(self.hasher.finalize().as_bytes());
        self.file.flush()?;
        self.file.get_ref().write_all_at(&header, 0)?;
        self.file.get_ref().sync_all()
    }
}

/// The direction of `sum` at a norm, as f32 bytes; zeros when it has none. With users of unit norm it is the unit vector in
/// the direction of their mean; a bare mean of different directions would be shorter than any user, and score lower.
fn usual_user(sum: &[f64], norm_of_users: f64) -> Vec<u8> {
    let norm = length(sum);
    let scale = if norm > 0.0 { norm_of_users / norm } else { 0.0 };
    sum.iter().flat_map(|number| ((number * scale) as f32).to_le_bytes()).collect()
}

fn length(numbers: &[f64]) -> f64 {
    numbers.iter().map(|number| number * number).sum::<f64>().sqrt()
}
