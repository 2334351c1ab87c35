//! The end of a run: gates, manifest, announcement.

use std::collections::BTreeMap;

use anyhow::Context as _;
use dayvec_bucket::Bucket;
use dayvec_core::Gate;
use dayvec_runtime::fault::OrFault as _;
use dayvec_snapshot::{
    Manifest, Part, Publisher, Reason, SnapshotError, announcements, read_manifest, read_users_part,
};

use crate::gates::{GateLimits, judge};
use crate::rank::effective_rank;
use crate::summary::Outcome;
use dayvec_report::SnapshotStatistics;

/// Rows whose effective rank is judged: a bucket is a random sample of users, so the first ones will do.
const SAMPLED_ROWS: u64 = 8_192;

/// Who announces.
const ANNOUNCER: &str = concat!("inference ", env!("CARGO_PKG_VERSION"));

/// How far a run got before.
pub(crate) enum EarlierAttempt {
    /// Not to its manifest.
    Unfinished,
    /// To its manifest, which is not announced.
    Written(Manifest),
    /// To its announcement.
    Announced(Manifest),
}

/// How far an earlier attempt got at the run whose manifest has this key.
pub(crate) async fn earlier(bucket: &Bucket, manifest_key: &str) -> anyhow::Result<EarlierAttempt> {
    if !bucket.exists(manifest_key).await.or_fault()? {
        return Ok(EarlierAttempt::Unfinished);
    }
    let manifest = read_manifest(bucket, manifest_key).await.or_fault()?;
    let announced = announcements(bucket).await.or_fault().context("list announcements")?;
    let is_announced = announced.whole.iter().any(|announcement| announcement.manifest == manifest_key);
    Ok(if is_announced { EarlierAttempt::Announced(manifest) } else { EarlierAttempt::Written(manifest) })
}

/// The buckets of a run that are done, by whichever worker.
pub(crate) struct DoneBuckets {
    parts: BTreeMap<u32, Part>,
    /// The parts' statistics, added up.
    pub(crate) statistics: SnapshotStatistics,
}

impl DoneBuckets {
    /// How many.
    pub(crate) fn len(&self) -> u32 {
        self.parts.len() as u32
    }

    /// Read the done markers.
    pub(crate) async fn read(publisher: &Publisher) -> anyhow::Result<Self> {
        let parts = publisher.done_buckets().await.or_fault()?;
        let mut statistics = SnapshotStatistics::default();
        for part in parts.values() {
            statistics.add(&statistics_of(part)?);
        }
        Ok(Self { parts, statistics })
    }

    /// Judge the parts, and write the manifest with the verdicts.
    pub(crate) async fn write_manifest(
        &self,
        bucket: &Bucket,
        publisher: &Publisher,
        users_before: Option<u64>,
        limits: &GateLimits,
    ) -> anyhow::Result<Manifest> {
        let rank = sampled_rank(bucket, self.parts.values()).await?;
        let gates: Vec<Gate> = judge(&self.statistics, users_before, rank, limits);
        publisher.publish(gates, &self.statistics).await.or_fault().context("write the manifest")
    }
}

/// Announce what passed its gates, or what is forced.
pub(crate) async fn announce(
    publisher: &Publisher,
    manifest: &Manifest,
    force: bool,
) -> anyhow::Result<Outcome> {
    if !manifest.failed_gates().is_empty() && !force {
        return Ok(Outcome::GatesFailed);
    }
    match publisher.announce(Reason::Publish, ANNOUNCER, force).await {
        // Another worker on the same run was as far at the same moment. Any other one announced is a lost race, and so is
        // a later day: this run took longer than the one of that day.
        Err(SnapshotError::LostRace { manifest, .. }) if manifest == publisher.layout().manifest() => {
            Ok(Outcome::AlreadyAnnounced)
        }
        announced => {
            announced.or_fault().context("announce the snapshot")?;
            Ok(Outcome::Announced)
        }
    }
}

/// The statistics that a part was written with.
pub(crate) fn statistics_of(part: &Part) -> anyhow::Result<SnapshotStatistics> {
    serde_json::from_value(part.statistics.clone())
        .with_context(|| format!("read the statistics of {}", part.part))
}

async fn sampled_rank(bucket: &Bucket, parts: impl Iterator<Item = &Part>) -> anyhow::Result<f64> {
    let (mut rows, mut dim, mut n_rows) = (Vec::new(), 1, 0);
    for part in parts {
        if n_rows >= SAMPLED_ROWS {
            break;
        }
        let block = read_users_part(bucket, part).await.or_fault()?;
        rows.extend_from_slice(&block.values);
        dim = block.dim.max(1);
        n_rows += part.rows;
    }
    rows.truncate(SAMPLED_ROWS as usize * dim);
    effective_rank(&rows, dim).context("compute the effective rank")
}
