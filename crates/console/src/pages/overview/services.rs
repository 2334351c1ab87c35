//! The services' sections of the overview: replicas and their traffic, training runs, the schedule, disks.

use dayvec_core::Gate;
use dayvec_proto::lookup::v1::{BucketRange, GetServingStatusResponse};
use dayvec_proto::trainer::v1::RunState;
use dayvec_snapshot::Layout;

use super::bucket::AnnouncedRow;
use crate::format::{Moment, count, figure, short_span, span};
use crate::outage::Outage;
use crate::pages::marks::{Count, DiskRow, Gates, Mark, Share};
use crate::replicas::{ReplicaView, Traffic, disks};
use crate::scrape::Scrape;
use crate::training::{Stage, TrainingRun};

/// A lookup replica.
pub(super) struct ReplicaRow {
    pub(super) name: String,
    pub(super) state: ReplicaState,
    /// Why it does not respond.
    pub(super) outage: Option<Outage>,
    /// What it serves, if anything.
    pub(super) served: Option<ServedSnapshot>,
    /// Why its last refresh failed; empty if it did not.
    pub(super) refresh_error: String,
    pub(super) refreshed: Option<Moment>,
    pub(super) version: String,
}

/// How a replica is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReplicaState {
    Unreachable,
    NothingLoaded,
    RefreshFailed,
    /// It serves a snapshot; which one is current is not known.
    Serving,
    /// It serves the newest announced snapshot.
    Current,
    /// It serves another snapshot.
    Behind,
}

/// The snapshot that a replica serves.
pub(super) struct ServedSnapshot {
    /// Begins with the day.
    pub(super) snapshot_id: String,
    pub(super) model_id: String,
    pub(super) users: Count,
    /// Which buckets of users, where not all of them; else empty.
    pub(super) buckets: String,
    pub(super) items: Count,
    pub(super) age: String,
    pub(super) announcement: u64,
    pub(super) since: Option<Moment>,
}

impl ReplicaRow {
    /// `current` is the newest announcement; `None` where it is not known.
    pub(super) fn new(view: &ReplicaView, current: Option<&AnnouncedRow>, now_s: i64) -> Self {
        let status = view.status.as_ref();
        let served = status.ok().and_then(|status| ServedSnapshot::new(status, now_s));
        let refresh_error = status.map(|status| status.refresh_error.clone()).unwrap_or_default();
        let state = match (status, &served) {
            (Err(_), _) => ReplicaState::Unreachable,
            (Ok(_), None) => ReplicaState::NothingLoaded,
            (Ok(_), Some(_)) if !refresh_error.is_empty() => ReplicaState::RefreshFailed,
            (Ok(_), Some(served)) => match current {
                None => ReplicaState::Serving,
                Some(current) if served.is(current) => ReplicaState::Current,
                Some(_) => ReplicaState::Behind,
            },
        };
        Self {
            name: view.name.clone(),
            state,
            outage: status.err().cloned(),
            served,
            refresh_error,
            refreshed: status.ok().and_then(|status| Moment::of(status.refreshed_at.as_ref(), now_s)),
            version: status.map(|status| status.server_version.clone()).unwrap_or_default(),
        }
    }
}

impl ReplicaState {
    pub(super) fn mark(self) -> Mark {
        match self {
            Self::Unreachable => Mark::bad("unreachable"),
            Self::NothingLoaded => Mark::bad("no snapshot"),
            Self::RefreshFailed => Mark::warn("refresh failed"),
            Self::Serving => Mark::ok("serving"),
            Self::Current => Mark::ok("current"),
            Self::Behind => Mark::warn("behind"),
        }
    }
}

impl ServedSnapshot {
    fn new(status: &GetServingStatusResponse, now_s: i64) -> Option<Self> {
        let snapshot = status.snapshot.as_ref()?;
        Some(Self {
            snapshot_id: snapshot.snapshot_id.clone(),
            model_id: snapshot.model_id.clone(),
            users: Count(status.n_users),
            buckets: status.buckets.as_ref().map_or_else(String::new, bucket_range),
            items: Count(status.n_items),
            age: snapshot.age.as_ref().map_or_else(String::new, |age| span(age.seconds as f64)),
            announcement: status.announcement,
            since: Moment::of(status.serving_since.as_ref(), now_s),
        })
    }

