//! TensorBoard's files: scalars by step, as records of a length, its checksum, a protobuf message, its checksum.
//!
//! The format is TensorFlow's `TFRecord` framing around `tensorflow.Event` messages; only what scalars need is here.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use prost::Message;

/// One record of such a file (`tensorflow.Event`).
#[derive(Clone, PartialEq, Message)]
pub struct TensorboardRecord {
    /// Unix seconds of the write.
    #[prost(double, tag = "1")]
    pub wall_time: f64,
    /// Training step.
    #[prost(int64, tag = "2")]
    pub step: i64,
    /// The version of the format, in the first record only.
    #[prost(string, optional, tag = "3")]
    pub file_version: Option<String>,
    /// The scalars.
    #[prost(message, optional, tag = "5")]
    pub summary: Option<TensorboardSummary>,
}

/// A group of scalars (`tensorflow.Summary`).
#[derive(Clone, PartialEq, Message)]
pub struct TensorboardSummary {
    /// The scalars.
    #[prost(message, repeated, tag = "1")]
    pub value: Vec<TensorboardScalar>,
}

/// A number with a name (`tensorflow.Summary.Value`).
#[derive(Clone, PartialEq, Message)]
pub struct TensorboardScalar {
    /// Its name; `a/b` is shown in group `a`.
    #[prost(string, tag = "1")]
    pub tag: String,
    /// The number.
    #[prost(float, tag = "2")]
    pub simple_value: f32,
}

/// Writes one file.
#[derive(Debug)]
pub struct TensorboardWriter {
    file: BufWriter<File>,
    path: PathBuf,
}

impl TensorboardWriter {
    /// Start a new file in `folder`, which is made if it is missing. `first_step` is part of the name, so a resumed
    /// run adds a file.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn create(folder: &Path, first_step: u64) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let wall_time = now_s();
        let name = format!(
            "events.out.tfevents.{:010}.dayvec.{}.{first_step}",
            wall_time as u64,
            std::process::id()
        );
        let path = folder.join(name);
        let mut writer = Self { file: BufWriter::new(File::create(&path)?), path };
        let version = Some("brain.Event:2".to_owned());
        writer.write(&TensorboardRecord { wall_time, step: 0, file_version: version, summary: None })?;
        writer.file.flush()?;
        Ok(writer)
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Add the scalars of a step, and hand them to the kernel so that a running TensorBoard sees them.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn scalars(&mut self, step: u64, scalars: &[(&str, f64)]) -> io::Result<()> {
        let value = scalars
            .iter()
            .map(|&(tag, value)| TensorboardScalar { tag: tag.to_owned(), simple_value: value as f32 });
        let summary = Some(TensorboardSummary { value: value.collect() });
        self.write(&TensorboardRecord {
            wall_time: now_s(),
            step: step as i64,
            file_version: None,
            summary,
        })?;
        self.file.flush()
    }

    fn write(&mut self, record: &TensorboardRecord) -> io::Result<()> {
        let message = record.encode_to_vec();
        let length = (message.len() as u64).to_le_bytes();
        self.file.write_all(&length)?;
        self.file.write_all(&masked_crc(&length).to_le_bytes())?;
        self.file.write_all(&message)?;
        self.file.write_all(&masked_crc(&message).to_le_bytes())
    }
}

/// Read a file back.
///
/// # Errors
/// When it cannot be read, is cut off, or a checksum does not match.
pub fn read_tensorboard(path: &Path) -> io::Result<Vec<TensorboardRecord>> {
    let bytes = std::fs::read(path)?;
    let damaged =
        |what: &str| io::Error::new(io::ErrorKind::InvalidData, format!("{}: {what}", path.display()));
    let mut rest = &bytes[..];
    let mut records = Vec::new();
    while !rest.is_empty() {
        let length = checked(&mut rest, 8).ok_or_else(|| damaged("a record's length is damaged"))?;
        let length =
            length.try_into().map(u64::from_le_bytes).map_err(|_| damaged("a length is not 8 bytes"))?;
        let message = checked(&mut rest, length as usize).ok_or_else(|| damaged("a record is damaged"))?;
        records.push(TensorboardRecord::decode(message).map_err(|error| damaged(&error.to_string()))?);
    }
    Ok(records)
}

/// Take `n` bytes and the checksum behind them from the front of `rest`; `None` when they are missing or damaged.
fn checked<'a>(rest: &mut &'a [u8], n: usize) -> Option<&'a [u8]> {
    let (content, behind) = rest.split_at_checked(n)?;
    let (checksum, behind) = behind.split_first_chunk::<4>()?;
    *rest = behind;
    (u32::from_le_bytes(*checksum) == masked_crc(content)).then_some(content)
}

/// The checksum of the record format: CRC-32C, rotated and shifted so that a checksum over checksums is not trivial.
fn masked_crc(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

fn now_s() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = TensorboardWriter::create(folder.path(), 7).unwrap();
        writer.scalars(7, &[("train/loss", 2.5), ("speed/users_per_s", 1e6)]).unwrap();
        writer.scalars(8, &[("train/loss", 2.25)]).unwrap();
        let records = read_tensorboard(writer.path()).unwrap();
        assert_eq!(records[0].file_version.as_deref(), Some("brain.Event:2"));
        assert_eq!((records[1].step, records[2].step), (7, 8));
        let scalars = &records[1].summary.as_ref().unwrap().value;
        assert_eq!((scalars[0].tag.as_str(), scalars[0].simple_value), ("train/loss", 2.5));
        assert_eq!(scalars[1].simple_value, 1e6);
    }

    #[test]
    fn bytes_are_those_of_the_format() {
        // The header that TensorFlow itself writes for the 24 bytes of a version record.
        assert_eq!(masked_crc(&24_u64.to_le_bytes()).to_le_bytes(), [0xa3, 0x7f, 0x4b, 0x22]);
        let message =
            TensorboardRecord { wall_time: 0.5, step: 3, file_version: None, summary: None }.encode_to_vec();
        assert_eq!(message, [9, 0, 0, 0, 0, 0, 0, 0xe0, 0x3f, 16, 3]);
    }

    #[test]
    fn damage_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = TensorboardWriter::create(folder.path(), 0).unwrap();
        writer.scalars(1, &[("a", 1.0)]).unwrap();
        let mut bytes = std::fs::read(writer.path()).unwrap();
        let last = bytes.len() - 6;
        bytes[last] ^= 1;
        std::fs::write(writer.path(), bytes).unwrap();
        assert!(read_tensorboard(writer.path()).unwrap_err().to_string().contains("damaged"));
    }
}
