//! A worker's share of a run: which waves of buckets are its own.
//!
//! Every worker plans the whole run, and encodes each `count`-th wave. The worker that finishes last commits. Two workers
//! on one share are harmless: what is done is skipped, and the same bytes come out.

use dayvec_core::Shard;

/// Where Kubernetes says which index of an Indexed Job this is, and how many shares there are.
const INDEX: &str = "JOB_COMPLETION_INDEX";
const COUNT: &str = "DAYVEC_SHARDS";

/// The share that the environment names; the whole run where it names none.
///
/// # Errors
/// A sentence, when only one of the two is set or the share is wrong.
pub(crate) fn of_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Shard, String> {
    match (variable(INDEX), variable(COUNT)) {
        (Some(index), Some(count)) => {
            format!("{index}/{count}").parse().map_err(|fault| format!("{INDEX} and {COUNT}: {fault}"))
        }
        (None, Some(_)) => Err(format!("{COUNT} is set without {INDEX}; use --shard I/N outside a Job")),
        (_, None) => Ok(Shard::WHOLE),
    }
}

/// Whether the wave of this number belongs to `share`.
pub(crate) const fn has_wave(share: Shard, wave: usize) -> bool {
    wave % share.count() as usize == share.index() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wave_is_in_one_share() {
        let shares: Vec<Shard> = (0..3).map(|index| format!("{index}/3").parse().unwrap()).collect();
        for wave in 0..10 {
            assert_eq!(shares.iter().filter(|&&share| has_wave(share, wave)).count(), 1);
            assert!(has_wave(Shard::WHOLE, wave));
        }
    }

    #[test]
    fn an_indexed_job_names_its_share() {
        let environment = |index: Option<&str>, count: Option<&str>| {
            let (index, count) = (index.map(str::to_owned), count.map(str::to_owned));
            of_environment(move |name| if name == INDEX { index.clone() } else { count.clone() })
        };
        assert_eq!(environment(Some("2"), Some("4")).unwrap(), "2/4".parse().unwrap());
        assert_eq!(environment(None, None).unwrap(), Shard::WHOLE);
        assert_eq!(environment(Some("0"), None).unwrap(), Shard::WHOLE);
        assert!(environment(Some("4"), Some("4")).unwrap_err().contains(COUNT));
        assert!(environment(None, Some("4")).unwrap_err().contains(INDEX));
    }
}