    fn is(&self, current: &AnnouncedRow) -> bool {
        current.manifest == Layout::of(&self.snapshot_id).manifest()
    }
}

/// A range of buckets in words; empty for all of them.
fn bucket_range(buckets: &BucketRange) -> String {
    let BucketRange { first, end, of } = *buckets;
    if (first, end) == (0, of) {
        String::new()
    } else {
        format!("buckets {first} to {} of {of}", end.saturating_sub(1))
    }
}

/// A replica's traffic.
pub(super) struct TrafficRow {
    pub(super) name: String,
    pub(super) outage: Option<Outage>,
    pub(super) calls: Count,
    pub(super) hits: Count,
    pub(super) misses: Count,
    pub(super) fallbacks: Count,
    pub(super) too_old: Count,
    pub(super) elsewhere: Count,
    pub(super) mean: String,
    pub(super) p99: String,
    pub(super) rate: String,
}

impl TrafficRow {
    /// `None` where no metrics page is configured.
    pub(super) fn new(view: &ReplicaView) -> Option<Self> {
        let traffic = view.traffic.as_ref()?;
        let known = traffic.as_ref().ok();
        let total = |of: fn(&Traffic) -> f64| Count(known.map_or(0.0, of) as u64);
        let none = || "–".to_owned();
        Some(Self {
            name: view.name.clone(),
            outage: traffic.as_ref().err().cloned(),
            calls: total(|traffic| traffic.calls),
            hits: total(|traffic| traffic.hits),
            misses: total(|traffic| traffic.misses),
            fallbacks: total(|traffic| traffic.fallbacks),
            too_old: total(|traffic| traffic.too_old),
            elsewhere: total(|traffic| traffic.elsewhere),
            mean: known.and_then(|traffic| traffic.mean_s).map_or_else(none, short_span),
            p99: match known.and_then(|traffic| traffic.p99_edge_s) {
                None => none(),
                Some(edge) if edge.is_infinite() => "above the last bucket".to_owned(),
                Some(edge) => format!("≤ {}", short_span(edge)),
            },
            rate: match known.and_then(|traffic| traffic.rate) {
                None => "after the next reload".to_owned(),
                Some((rate, seconds)) => format!("{} /s over {}", figure(rate), span(seconds)),
            },
        })
    }
}

/// A training run.
pub(super) struct TrainingRow {
    pub(super) number: u64,
    pub(super) state: RunState,
    pub(super) requested: Option<Moment>,
    pub(super) by: String,
    pub(super) ended: Option<Moment>,
    /// Empty until the model has a name.
    pub(super) model_id: String,
    pub(super) recall: Share,
    /// How far it is, or why it was refused or failed.
    pub(super) detail: String,
    pub(super) step: u64,
    /// Steps of the whole training; 0 unless it is running.
    pub(super) steps: u64,
    pub(super) gates: Option<Gates>,
}

impl TrainingRow {
    pub(super) fn new(TrainingRun { run, stage }: &TrainingRun, now_s: i64) -> Self {
        let progress = run.progress.as_ref();
        let gates: Vec<Gate> = run
            .gates
            .iter()
            .map(|gate| Gate {
                name: gate.name.clone(),
                value: gate.value,
                at_least: gate.at_least,
                at_most: gate.at_most,
                passed: gate.passed,
            })
            .collect();
        Self {
            number: run.number,
            state: run.state(),
            requested: Moment::of(run.requested_at.as_ref(), now_s),
            by: run.requested_by.clone(),
            ended: Moment::of(run.ended_at.as_ref(), now_s),
            model_id: run.model_id.clone(),
            recall: Share::new(run.recall_at_10.get("model").copied()),
            detail: stage.as_ref().map_or_else(|| run.reason.clone(), stage_text),
            step: progress.map_or(0, |progress| progress.step),
            steps: progress.map_or(0, |progress| progress.steps),
            gates: (!gates.is_empty()).then(|| Gates::new(&gates)),
        }
    }

