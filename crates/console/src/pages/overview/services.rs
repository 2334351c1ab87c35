//! The services' part of the overview: replicas and their traffic, training runs, the schedule, disks.

use dayvec_core::Gate;
use dayvec_proto::lookup::v1::{BucketRange, GetServingStatusResponse};
use dayvec_proto::trainer::v1::{Run, RunState};

use super::bucket::AnnouncedRow;
use crate::outage::Outage;
use crate::pages::parts::{Count, DiskRow, Gates, Mark, Recall};
use crate::replicas::{Disk, Look, disks};
use crate::scrape::Scrape;
use crate::training::Shown;
use crate::words::{Moment, count, figure, short_span, span};

/// A lookup replica.
pub(super) struct ReplicaRow {
    pub(super) name: String,
    pub(super) mark: Mark,
    /// Why it does not answer.
    pub(super) outage: Option<Outage>,
    /// What it serves; `None` where that is nothing.
    pub(super) served: Option<Served>,
    /// Why its last refresh failed; empty when all is well.
    pub(super) refresh_error: String,
    pub(super) refreshed: Option<Moment>,
    pub(super) version: String,
}

/// What a replica serves.
pub(super) struct Served {
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
    /// `current` is the announcement that counts; `None` where that is not known.
    pub(super) fn new(look: &Look, current: Option<&AnnouncedRow>, now_s: i64) -> Self {
        let status = look.status.as_ref();
        let served = status.ok().and_then(|status| Served::new(status, now_s));
        let refresh_error = status.map(|status| status.refresh_error.clone()).unwrap_or_default();
        let mark = match (&look.status, &served) {
            (Err(_), _) => Mark::bad("unreachable"),
            (Ok(_), None) => Mark::bad("serves nothing"),
            (Ok(_), Some(_)) if !refresh_error.is_empty() => Mark::warn("refresh failed"),
            (Ok(_), Some(served)) => match current {
                None => Mark::ok("serves"),
                Some(current) if served.is(current) => Mark::ok("current"),
                Some(_) => Mark::warn("behind"),
            },
        };
        Self {
            name: look.name.clone(),
            mark,
            outage: status.err().cloned(),
            served,
            refresh_error,
            refreshed: status.ok().and_then(|status| Moment::of(status.refreshed_at.as_ref(), now_s)),
            version: status.map(|status| status.server_version.clone()).unwrap_or_default(),
        }
    }
}

impl Served {
    fn new(status: &GetServingStatusResponse, now_s: i64) -> Option<Self> {
        let snapshot = status.snapshot.as_ref()?;
        Some(Self {
            snapshot_id: snapshot.snapshot_id.clone(),
            model_id: snapshot.model_id.clone(),
            users: Count(status.n_users),
            buckets: status.buckets.as_ref().map_or_else(String::new, part),
            items: Count(status.n_items),
            age: snapshot.age.as_ref().map_or_else(String::new, |age| span(age.seconds as f64)),
            announcement: status.announcement,
            since: Moment::of(status.serving_since.as_ref(), now_s),
        })
    }

    fn is(&self, current: &AnnouncedRow) -> bool {
        current.manifest == format!("snapshots/{}/manifest.json", self.snapshot_id)
    }
}

/// The part of the users that a range of buckets is; empty for all of them.
fn part(buckets: &BucketRange) -> String {
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
    pub(super) fn new(look: &Look) -> Option<Self> {
        let traffic = look.traffic.as_ref()?;
        let known = traffic.as_ref().ok();
        let total = |of: fn(&crate::replicas::Traffic) -> f64| Count(known.map_or(0.0, of) as u64);
        let none = || "–".to_owned();
        Some(Self {
            name: look.name.clone(),
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
                Some(edge) if edge.is_infinite() => "above the last edge".to_owned(),
                Some(edge) => format!("≤ {}", short_span(edge)),
            },
            rate: match known.and_then(|traffic| traffic.rate) {
                None => "from the next look on".to_owned(),
                Some((rate, seconds)) => format!("{} /s over {}", figure(rate), span(seconds)),
            },
        })
    }
}

/// A training run.
pub(super) struct RunRow {
    pub(super) number: u64,
    pub(super) mark: Mark,
    pub(super) asked: Option<Moment>,
    pub(super) by: String,
    pub(super) ended: Option<Moment>,
    /// Empty until the model has a name.
    pub(super) model_id: String,
    pub(super) recall: Recall,
    /// How far it is, or why it ended as it did.
    pub(super) told: String,
    pub(super) step: u64,
    /// Steps of the whole training; 0 unless it is under way.
    pub(super) steps: u64,
    pub(super) gates: Option<Gates>,
}

impl RunRow {
    pub(super) fn new(shown: &Shown, now_s: i64) -> Self {
        let run = &shown.run;
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
            mark: state(run),
            asked: Moment::of(run.requested_at.as_ref(), now_s),
            by: run.requested_by.clone(),
            ended: Moment::of(run.ended_at.as_ref(), now_s),
            model_id: run.model_id.clone(),
            recall: Recall::new(run.recall_at_10.get("model").copied()),
            told: told(shown),
            step: progress.map_or(0, |progress| progress.step),
            steps: progress.map_or(0, |progress| progress.steps),
            gates: (!gates.is_empty()).then(|| Gates::new(&gates)),
        }
    }

    /// Whether its checkpoint is in the bucket, and so has a page.
    pub(super) fn has_model(&self) -> bool {
        matches!(self.mark.word.as_str(), "trained" | "promoted" | "refused") && !self.model_id.is_empty()
    }
}

fn state(run: &Run) -> Mark {
    match run.state() {
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

fn told(shown: &Shown) -> String {
    let Some(progress) = shown.run.progress.as_ref() else { return shown.run.reason.clone() };
    if progress.stage != "train" {
        return progress.stage.replace('_', " ");
    }
    let (step, steps) = (count(progress.step), count(progress.steps));
    let left = shown.left_s.map_or_else(String::new, |left_s| format!(", {} left", span(left_s)));
    format!("step {step} of {steps}, loss {}{left}", figure(progress.loss))
}

/// What `inference schedule` says.
pub(super) struct DailyPart {
    pub(super) mark: Mark,
    pub(super) last_success: Option<Moment>,
    pub(super) announced: Count,
    pub(super) gates_failed: Count,
    pub(super) failed: Count,
    pub(super) failed_gates: Vec<String>,
    disks: Vec<Disk>,
}

impl DailyPart {
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
            disks: disks(scrape),
        }
    }
}

/// The disks of all programs that tell.
pub(super) fn disk_rows(looks: &[Look], daily: Option<&Result<DailyPart, Outage>>) -> Vec<DiskRow> {
    let mut rows = Vec::new();
    for look in looks {
        if let Some(Ok(traffic)) = &look.traffic {
            rows.extend(traffic.disks.iter().map(|disk| DiskRow::new(&look.name, disk)));
        }
    }
    if let Some(Ok(daily)) = daily {
        rows.extend(daily.disks.iter().map(|disk| DiskRow::new("inference", disk)));
    }
    rows
}
