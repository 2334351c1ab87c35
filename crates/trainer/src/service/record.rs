//! What is written of a run, and how a run stands after all that was written of it. No I/O.

use std::collections::BTreeMap;

use dayvec_bucket::Record;
use dayvec_core::{Day, Gate};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What was asked for; `training/requests/<20 digits>.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Request {
    /// Who or what asked.
    pub(crate) by: String,
    pub(crate) at: Timestamp,
    /// Settings that replace those of the service's configuration, by dotted name.
    #[serde(default)]
    pub(crate) settings: BTreeMap<String, String>,
    /// Whether the model is to be promoted, gates permitting.
    pub(crate) promote: bool,
    /// The newest whole day of the log when it was asked for; what scheduled retraining counts from.
    #[serde(default)]
    pub(crate) log_day: Option<Day>,
}

impl Record for Request {}

/// What happened to a run, and when; `training/runs/<20 digits>/<20 digits>.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Event {
    pub(crate) at: Timestamp,
    #[serde(flatten)]
    pub(crate) what: What,
}

impl Record for Event {}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum What {
    /// It began, or went on after an interruption.
    Started,
    /// The log was read.
    Named { model_id: String, cut_off: Day },
    /// The checkpoint is in the bucket.
    Trained { model_id: String, recall_at_10: BTreeMap<String, f64> },
    /// The model is promoted.
    Promoted { sequence: u64, gates: Vec<Gate> },
    /// Gates keep the model from being promoted.
    Refused { reason: String, gates: Vec<Gate> },
    /// It ended with an error.
    Failed { reason: String },
    /// Somebody wants it to stop.
    CancelAsked { by: String },
    /// It stopped.
    Cancelled,
}

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Queued,
    Running,
    /// The checkpoint is there; the promotion may still be to come.
    Trained,
    Promoted,
    Refused,
    Failed,
    Cancelled,
}

/// A run: what was asked for, and all that happened since.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Run {
    pub(crate) number: u64,
    pub(crate) request: Request,
    pub(crate) state: State,
    pub(crate) attempts: u32,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) ended_at: Option<Timestamp>,
    /// Pinned by the first attempt, so that a log that grows meanwhile doesn't make another run of it.
    pub(crate) cut_off: Option<Day>,
    pub(crate) model_id: Option<String>,
    pub(crate) recall_at_10: BTreeMap<String, f64>,
    pub(crate) reason: Option<String>,
    pub(crate) gates: Vec<Gate>,
    pub(crate) is_cancel_asked: bool,
    /// Events so far; the next one's number is one more.
    pub(crate) n_events: u64,
}

impl Run {
    pub(crate) fn new(number: u64, request: Request) -> Self {
        Self {
            number,
            request,
            state: State::Queued,
            attempts: 0,
            started_at: None,
            ended_at: None,
            cut_off: None,
            model_id: None,
            recall_at_10: BTreeMap::new(),
            reason: None,
            gates: Vec::new(),
            is_cancel_asked: false,
            n_events: 0,
        }
    }

    /// Nothing more will happen to it.
    pub(crate) const fn has_ended(&self) -> bool {
        match self.state {
            State::Queued | State::Running => false,
            State::Trained => !self.request.promote,
            State::Promoted | State::Refused | State::Failed | State::Cancelled => true,
        }
    }

    /// One more thing happened.
    pub(crate) fn add(&mut self, event: Event) {
        self.n_events += 1;
        match event.what {
            What::Started => {
                self.attempts += 1;
                self.started_at.get_or_insert(event.at);
                if self.state == State::Queued {
                    self.state = State::Running;
                }
            }
            What::Named { model_id, cut_off } => {
                self.model_id = Some(model_id);
                self.cut_off.get_or_insert(cut_off);
            }
            What::Trained { model_id, recall_at_10 } => {
                self.state = State::Trained;
                self.model_id = Some(model_id);
                self.recall_at_10 = recall_at_10;
            }
            What::Promoted { gates, .. } => {
                self.state = State::Promoted;
                self.gates = gates;
            }
            What::Refused { reason, gates } => {
                self.state = State::Refused;
                self.reason = Some(reason);
                self.gates = gates;
            }
            What::Failed { reason } => {
                self.state = State::Failed;
                self.reason = Some(reason);
            }
            What::CancelAsked { .. } => self.is_cancel_asked = true,
            What::Cancelled => self.state = State::Cancelled,
        }
        if self.has_ended() {
            self.ended_at = Some(event.at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(promote: bool, events: &[What]) -> Run {
        let at = Timestamp::UNIX_EPOCH;
        let request = Request { by: "a test".into(), at, settings: BTreeMap::new(), promote, log_day: None };
        let mut run = Run::new(1, request);
        for what in events {
            run.add(Event { at, what: what.clone() });
        }
        run
    }

    fn named(cut_off: &str) -> What {
        What::Named { model_id: "m".into(), cut_off: cut_off.parse().unwrap() }
    }

    #[test]
    fn a_run_stands_where_its_events_say() {
        let trained = What::Trained { model_id: "m".into(), recall_at_10: BTreeMap::new() };
        let refused = What::Refused { reason: "worse".into(), gates: Vec::new() };
        for (promote, events, expected, ended) in [
            (true, vec![], State::Queued, false),
            (true, vec![What::Started], State::Running, false),
            (true, vec![What::Started, trained.clone()], State::Trained, false),
            (false, vec![What::Started, trained.clone()], State::Trained, true),
            (true, vec![What::Started, trained.clone(), refused], State::Refused, true),
            (true, vec![What::Started, trained, What::Started], State::Trained, false),
            (true, vec![What::CancelAsked { by: "me".into() }, What::Cancelled], State::Cancelled, true),
        ] {
            let run = run(promote, &events);
            assert_eq!((run.state, run.has_ended()), (expected, ended), "{events:?}");
            assert_eq!(run.ended_at.is_some(), ended);
            assert_eq!(run.n_events, events.len() as u64);
        }
    }

    #[test]
    fn the_first_attempt_pins_the_cut_off() {
        let run = run(true, &[What::Started, named("2024-02-01"), What::Started, named("2024-02-08")]);
        assert_eq!((run.attempts, run.cut_off), (2, Some("2024-02-01".parse().unwrap())));
    }

    #[test]
    fn json_is_flat() {
        let event = Event { at: Timestamp::UNIX_EPOCH, what: named("2024-02-01") };
        let text = serde_json::to_string(&event).unwrap();
        assert_eq!(
            text,
            r#"{"at":"1970-01-01T00:00:00Z","event":"named","model_id":"m","cut_off":"2024-02-01"}"#
        );
        assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event);
    }
}