    /// Whether its checkpoint is in the bucket, and so has a page.
    pub(super) fn has_model(&self) -> bool {
        matches!(self.state, RunState::Trained | RunState::Promoted | RunState::Refused)
            && !self.model_id.is_empty()
    }

    pub(super) fn mark(&self) -> Mark {
        match self.state {
            RunState::Queued => Mark::off("queued"),
            RunState::Running => Mark::ok("running"),
            RunState::Trained => Mark::ok("trained"),
            RunState::Promoted => Mark::ok("promoted"),
            RunState::Refused => Mark::warn("refused"),
            RunState::Failed => Mark::bad("failed"),
            RunState::Cancelled => Mark::off("cancelled"),
            RunState::Unspecified => Mark::off("unknown"),
        }
    }
}

fn stage_text(stage: &Stage) -> String {
    match stage {
        Stage::Steps { step, steps, loss, left_s } => {
            let left = left_s.map_or_else(String::new, |left_s| format!(", {} left", span(left_s)));
            format!("step {} of {}, loss {}{left}", count(*step), count(*steps), figure(*loss))
        }
        Stage::Other(name) => name.replace('_', " "),
    }
}

/// The state of `inference schedule`.
pub(super) struct DailyRuns {
    pub(super) mark: Mark,
    pub(super) last_success: Option<Moment>,
    pub(super) announced: Count,
    pub(super) gates_failed: Count,
    pub(super) failed: Count,
    pub(super) failed_gates: Vec<String>,
}

impl DailyRuns {
    pub(super) fn new(scrape: &Scrape, now_s: i64) -> Self {
        let ended = |outcome: &str| {
            Count(scrape.sum("daily_run_total", &[("outcome", outcome)]).unwrap_or(0.0) as u64)
        };
        let failed_gates: Vec<String> = scrape
            .by_label("daily_run_gate_failed", "gate")
            .filter(|&(_, failed)| failed > 0.0)
            .map(|(gate, _)| gate.to_owned())
            .collect();
        let success = scrape.sum("daily_run_last_success_timestamp_seconds", &[]).filter(|&at_s| at_s > 0.0);
        let is_running = scrape.sum("daily_run_in_progress", &[]).unwrap_or(0.0) > 0.0;
        Self {
            mark: match (is_running, failed_gates.is_empty()) {
                (true, _) => Mark::ok("running"),
                (false, true) => Mark::ok("waiting for the next day"),
                (false, false) => Mark::bad("gates failed"),
            },
            last_success: success.map(|at_s| Moment::new(at_s as i64, now_s)),
            announced: ended("announced"),
            gates_failed: ended("gates_failed"),
            failed: ended("failed"),
            failed_gates,
        }
    }
}

/// The disks of the replicas and of the schedule, where their metrics report them.
pub(super) fn disk_rows(replicas: &[ReplicaView], schedule: Option<&Scrape>) -> Vec<DiskRow> {
    let mut rows = Vec::new();
    for view in replicas {
        if let Some(Ok(traffic)) = &view.traffic {
            rows.extend(traffic.disks.iter().map(|disk| DiskRow::new(&view.name, disk)));
        }
    }
    for disk in schedule.map(disks).unwrap_or_default() {
        rows.push(DiskRow::new("inference", &disk));
    }
    rows
}

#[cfg(test)]
mod tests {
    use dayvec_proto::trainer::v1::Run;

    use super::*;

    #[test]
    fn a_run_has_a_model_page_once_its_checkpoint_is_in_the_bucket() {
        let row = |state: RunState| {
            let run = Run { state: state.into(), model_id: "m".into(), ..Run::default() };
            TrainingRow::new(&TrainingRun { run, stage: None }, 0)
        };
        let with_model = [RunState::Trained, RunState::Promoted, RunState::Refused];
        let without = [RunState::Queued, RunState::Running, RunState::Failed, RunState::Cancelled];
        assert!(with_model.into_iter().all(|state| row(state).has_model()));
        assert!(without.into_iter().all(|state| !row(state).has_model()));
    }
}
