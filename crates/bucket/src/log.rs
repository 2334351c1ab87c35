//! An append-only log of JSON records in a folder: `<folder>/<20 digits>.json`, numbered from 1.

use std::fmt;
use std::marker::PhantomData;

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Bucket, BucketError, Created};

const READS_AT_ONCE: usize = 16;

/// What a log holds.
pub trait Record: Serialize + DeserializeOwned {
    /// The number that the record itself states; a record under another number is damaged. `None` when it states none.
    fn sequence(&self) -> Option<u64> {
        None
    }
}

/// The result of an append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Append<T> {
    /// The record is written.
    Done,
    /// The number was taken, by this record: nothing was written. It may equal ours, when the store's answer to a first
    /// try got lost.
    Taken(T),
}

/// A log of numbered records of one type. Its order is that of the numbers: no clock takes part in it.
///
/// An appender takes the number after the newest; of two that take the same, one succeeds and the other gets
/// [`Append::Taken`].
pub struct Log<T> {
    bucket: Bucket,
    folder: String,
    record: PhantomData<fn() -> T>,
}

impl<T: Record> Log<T> {
    /// The log in `folder`, which need not exist yet.
    #[must_use]
    pub fn new(bucket: &Bucket, folder: impl Into<String>) -> Self {
        Self { bucket: bucket.clone(), folder: folder.into(), record: PhantomData }
    }

    /// Key of a record; 20 digits, so that keys sort as numbers.
    #[must_use]
    pub fn key(&self, number: u64) -> String {
        format!("{}/{number:020}.json", self.folder)
    }

    /// Numbers of the records after `number`, ascending; 0 for all.
    ///
    /// # Errors
    /// [`BucketError::Unreachable`], [`BucketError::Denied`].
    pub async fn numbers_after(&self, number: u64) -> Result<Vec<u64>, BucketError> {
        let entries = self.bucket.list_after(&self.folder, Some(&self.key(number))).await?;
        Ok(entries.iter().filter_map(|entry| self.number_of(&entry.key)).collect())
    }

    /// Read a record.
    ///
    /// # Errors
    /// [`BucketError::Damaged`] for one that does not parse or states another number, else as [`Bucket::get`].
    pub async fn read(&self, number: u64) -> Result<T, BucketError> {
        let key = self.key(number);
        let bytes = self.bucket.get(&key).await?;
        let reason = match serde_json::from_slice::<T>(&bytes) {
            Ok(record) => match record.sequence() {
                Some(stated) if stated != number => format!("it states the number {stated}"),
                _ => return Ok(record),
            },
            Err(error) => format!("it does not parse: {error}"),
        };
        Err(BucketError::Damaged { url: self.bucket.url().to_string(), key, reason })
    }

    /// The records after `number`, oldest first; 0 for all.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn read_after(&self, number: u64) -> Result<Vec<T>, BucketError> {
        let reads = self.numbers_after(number).await?.into_iter().map(|number| self.read(number));
        futures::stream::iter(reads).buffered(READS_AT_ONCE).try_collect().await
    }

    /// The newest record; `None` in an empty log.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub async fn newest(&self) -> Result<Option<T>, BucketError> {
        match self.numbers_after(0).await?.last() {
            Some(&number) => self.read(number).await.map(Some),
            None => Ok(None),
        }
    }

    /// Write a record, unless its number is taken.
    ///
    /// # Errors
    /// As [`Bucket::put_new`], and as [`Self::read`] when the number is taken.
    pub async fn append(&self, number: u64, record: &T) -> Result<Append<T>, BucketError> {
        match self.bucket.put_new(&self.key(number), to_json(record)).await? {
            Created::Yes => Ok(Append::Done),
            Created::AlreadyThere => Ok(Append::Taken(self.read(number).await?)),
        }
    }

    /// Number of a record's key; `None` for any other key.
    fn number_of(&self, key: &str) -> Option<u64> {
        let digits = key.strip_prefix(&self.folder)?.strip_prefix('/')?.strip_suffix(".json")?;
        if digits.len() != 20 {
            return None;
        }
        digits.parse().ok()
    }
}

impl<T> Clone for Log<T> {
    fn clone(&self) -> Self {
        Self { bucket: self.bucket.clone(), folder: self.folder.clone(), record: PhantomData }
    }
}

impl<T> fmt::Debug for Log<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("bucket", &self.bucket).field("folder", &self.folder).finish()
    }
}

fn to_json(record: &impl Serialize) -> Bytes {
    let mut bytes = serde_json::to_vec_pretty(record).expect("records are plain data with text keys");
    bytes.push(b'\n');
    bytes.into()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Note {
        sequence: u64,
        text: String,
    }

    impl Record for Note {
        fn sequence(&self) -> Option<u64> {
            Some(self.sequence)
        }
    }

    fn log(folder: &str) -> Log<Note> {
        Log::new(&Bucket::open(&"memory:///".parse().unwrap()).unwrap(), folder)
    }

    fn note(sequence: u64, text: &str) -> Note {
        Note { sequence, text: text.into() }
    }

    #[test]
    fn only_numbered_keys_are_records() {
        let log = log("announcements");
        assert_eq!(log.key(42), "announcements/00000000000000000042.json");
        assert_eq!(log.number_of(&log.key(u64::MAX)), Some(u64::MAX));
        for other in ["announcements/42.json", "announcements/readme.md", "pins/00000000000000000042.json"] {
            assert_eq!(log.number_of(other), None);
        }
    }

    #[tokio::test]
    async fn a_number_is_taken_once_and_the_order_is_that_of_numbers() {
        let log = log("log");
        assert_eq!(log.newest().await.unwrap(), None);
        for number in [2, 10, 9] {
            assert_eq!(log.append(number, &note(number, "ours")).await.unwrap(), Append::Done);
        }
        let taken = log.append(9, &note(9, "theirs")).await.unwrap();
        assert_eq!(taken, Append::Taken(note(9, "ours")));
        log.bucket.put_new("log/notes.txt", "not a record".into()).await.unwrap();
        assert_eq!(log.numbers_after(0).await.unwrap(), [2, 9, 10]);
        assert_eq!(log.read_after(2).await.unwrap(), [note(9, "ours"), note(10, "ours")]);
        assert_eq!(log.newest().await.unwrap(), Some(note(10, "ours")));
    }

    #[tokio::test]
    async fn a_damaged_record_is_named() {
        let log = log("log");
        log.bucket.put_new(&log.key(1), "{".into()).await.unwrap();
        log.append(2, &note(3, "moved")).await.unwrap();
        for (number, expected) in [(1, "it does not parse"), (2, "it states the number 3")] {
            let error = log.read(number).await.unwrap_err();
            let message = error.to_string();
            assert!(matches!(error, BucketError::Damaged { .. }), "{message}");
            assert!(message.contains(&log.key(number)) && message.contains(expected), "{message}");
        }
    }
}
