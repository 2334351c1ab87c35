//! The share of the user buckets that one of several workers or replicas has: `I/N`.

use std::fmt;
use std::num::NonZeroU32;
use std::ops::Range;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The `index`-th of `count` shards, counted from 0; written `I/N`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Shard {
    index: u32,
    count: NonZeroU32,
}

impl Shard {
    /// All buckets.
    pub const WHOLE: Self = Self { index: 0, count: NonZeroU32::MIN };

    /// Whether there is only one.
    #[must_use]
    pub const fn is_whole(self) -> bool {
        self.count.get() == 1
    }

    /// Its number, below [`Self::count`].
    #[must_use]
    pub const fn index(self) -> u32 {
        self.index
    }

    /// The number of shards.
    #[must_use]
    pub const fn count(self) -> u32 {
        self.count.get()
    }

    /// The user buckets of this shard, of `n_buckets` in all. The lengths of two shards differ by at most one; some are
    /// empty when there are more shards than buckets.
    #[must_use]
    pub fn buckets(self, n_buckets: u32) -> Range<u32> {
        let begin = |index: u32| {
            let bucket = u64::from(index) * u64::from(n_buckets) / u64::from(self.count());
            u32::try_from(bucket).expect("at most n_buckets")
        };
        begin(self.index)..begin(self.index + 1)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text
            .split_once('/')
            .and_then(|(index, count)| Some(Self { index: index.parse().ok()?, count: count.parse().ok()? }));
        parsed.filter(|shard| shard.index < shard.count()).ok_or_else(|| {
            format!("`{text}` is not a shard; write I/N with I from 0 to N - 1, for example 0/4")
        })
    }
}

impl TryFrom<String> for Shard {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Shard> for String {
    fn from(shard: Shard) -> Self {
        shard.to_string()
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bucket_is_in_one_shard() {
        for (count, n_buckets) in [(1, 1), (1, 16), (3, 16), (4, 16), (16, 16), (5, 3), (7, u32::MAX)] {
            let shards: Vec<Shard> =
                (0..count).map(|index| format!("{index}/{count}").parse().unwrap()).collect();
            let ranges: Vec<_> = shards.iter().map(|shard| shard.buckets(n_buckets)).collect();
            assert_eq!((ranges[0].start, ranges[count - 1].end), (0, n_buckets));
            assert!(ranges.windows(2).all(|pair| pair[0].end == pair[1].start), "{ranges:?}");
            let lengths = ranges.iter().map(ExactSizeIterator::len);
            assert!(lengths.clone().max().unwrap() - lengths.min().unwrap() <= 1, "{ranges:?}");
        }
    }

    #[test]
    fn it_is_written_as_it_is_read() {
        for text in ["0/1", "2/3"] {
            assert_eq!(text.parse::<Shard>().unwrap().to_string(), text);
        }
        assert!(Shard::WHOLE.is_whole() && Shard::WHOLE == "0/1".parse().unwrap());
        for wrong in ["", "3", "3/3", "-1/3", "a/b", "0/0"] {
            assert!(wrong.parse::<Shard>().unwrap_err().contains("0/4"), "{wrong}");
        }
    }
}
