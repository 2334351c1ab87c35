//! The one thread that trains: takes the oldest run that has not ended, and sees it to its end.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::anyhow;
use dayvec_runtime::Exit;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use super::board::{Board, now};
use super::meter;
use super::promotion::{self, Promoted};
use super::record::{Request, Run, State, What};
use super::schedule::{is_due, newest_whole_day};
use crate::config::Config;
use crate::told::Told;
use crate::train::Outcome;

/// First wait before a run that could not reach something is gone on with; it doubles up to the longest.
const FIRST_WAIT: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// The run under way, and what stops it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Current(Arc<Mutex<Option<(u64, CancellationToken)>>>);

impl Current {
    /// Stop the run of this number if it is under way.
    pub(crate) fn stop(&self, number: u64) {
        if let Some((current, token)) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner)
            && *current == number
        {
            token.cancel();
        }
    }

    fn set(&self, current: Option<(u64, CancellationToken)>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = current;
    }
}

/// What the thread needs.
pub(crate) struct Worker {
    pub(crate) config: Config,
    pub(crate) board: Arc<Board>,
    pub(crate) current: Current,
    pub(crate) runtime: Handle,
    pub(crate) shutdown: CancellationToken,
}

impl Worker {
    /// Train what is in the queue until told to stop.
    pub(crate) fn work(self) {
        let mut wait = FIRST_WAIT;
        while !self.shutdown.is_cancelled() {
            let Some(run) = self.board.next() else {
                self.retrain_if_due();
                self.rest(self.config.raw.service.poll);
                continue;
            };
            meter::queue(true, self.board.n_queued());
            match self.see_to_its_end(&run) {
                Ok(()) => wait = FIRST_WAIT,
                Err(error) => {
                    let retry_in_s = wait.as_secs();
                    tracing::warn!(
                        run = run.number,
                        error = format!("{error:#}"),
                        retry_in_s,
                        "the run waits"
                    );
                    self.pause(wait);
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
            }
            meter::queue(false, self.board.n_queued());
        }
    }

    /// An error is one that a retry may mend; any other is written of the run.
    fn see_to_its_end(&self, run: &Run) -> anyhow::Result<()> {
        let number = run.number;
        if run.is_cancel_asked {
            return self.end(number, What::Cancelled);
        }
        let model_id = match (run.state, &run.model_id) {
            (State::Trained, Some(model_id)) => model_id.clone(),
            _ => match self.train(run)? {
                Some(model_id) => model_id,
                None => return Ok(()),
            },
        };
        if run.request.promote && self.board.get(number).is_some_and(|run| run.is_cancel_asked) {
            return self.end(number, What::Cancelled);
        }
        if run.request.promote && !self.shutdown.is_cancelled() {
            self.board.note(|live| live.stage = "promote");
            let by = format!("run {number}");
            match self.guarded(|| promotion::promote(&self.config, &model_id, &by, false))? {
                Ok(Promoted::Yes(promotion)) => {
                    meter::promoted(&promotion);
                    let (sequence, gates) = (promotion.sequence, promotion.gates);
                    self.end(number, What::Promoted { sequence, gates })?;
                }
                Ok(Promoted::Refused { reason, gates }) => {
                    self.end(number, What::Refused { reason, gates })?
                }
                Err(reason) => self.end(number, What::Failed { reason })?,
            }
        }
        Ok(())
    }

    /// Train; the model's name, or `None` when the run ended without one or was interrupted.
    fn train(&self, run: &Run) -> anyhow::Result<Option<String>> {
        let number = run.number;
        let token = self.shutdown.child_token();
        self.current.set(Some((number, token.clone())));
        let run = self.runtime.block_on(self.board.add(number, What::Started))?;
        tracing::info!(run = number, attempt = run.attempts, settings = ?run.request.settings, "run begins");
        self.board.note(|live| (live.number, live.standing) = (number, Default::default()));
        let config = match self.config_of(&run) {
            Ok(config) => config,
            Err(reason) => return self.end(number, What::Failed { reason }).map(|()| None),
        };
        let trained = self.guarded(|| crate::train(&config, true, &token, &|told| self.told(&run, told)));
        self.current.set(None);
        let outcome = match trained? {
            Ok(outcome) => outcome,
            Err(reason) => return self.end(number, What::Failed { reason }).map(|()| None),
        };
        match outcome {
            Outcome::Trained(report) | Outcome::AlreadyTrained(report) => {
                let model_id = report.model_id.clone();
                let recall_at_10 = report.recall_by_scorer.seen_allowed;
                self.end(number, What::Trained { model_id: model_id.clone(), recall_at_10 })?;
                Ok(Some(model_id))
            }
            Outcome::Stopped(_) if self.shutdown.is_cancelled() => Ok(None),
            Outcome::Stopped(_) => self.end(number, What::Cancelled).map(|()| None),
        }
    }

    /// The service's configuration with the run's settings, and the cut-off that its first attempt chose.
    fn config_of(&self, run: &Run) -> Result<Config, String> {
        let mut config =
            self.config.with_settings(&run.request.settings).map_err(|error| error.to_string())?;
        if let Some(cut_off) = run.cut_off {
            config.raw.split.cut_off = Some(cut_off);
        }
        Ok(config)
    }

    /// Do it; an error that a retry may mend as such, any other as the reason to write down. A panic is of the latter.
    fn guarded<T>(&self, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<Result<T, String>> {
        let done = catch_unwind(AssertUnwindSafe(work))
            .unwrap_or_else(|_| Err(anyhow!("a fault of the trainer: it panicked; its log says where")));
        match done {
            Ok(done) => Ok(Ok(done)),
            Err(error) if matches!(error.downcast_ref(), Some(Exit::Unavailable)) => Err(error),
            Err(error) => Ok(Err(format!("{error:#}"))),
        }
    }

    fn end(&self, number: u64, what: What) -> anyhow::Result<()> {
        meter::ended(&what);
        match &what {
            What::Failed { reason } => tracing::error!(run = number, reason, "run failed"),
            What::Refused { reason, .. } => tracing::warn!(run = number, reason, "model refused"),
            What::Trained { model_id, .. } => tracing::info!(run = number, model_id, "run trained"),
            What::Promoted { sequence, .. } => tracing::info!(run = number, sequence, "model promoted"),
            _ => tracing::info!(run = number, "run ended"),
        }
        self.runtime.block_on(self.board.add(number, what)).map(drop)
    }

    /// What the training tells, on its own thread.
    fn told(&self, run: &Run, told: Told) {
        match told {
            Told::Stage(stage) => self.board.note(|live| live.stage = stage),
            Told::Step(standing) => {
                meter::step(&standing);
                self.board.note(|live| live.standing = standing);
            }
            Told::Named { model_id, cut_off } => {
                if run.cut_off == Some(cut_off) && run.model_id.as_ref() == Some(&model_id) {
                    return;
                }
                let named = self.board.add(run.number, What::Named { model_id, cut_off });
                if let Err(error) = self.runtime.block_on(named) {
                    tracing::warn!(
                        run = run.number,
                        error = format!("{error:#}"),
                        "the run's name is not noted"
                    );
                }
            }
        }
    }

    /// Ask for a run when the log has grown enough.
    fn retrain_if_due(&self) {
        let every = self.config.raw.service.retrain_every_days;
        if every == 0 {
            return;
        }
        let asked = || -> anyhow::Result<()> {
            let last = self.board.last_log_day();
            let Some(log_day) = self.runtime.block_on(newest_whole_day(&self.config.events, last))? else {
                return Ok(());
            };
            if is_due(log_day, last, every) {
                let by = format!("the schedule: the log is whole up to {log_day}");
                let settings = Default::default();
                let request = Request { by, at: now(), settings, promote: true, log_day: Some(log_day) };
                let run = self.runtime.block_on(self.board.request(request))?;
                tracing::info!(run = run.number, %log_day, "run scheduled");
            }
            Ok(())
        };
        if let Err(error) = asked() {
            tracing::warn!(error = format!("{error:#}"), "cannot tell whether a training is due");
        }
    }

    /// Wait until something changes on the board, a time has passed, or the service ends.
    fn rest(&self, at_most: Duration) {
        let mut changes = self.board.changes();
        if self.board.next().is_some() {
            return;
        }
        self.runtime.block_on(async {
            tokio::select! {
                _ = changes.changed() => {}
                () = tokio::time::sleep(at_most) => {}
                () = self.shutdown.cancelled() => {}
            }
        });
    }

    fn pause(&self, time: Duration) {
        self.runtime.block_on(async {
            tokio::select! {
                () = tokio::time::sleep(time) => {}
                () = self.shutdown.cancelled() => {}
            }
        });
    }
}
