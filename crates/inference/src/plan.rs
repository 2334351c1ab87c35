//! Where a run starts from: the last snapshot by its model and the state that snapshot was made of; else the newest
//! state; else the whole log.
//!
//! Rows may be carried only if they are what the model makes of the very state that the run starts from. So the
//! snapshot is chosen first, and brings its state: a day that was never announced is read again.

use std::collections::HashSet;

use anyhow::{Context as _, anyhow};
use dayvec_bucket::{Bucket, Records};
use dayvec_core::{Day, Fault as _, FaultKind, ModelSpec};
use dayvec_runtime::fault::{OrFault as _, WithFault as _};
use dayvec_snapshot::{Announcement, Layout, Manifest, announcements, read_manifest};

use crate::config::Config;
use crate::events::DaysToRead;
use crate::meter::passed_over;
use crate::request::DailyRequest;
use crate::state_store::{StateId, StateStore, WholeState};
use crate::summary::Start;

/// How many announcements back a snapshot by the same model is looked for: a month of daily runs of another model.
const ANNOUNCEMENTS_BACK: usize = 31;

/// Where a run starts from.
pub(crate) struct Plan {
    /// The state before; `None` for the whole log.
    pub(crate) from: Option<WholeState>,
    /// The snapshot that the same model made of it; `None` when every user is to be encoded.
    pub(crate) carry: Option<Manifest>,
    /// Users in the last snapshot of an earlier day, by whatever model.
    pub(crate) users_before: Option<u64>,
    /// The day that readers see, where it is after the day of the run.
    pub(crate) later: Option<Day>,
    /// Events to read.
    pub(crate) span: DaysToRead,
}

impl Plan {
    pub(crate) fn start(&self) -> Start {
        match (&self.from, &self.carry) {
            (None, _) => Start::Log,
            (Some(_), None) => Start::State,
            (Some(_), Some(_)) => Start::Snapshot,
        }
    }

    /// Refuse to take readers back to an earlier day, unless that is meant.
    pub(crate) fn check_order(&self, request: &DailyRequest) -> anyhow::Result<()> {
        match self.later {
            Some(later) if !request.force => {
                let day = request.day;
                let error = anyhow!(
                    "{later} is announced, and readers would go back to {day}; use --force to do that"
                );
                Err(error).fault(FaultKind::Configuration)
            }
            _ => Ok(()),
        }
    }

    /// Look at what is announced and at the states.
    pub(crate) async fn make(
        bucket: &Bucket,
        states: &StateStore,
        spec: &ModelSpec,
        config: &Config,
        request: &DailyRequest,
    ) -> anyhow::Result<Self> {
        let AnnouncedSnapshots { earlier, later } = AnnouncedSnapshots::read(bucket, request.day).await?;
        let users_before = earlier.first().map(|manifest| manifest.totals.users);
        let mut from = None;
        let mut carry = None;
        if !request.full {
            for manifest in earlier {
                let state = StateId { day: manifest.day, id: manifest.input_digest.clone() };
                if !is_ours(&manifest, spec, config) {
                    continue;
                }
                if let Some(part) = missing_part(bucket, &manifest).await? {
                    passed_over("snapshot", &manifest.key(), &format!("its part `{part}` is not there"));
                    continue;
                }
                if let Some(whole) = states.find(&state).await? {
                    (from, carry) = (Some(whole), Some(manifest));
                    break;
                }
            }
            if from.is_none() {
                from = states.newest_before(request.day).await?;
            }
        }
        let late_days = i32::try_from(config.late_days).unwrap_or(i32::MAX);
        let first = from.as_ref().map(|whole| whole.state.day.plus(1 - late_days));
        Ok(Self { from, carry, users_before, later, span: DaysToRead { from: first, to: request.day } })
    }
}

/// Whether rows of the snapshot can be taken over as they are.
fn is_ours(manifest: &Manifest, spec: &ModelSpec, config: &Config) -> bool {
    manifest.model_id == spec.model_id
        && manifest.n_buckets == config.n_buckets.get()
        && manifest.element_type == config.element_type
}

/// A part of the users that was removed since; `None` where all are there. One listing.
async fn missing_part(bucket: &Bucket, manifest: &Manifest) -> anyhow::Result<Option<String>> {
    let folder = Layout::of(&manifest.snapshot_id).folder();
    let listed = bucket.list(&folder).await.or_fault().context("list the parts of a snapshot")?;
    let there: HashSet<&str> = listed.iter().map(|entry| entry.key.as_str()).collect();
    let missing = manifest.user_parts.iter().find(|part| !there.contains(part.part.as_str()));
    Ok(missing.map(|part| part.part.clone()))
}

/// What is announced, seen from the day of a run.
struct AnnouncedSnapshots {
    /// Snapshots of earlier days, newest announcement first.
    earlier: Vec<Manifest>,
    /// The day of the newest announcement, where it is a later one.
    later: Option<Day>,
}

impl AnnouncedSnapshots {
    /// A record or a manifest that can't be used is passed over: what it named is not needed as long as there is another.
    async fn read(bucket: &Bucket, day: Day) -> anyhow::Result<Self> {
        let Records { whole, damaged } =
            announcements(bucket).await.or_fault().context("list announcements")?;
        for record in damaged {
            passed_over("announcement", &record.key, &record.reason);
        }
        let mut found = Self {
            earlier: Vec::new(),
            later: whole.last().and_then(Announcement::day).filter(|&d| d > day),
        };
        for announcement in whole.iter().rev().take(ANNOUNCEMENTS_BACK) {
            if announcement.day().is_none_or(|of| of >= day) {
                continue;
            }
            match read_manifest(bucket, &announcement.manifest).await {
                Ok(manifest) => found.earlier.push(manifest),
                Err(error) if error.kind() == FaultKind::Data => {
                    passed_over("snapshot", &announcement.manifest, &error.to_string());
                }
                Err(error) => return Err(error).or_fault(),
            }
        }
        Ok(found)
    }
}

/// What a state is made of, as its id.
pub(crate) fn state_id(from: Option<&WholeState>, events: &blake3::Hash, day: Day) -> StateId {
    let start = match from.map(|whole| &whole.state) {
        Some(state) => format!("{} {}", state.day, state.id),
        None => "the whole log".to_owned(),
    };
    StateId { day, id: crate::state_store::digest(format!("{start}\n{}", &events.to_hex()[..16]).as_bytes()) }
}
