//! An append-only log of JSON records in a folder: `<folder>/<20 digits>.json`, numbered from 1.

use std::fmt;
use std::marker::PhantomData;

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Bucket, BucketError, Created};

const READS_AT_ONCE: usize = 16;

/// Unusable records behind the newest whole one that are looked at; more are no accident, but a store that can't be read.
const MOST_DAMAGED: usize = 64;

/// What a log holds.
pub trait Record: Serialize + DeserializeOwned {
    /// The number that the record itself states; a record under another number is damaged. `None` when it states none.
    fn sequence(&self) -> Option<u64> {
        None
    }

    /// What is wrong with a record that parses; such a record is damaged too.
    ///
    /// # Errors
    /// The reason, as what follows "is damaged:".
    fn check(&self) -> Result<(), String> {
        Ok(())
    }
}

/// A record that can't be used: it is damaged, it is gone, or the store refuses to show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DamagedRecord {
    /// Its number.
    pub number: u64,
    /// Its key.
    pub key: String,
    /// Why, in one sentence.
    pub reason: String,
}

/// Records of a log. One that can't be used does not hide the others: it is reported beside them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Records<T> {
    /// The usable ones, oldest first.
    pub whole: Vec<T>,
    /// The others, oldest first.
    pub damaged: Vec<DamagedRecord>,
}

/// The end of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tail<T> {
    /// The newest usable record; `None` when there is none.
    pub newest: Option<T>,
    /// Unusable records that are newer, newest first.
    pub damaged: Vec<DamagedRecord>,
    /// The newest number, whatever is under it; 0 in an empty log.
    pub last: u64,
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

/// What was found under a number.
enum Read<T> {
    Whole(T),
    Damaged(DamagedRecord, BucketError),
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
            Ok(record) => match (record.sequence(), record.check()) {
                (Some(stated), _) if stated != number => format!("it states the number {stated}"),
                (_, Err(reason)) => reason,
                _ => return Ok(record),
            },
            Err(error) => format!("it does not parse: {error}"),
        };
        Err(BucketError::Damaged { url: self.bucket.url().to_string(), key, reason })
    }

    /// The records after `number`; 0 for all.
    ///
    /// # Errors
    /// [`BucketError::Unreachable`]; [`BucketError::Denied`] when the store shows none of them.
    pub async fn read_after(&self, number: u64) -> Result<Records<T>, BucketError> {
        let reads = self.numbers_after(number).await?.into_iter().map(|number| self.read_or_damage(number));
        let mut reads = futures::stream::iter(reads).buffered(READS_AT_ONCE);
        let mut records = Records { whole: Vec::new(), damaged: Vec::new() };
        let mut denied = None;
        while let Some(read) = reads.try_next().await? {
            match read {
                Read::Whole(record) => records.whole.push(record),
                Read::Damaged(damaged, error) => {
                    records.damaged.push(damaged);
                    denied = denied.or(error.is_denied().then_some(error));
                }
            }
        }
        match denied {
            Some(error) if records.whole.is_empty() => Err(error),
            _ => Ok(records),
        }
    }

    /// The end of the log: the newest usable record, and what is newer.
    ///
    /// # Errors
    /// As [`Self::read_after`], and the newest record's error when too many in a row can't be used.
    pub async fn tail(&self) -> Result<Tail<T>, BucketError> {
        let numbers = self.numbers_after(0).await?;
        let mut tail = Tail { newest: None, damaged: Vec::new(), last: numbers.last().copied().unwrap_or(0) };
        let mut first = None;
        for &number in numbers.iter().rev() {
            match self.read_or_damage(number).await? {
                Read::Whole(record) => {
                    tail.newest = Some(record);
                    return Ok(tail);
                }
                Read::Damaged(damaged, error) => {
                    tail.damaged.push(damaged);
                    first = first.or(Some(error));
                }
            }
            if tail.damaged.len() == MOST_DAMAGED {
                break;
            }
        }
        match first {
            Some(error) if error.is_denied() || tail.damaged.len() == MOST_DAMAGED => Err(error),
            _ => Ok(tail),
        }
    }

    async fn read_or_damage(&self, number: u64) -> Result<Read<T>, BucketError> {
        match self.read(number).await {
            Ok(record) => Ok(Read::Whole(record)),
            Err(error) if error.is_of_one_object() => {
                let damaged = DamagedRecord { number, key: self.key(number), reason: error.to_string() };
                Ok(Read::Damaged(damaged, error))
            }
            Err(error) => Err(error),
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
        assert_eq!(log.tail().await.unwrap(), Tail { newest: None, damaged: Vec::new(), last: 0 });
        for number in [2, 10, 9] {
            assert_eq!(log.append(number, &note(number, "ours")).await.unwrap(), Append::Done);
        }
        let taken = log.append(9, &note(9, "theirs")).await.unwrap();
        assert_eq!(taken, Append::Taken(note(9, "ours")));
        log.bucket.put_new("log/notes.txt", "not a record".into()).await.unwrap();
        assert_eq!(log.numbers_after(0).await.unwrap(), [2, 9, 10]);
        assert_eq!(log.read_after(2).await.unwrap().whole, [note(9, "ours"), note(10, "ours")]);
        assert_eq!(log.tail().await.unwrap().newest, Some(note(10, "ours")));
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

    #[tokio::test]
    async fn a_damaged_record_does_not_hide_the_others() {
        let log = log("log");
        log.append(1, &note(1, "one")).await.unwrap();
        log.bucket.put_new(&log.key(2), "".into()).await.unwrap();
        log.append(3, &note(3, "three")).await.unwrap();
        log.append(4, &note(9, "moved")).await.unwrap();
        let records = log.read_after(0).await.unwrap();
        assert_eq!(records.whole, [note(1, "one"), note(3, "three")]);
        let damaged: Vec<_> = records.damaged.iter().map(|damaged| damaged.number).collect();
        assert_eq!(damaged, [2, 4]);
        assert!(records.damaged[0].reason.contains(&log.key(2)), "{:?}", records.damaged[0]);
        let tail = log.tail().await.unwrap();
        assert_eq!((tail.newest, tail.last), (Some(note(3, "three")), 4));
        assert!(tail.damaged[0].reason.contains("it states the number 9"), "{:?}", tail.damaged);
    }

    #[tokio::test]
    async fn a_log_of_damage_alone_is_not_read_without_end() {
        let log = log("log");
        for number in 1..=MOST_DAMAGED as u64 + 1 {
            log.bucket.put_new(&log.key(number), "{".into()).await.unwrap();
        }
        let message = log.tail().await.unwrap_err().to_string();
        assert!(message.contains(&log.key(MOST_DAMAGED as u64 + 1)), "{message}");
        assert_eq!(log.read_after(0).await.unwrap().damaged.len(), MOST_DAMAGED + 1);
    }
}
