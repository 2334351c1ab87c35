//! The records of a training run, and the status of a run after all its records. No I/O.

use std::collections::BTreeMap;

use dayvec_bucket::Record;
use dayvec_core::{Day, Gate};
use dayvec_report::RecallByScorer;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A run that was requested; `training/requests/<20 digits>.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct TrainingRequest {
    /// Who or what requested it.
    pub(crate) by: String,
    pub(crate) at: Timestamp,
    /// Settings that replace those of the service's configuration, by dotted name.
    pub(crate) settings: BTreeMap<String, String>,
    /// Whether the model is to be promoted, gates permitting.
    pub(crate) promote: bool,
    /// The newest whole day of the log at the request; scheduled retraining counts from it.
    pub(crate) log_day: Option<Day>,
}

impl Record for TrainingRequest {}

/// A change of a run, and when; `training/runs/<20 digits>/<20 digits>.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RunRecord {
    pub(crate) at: Timestamp,
    #[serde(flatten)]
    pub(crate) change: RunChange,
}

impl Record for RunRecord {}

/// A change of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub(crate) enum RunChange {
    /// It started, or was resumed after an interruption.
    Started,
    /// The log was read: the run has a model id and a cut-off.
    Named { model_id: String, cut_off: Day },
    /// The checkpoint is in the bucket.
    Trained { model_id: String, recall: RecallByScorer },
    /// The model is promoted.
    Promoted { sequence: u64, gates: Vec<Gate> },
    /// Gates refused the model.
    Refused { reason: String, gates: Vec<Gate> },
    /// It failed.
    Failed { reason: String },
    /// A client wants it to stop.
    CancelRequested { by: String },
    /// It stopped.
    Cancelled,
}

/// The status of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunStatus {
    Queued,
    Running,
    /// The checkpoint is in the bucket; the promotion may still follow.
    Trained,
    Promoted,
    Refused,
    Failed,
    Cancelled,
}

/// A run: its request and all changes since.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TrainingRun {
    pub(crate) number: u64,
    pub(crate) request: TrainingRequest,
    pub(crate) status: RunStatus,
    pub(crate) attempts: u32,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) ended_at: Option<Timestamp>,
    /// Fixed by the first attempt, so that a log that grows meanwhile does not change what is trained.
    pub(crate) cut_off: Option<Day>,
    pub(crate) model_id: Option<String>,
    pub(crate) recall: RecallByScorer,
    pub(crate) reason: Option<String>,
    pub(crate) gates: Vec<Gate>,
    pub(crate) is_cancel_requested: bool,
    /// Records so far; the next one's number is one more.
    pub(crate) n_records: u64,
}

impl TrainingRun {
    pub(crate) fn new(number: u64, request: TrainingRequest) -> Self {
        Self {
            number,
            request,
            status: RunStatus::Queued,
            attempts: 0,
            started_at: None,
            ended_at: None,
            cut_off: None,
            model_id: None,
            recall: RecallByScorer::default(),
            reason: None,
            gates: Vec::new(),
            is_cancel_requested: false,
            n_records: 0,
        }
    }

    /// A run whose request can't be read: nothing can be done for it.
    pub(crate) fn without_request(number: u64) -> Self {
        let (by, at) = ("unknown".to_owned(), Timestamp::UNIX_EPOCH);
        let request = TrainingRequest { by, at, settings: BTreeMap::new(), promote: false, log_day: None };
        let reason = Some("the record of its request is damaged; start the run again".to_owned());
        Self { status: RunStatus::Failed, ended_at: Some(at), reason, ..Self::new(number, request) }
    }

    /// No more changes follow.
    pub(crate) const fn has_ended(&self) -> bool {
        match self.status {
            RunStatus::Queued | RunStatus::Running => false,
            RunStatus::Trained => !self.request.promote,
            RunStatus::Promoted | RunStatus::Refused | RunStatus::Failed | RunStatus::Cancelled => true,
        }
    }

