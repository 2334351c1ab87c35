//! An append-only log of records in a folder: `<folder>/<20 digits>.json`, numbered from 1.

use bytes::Bytes;

use crate::{Bucket, BucketError, Created};

/// A log of numbered records. Its order is that of the numbers: no clock takes part in it.
///
/// Who appends takes the number after the newest; of two who take the same, one is first and the other is told.
#[derive(Debug, Clone)]
pub struct Records {
    bucket: Bucket,
    folder: String,
}

impl Records {
    /// The log in `folder`, which need not be there yet.
    #[must_use]
    pub fn new(bucket: &Bucket, folder: impl Into<String>) -> Self {
        Self { bucket: bucket.clone(), folder: folder.into() }
    }

    /// Key of a record; 20 digits, so that keys sort as numbers.
    #[must_use]
    pub fn key(&self, number: u64) -> String {
        format!("{}/{number:020}.json", self.folder)
    }

    /// Numbers of the records after `number`, ascending; 0 asks for all.
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
    /// As [`Bucket::get`].
    pub async fn get(&self, number: u64) -> Result<Bytes, BucketError> {
        self.bucket.get(&self.key(number)).await
    }

    /// Write a record, unless its number is taken.
    ///
    /// # Errors
    /// As [`Bucket::put_new`].
    pub async fn put(&self, number: u64, record: Bytes) -> Result<Created, BucketError> {
        self.bucket.put_new(&self.key(number), record).await
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbered_keys_are_records() {
        let bucket = Bucket::open(&"memory:///".parse().unwrap()).unwrap();
        let records = Records::new(&bucket, "announcements");
        assert_eq!(records.key(42), "announcements/00000000000000000042.json");
        assert_eq!(records.number_of(&records.key(u64::MAX)), Some(u64::MAX));
        for other in ["announcements/42.json", "announcements/readme.md", "pins/00000000000000000042.json"] {
            assert_eq!(records.number_of(other), None);
        }
    }

    #[tokio::test]
    async fn a_number_is_taken_once_and_the_order_is_that_of_numbers() {
        let bucket = Bucket::open(&"memory:///".parse().unwrap()).unwrap();
        let records = Records::new(&bucket, "log");
        for number in [2, 10, 9] {
            assert_eq!(records.put(number, "mine".into()).await.unwrap(), Created::Yes);
        }
        assert_eq!(records.put(9, "theirs".into()).await.unwrap(), Created::AlreadyThere);
        assert_eq!(records.get(9).await.unwrap(), "mine");
        bucket.put_new("log/notes.txt", "not a record".into()).await.unwrap();
        assert_eq!(records.numbers_after(0).await.unwrap(), [2, 9, 10]);
        assert_eq!(records.numbers_after(9).await.unwrap(), [10]);
        assert!(Records::new(&bucket, "nothing").numbers_after(0).await.unwrap().is_empty());
    }
}
