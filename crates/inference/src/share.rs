//! A worker's share of a run: which waves of buckets are its own.

use std::fmt;
use std::str::FromStr;

/// Where Kubernetes says which index of an Indexed Job this is, and how many shares there are.
const INDEX: &str = "JOB_COMPLETION_INDEX";
const COUNT: &str = "DAYVEC_SHARDS";

/// One of `count` workers on a run, counted from 0; written `I/N`.
///
/// Every worker plans the whole run, and encodes each `count`-th wave. Whoever finishes the last one commits. Two
/// workers on one share are harmless: what is done is skipped, and the same bytes come out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    index: u32,
    count: u32,
}

impl Share {
    /// The whole run.
    pub const WHOLE: Self = Self { index: 0, count: 1 };

    /// The share that the environment names; the whole run where it names none.
    ///
    /// # Errors
    /// A sentence, when it names half of it or a wrong one.
    pub fn of_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        match (variable(INDEX), variable(COUNT)) {
            (Some(index), Some(count)) => {
                format!("{index}/{count}").parse().map_err(|fault| format!("{INDEX} and {COUNT}: {fault}"))
            }
            (None, Some(_)) => {
                Err(format!("{COUNT} is set without {INDEX}; use --shard I/N outside of a Job"))
            }
            (_, None) => Ok(Self::WHOLE),
        }
    }

    /// Whether the wave of this number is this worker's.
    #[must_use]
    pub const fn has(self, wave: usize) -> bool {
        wave % self.count as usize == self.index as usize
    }
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text
            .split_once('/')
            .and_then(|(index, count)| Some(Self { index: index.parse().ok()?, count: count.parse().ok()? }));
        parsed
            .filter(|share| share.index < share.count)
            .ok_or_else(|| format!("`{text}` is no share; write I/N with I from 0 to N - 1, for example 0/4"))
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wave_is_in_one_share() {
        let shares: Vec<Share> = (0..3).map(|index| format!("{index}/3").parse().unwrap()).collect();
        for wave in 0..10 {
            assert_eq!(shares.iter().filter(|share| share.has(wave)).count(), 1);
            assert!(Share::WHOLE.has(wave));
        }
        for wrong in ["", "3", "3/3", "-1/3", "a/b", "0/0"] {
            assert!(wrong.parse::<Share>().unwrap_err().contains("0/4"), "{wrong}");
        }
    }

    #[test]
    fn an_indexed_job_names_its_share() {
        let environment = |index: Option<&str>, count: Option<&str>| {
            let (index, count) = (index.map(str::to_owned), count.map(str::to_owned));
            Share::of_environment(move |name| if name == INDEX { index.clone() } else { count.clone() })
        };
        assert_eq!(environment(Some("2"), Some("4")).unwrap(), "2/4".parse().unwrap());
        assert_eq!(environment(None, None).unwrap(), Share::WHOLE);
        assert_eq!(environment(Some("0"), None).unwrap(), Share::WHOLE);
        assert!(environment(Some("4"), Some("4")).unwrap_err().contains(COUNT));
        assert!(environment(None, Some("4")).unwrap_err().contains(INDEX));
    }
}