    /// It ended with a checkpoint in the bucket.
    pub(crate) const fn has_model(&self) -> bool {
        matches!(self.status, RunStatus::Trained | RunStatus::Promoted | RunStatus::Refused)
    }

    /// Apply the next record.
    pub(crate) fn apply(&mut self, record: RunRecord) {
        self.n_records += 1;
        match record.change {
            RunChange::Started => {
                self.attempts += 1;
                self.started_at.get_or_insert(record.at);
                if self.status == RunStatus::Queued {
                    self.status = RunStatus::Running;
                }
            }
            RunChange::Named { model_id, cut_off } => {
                self.model_id = Some(model_id);
                self.cut_off.get_or_insert(cut_off);
            }
            RunChange::Trained { model_id, recall } => {
                self.status = RunStatus::Trained;
                self.model_id = Some(model_id);
                self.recall = recall;
            }
            RunChange::Promoted { gates, .. } => {
                self.status = RunStatus::Promoted;
                self.gates = gates;
            }
            RunChange::Refused { reason, gates } => {
                self.status = RunStatus::Refused;
                self.reason = Some(reason);
                self.gates = gates;
            }
            RunChange::Failed { reason } => {
                self.status = RunStatus::Failed;
                self.reason = Some(reason);
            }
            RunChange::CancelRequested { .. } => self.is_cancel_requested = true,
            RunChange::Cancelled => self.status = RunStatus::Cancelled,
        }
        if self.has_ended() {
            self.ended_at = Some(record.at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(promote: bool, changes: &[RunChange]) -> TrainingRun {
        let at = Timestamp::UNIX_EPOCH;
        let request =
            TrainingRequest { by: "a test".into(), at, settings: BTreeMap::new(), promote, log_day: None };
        let mut run = TrainingRun::new(1, request);
        for change in changes {
            run.apply(RunRecord { at, change: change.clone() });
        }
        run
    }

    fn named(cut_off: &str) -> RunChange {
        RunChange::Named { model_id: "m".into(), cut_off: cut_off.parse().unwrap() }
    }

    #[test]
    fn the_status_follows_the_records() {
        let trained = RunChange::Trained { model_id: "m".into(), recall: RecallByScorer::default() };
        let refused = RunChange::Refused { reason: "worse".into(), gates: Vec::new() };
        for (promote, changes, expected, ended) in [
            (true, vec![], RunStatus::Queued, false),
            (true, vec![RunChange::Started], RunStatus::Running, false),
            (true, vec![RunChange::Started, trained.clone()], RunStatus::Trained, false),
            (false, vec![RunChange::Started, trained.clone()], RunStatus::Trained, true),
            (true, vec![RunChange::Started, trained.clone(), refused], RunStatus::Refused, true),
            (true, vec![RunChange::Started, trained, RunChange::Started], RunStatus::Trained, false),
            (
                true,
                vec![RunChange::CancelRequested { by: "me".into() }, RunChange::Cancelled],
                RunStatus::Cancelled,
                true,
            ),
        ] {
            let run = run(promote, &changes);
            assert_eq!((run.status, run.has_ended()), (expected, ended), "{changes:?}");
            assert_eq!(run.ended_at.is_some(), ended);
            assert_eq!(run.n_records, changes.len() as u64);
        }
    }

    #[test]
    fn the_first_attempt_fixes_the_cut_off() {
        let run =
            run(true, &[RunChange::Started, named("2024-02-01"), RunChange::Started, named("2024-02-08")]);
        assert_eq!((run.attempts, run.cut_off), (2, Some("2024-02-01".parse().unwrap())));
    }

    #[test]
    fn json_is_flat() {
        let record = RunRecord { at: Timestamp::UNIX_EPOCH, change: named("2024-02-01") };
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(
            text,
            r#"{"at":"1970-01-01T00:00:00Z","change":"named","model_id":"m","cut_off":"2024-02-01"}"#
        );
        assert_eq!(serde_json::from_str::<RunRecord>(&text).unwrap(), record);
    }
}
