//! The training thread: takes the oldest run that has not ended, and finishes it. When no run waits, it measures the
//! models that it trained beside all baselines, which takes longer than most trainings and must keep no run waiting.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use dayvec_core::FaultKind;
use dayvec_experiment::{Config as ExperimentConfig, Outcome, Store, TrainingProgress, train};
use dayvec_runtime::fault;
use tokio_util::sync::CancellationToken;

use super::current_run::CurrentRun;
use super::full_evaluation;
use super::meter;
use super::promotion::{self, PromotionDecision};
use super::record::{RunChange, RunStatus, TrainingRequest, TrainingRun};
use super::run_board::{LiveProgress, RunBoard, now};
use super::schedule::{is_due, newest_whole_day};
use crate::config::Config;

/// First wait before a run is retried that found something unavailable; it doubles up to the longest.
const FIRST_WAIT: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// The training thread.
pub(crate) struct Worker {
    pub(crate) config: Config,
    pub(crate) store: Store,
    pub(crate) board: Arc<RunBoard>,
    pub(crate) current: CurrentRun,
    pub(crate) shutdown: CancellationToken,
}

impl Worker {
    /// Train the runs of the queue until shutdown.
    pub(crate) fn work(self) {
        let mut wait = FIRST_WAIT;
        // A run that ended before a restart may lack the other baselines.
        let mut unmeasured: Vec<u64> =
            self.board.newest_trained().map(|run| run.number).into_iter().collect();
        while !self.shutdown.is_cancelled() {
            let Some(run) = self.board.next() else {
                if let Some(number) = unmeasured.last().copied() {
                    if self.measure(number) {
                        unmeasured.pop();
                    }
                    continue;
                }
                self.refresh();
                self.retrain_if_due();
                self.rest(self.config.service.poll);
                continue;
            };
            meter::queue(true, self.board.n_queued());
            match self.finish(&run) {
                Ok(()) => {
                    wait = FIRST_WAIT;
                    unmeasured.extend(
                        self.board.get(run.number).filter(TrainingRun::has_model).map(|run| run.number),
                    );
                }
                Err(error) => {
                    let retry_in_s = wait.as_secs();
                    tracing::warn!(
                        run = run.number,
                        error = format!("{error:#}"),
                        retry_in_s,
                        "run unavailable, will be retried"
                    );
                    self.pause(wait);
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
            }
            meter::queue(false, self.board.n_queued());
        }
    }

    /// Returns an error only if a retry may help; any other failure is recorded as the end of the run.
    fn finish(&self, run: &TrainingRun) -> anyhow::Result<()> {
        let number = run.number;
        if run.is_cancel_requested {
            return self.end(number, RunChange::Cancelled);
        }
        let model_id = match (run.status, &run.model_id) {
            (RunStatus::Trained, Some(model_id)) => model_id.clone(),
            _ => match self.train(run)? {
                Some(model_id) => model_id,
                None => return Ok(()),
            },
        };
        // Another service may have ended it meanwhile, or a client of its have cancelled it.
        self.refresh();
        match self.board.get(number) {
            Some(run) if run.has_ended() => return Ok(()),
            Some(run) if run.request.promote && run.is_cancel_requested => {
                return self.end(number, RunChange::Cancelled);
            }
            _ => {}
        }
        if run.request.promote && !self.shutdown.is_cancelled() {
            self.board.update(|live| live.stage = "promote");
            let by = format!("run {number}");
            match self
                .guarded(|| promotion::promote(&self.config.experiment, &self.store, &model_id, &by, false))?
            {
                Ok(PromotionDecision::Promoted(promotion)) => {
                    meter::promoted(&promotion);
                    let (sequence, gates) = (promotion.sequence, promotion.gates);
                    self.end(number, RunChange::Promoted { sequence, gates })?;
                }
                Ok(PromotionDecision::Refused { reason, gates }) => {
                    self.end(number, RunChange::Refused { reason, gates })?
                }
                Err(reason) => self.end(number, RunChange::Failed { reason })?,
            }
        }
        Ok(())
    }

    /// Measure the model of a run beside all baselines, unless that has been done. `false` when it was stopped by a new run
    /// or by the shutdown, so that it is to be done again; a failure is only logged: the model is published.
    fn measure(&self, number: u64) -> bool {
        let Some(run) = self.board.get(number) else { return true };
        let Some(model_id) = &run.model_id else { return true };
        let stop = || self.shutdown.is_cancelled() || self.board.next().is_some();
        let measured = self.guarded(|| {
            let config = self.config_of(&run).map_err(|reason| anyhow!(reason))?;
            full_evaluation::measure(&config, &self.store, model_id, &stop)
        });
        let reason = match measured {
            Ok(Ok(is_done)) => return is_done,
            Ok(Err(reason)) => reason,
            Err(error) => format!("{error:#}"),
        };
        tracing::warn!(run = number, model_id, reason, "could not measure the model beside all baselines");
        true
    }

    /// Train; the model's name, or `None` when the run ended without one or was interrupted.
    fn train(&self, run: &TrainingRun) -> anyhow::Result<Option<String>> {
        let number = run.number;
        let token = self.shutdown.child_token();
        self.current.set(Some((number, token.clone())));
        let run = self.store.block_on(self.board.record(number, RunChange::Started))?;
        tracing::info!(run = number, attempt = run.attempts, settings = ?run.request.settings, "run started");
        self.board.update(|live| *live = LiveProgress { number, ..LiveProgress::default() });
        let config = match self.config_of(&run) {
            Ok(config) => config,
            Err(reason) => return self.end(number, RunChange::Failed { reason }).map(|()| None),
        };
        let trained = self
            .guarded(|| train(&config, &self.store, true, &token, &|progress| self.observe(&run, progress)));
        self.current.set(None);
        self.current.keep_until_saved(false);
        let outcome = match trained? {
            Ok(outcome) => outcome,
            Err(reason) => return self.end(number, RunChange::Failed { reason }).map(|()| None),
        };
        match outcome {
            Outcome::Trained(report) | Outcome::AlreadyTrained(report) => {
                let model_id = report.model_id.clone();
                let recall = report.recall_by_scorer;
                self.end(number, RunChange::Trained { model_id: model_id.clone(), recall })?;
                Ok(Some(model_id))
            }
            Outcome::Stopped(_) if self.shutdown.is_cancelled() => Ok(None),
            Outcome::Stopped(_) => self.end(number, RunChange::Cancelled).map(|()| None),
        }
    }

    /// The service's configuration with the run's settings, and the cut-off that its first attempt chose.
    fn config_of(&self, run: &TrainingRun) -> Result<ExperimentConfig, String> {
        let mut config =
            self.config.experiment.with_settings(&run.request.settings).map_err(|error| error.to_string())?;
        if let Some(cut_off) = run.cut_off {
            config.raw.split.cut_off = Some(cut_off);
        }
        Ok(config)
    }

    /// Do `work`. The outer error is one that a retry may fix; any other, a panic included, is the inner one, the reason to
    /// record.
    fn guarded<T>(&self, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<Result<T, String>> {
        let done = catch_unwind(AssertUnwindSafe(work))
            .unwrap_or_else(|_| Err(anyhow!("an internal error: the trainer panicked; see its log")));
        match done {
            Ok(done) => Ok(Ok(done)),
            Err(error) if fault::kind(&error) == FaultKind::Unavailable => Err(error),
            Err(error) => Ok(Err(format!("{error:#}"))),
        }
    }

    fn end(&self, number: u64, change: RunChange) -> anyhow::Result<()> {
        meter::ended(&change);
        match &change {
            RunChange::Failed { reason } => tracing::error!(run = number, reason, "run failed"),
            RunChange::Refused { reason, .. } => {
                tracing::warn!(run = number, reason, "model refused by its gates")
            }
            RunChange::Trained { model_id, .. } => tracing::info!(run = number, model_id, "run trained"),
            RunChange::Promoted { sequence, .. } => tracing::info!(run = number, sequence, "model promoted"),
            _ => tracing::info!(run = number, "run ended"),
        }
        self.store.block_on(self.board.record(number, change)).map(drop)
    }

    /// The progress of the training, on this thread.
    fn observe(&self, run: &TrainingRun, progress: TrainingProgress) {
        match progress {
            TrainingProgress::Stage(stage) => {
                self.current.keep_until_saved(stage == "train");
                self.board.update(|live| live.stage = stage);
            }
            TrainingProgress::Step(step) => {
                meter::step(&step);
                self.board.update(|live| live.step = step);
            }
            TrainingProgress::Named { model_id, cut_off } => {
                if run.cut_off == Some(cut_off) && run.model_id.as_ref() == Some(&model_id) {
                    return;
                }
                let named = self.board.record(run.number, RunChange::Named { model_id, cut_off });
                if let Err(error) = self.store.block_on(named) {
                    tracing::warn!(
                        run = run.number,
                        error = format!("{error:#}"),
                        "could not record the model id of the run; continuing"
                    );
                }
            }
        }
    }

    fn refresh(&self) {
        if let Err(error) = self.store.block_on(self.board.refresh()) {
            tracing::warn!(error = format!("{error:#}"), "could not look for runs in the bucket");
        }
    }

    /// Request a run when the log has grown enough.
    fn retrain_if_due(&self) {
        let every = self.config.service.retrain_every_days;
        if every == 0 {
            return;
        }
        let request = || -> anyhow::Result<()> {
            let last = self.board.last_log_day();
            let Some(log_day) =
                self.store.block_on(newest_whole_day(&self.config.experiment.events, last))?
            else {
                return Ok(());
            };
            if is_due(log_day, last, every) {
                let by = format!("the schedule: the log is complete up to {log_day}");
                let settings = Default::default();
                let request =
                    TrainingRequest { by, at: now(), settings, promote: true, log_day: Some(log_day) };
                let run = self.store.block_on(self.board.request(request))?;
                tracing::info!(run = run.number, %log_day, "run scheduled");
            }
            Ok(())
        };
        if let Err(error) = request() {
            tracing::warn!(error = format!("{error:#}"), "could not check whether a training is due");
        }
    }

    /// Wait for a change of the board, a time, or shutdown.
    fn rest(&self, at_most: Duration) {
        let mut changes = self.board.changes();
        if self.board.next().is_some() {
            return;
        }
        self.store.block_on(async {
            tokio::select! {
                _ = changes.changed() => {}
                () = tokio::time::sleep(at_most) => {}
                () = self.shutdown.cancelled() => {}
            }
        });
    }

    fn pause(&self, time: Duration) {
        self.store.block_on(async {
            tokio::select! {
                () = tokio::time::sleep(time) => {}
                () = self.shutdown.cancelled() => {}
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use dayvec_core::Day;
    use dayvec_experiment::{full_report, published_report};

    use super::*;
    use crate::shop::{CUT_OFF, Shop, log, store};

    /// Days of the shop's log in folders, up to the one before `until`.
    fn write_days(shop: &Shop, until: &str) {
        let text = log();
        let (header, rows) = text.split_once('\n').unwrap();
        let mut days: BTreeMap<String, String> = BTreeMap::new();
        for row in rows.lines() {
            let seconds: i64 = row.rsplit(',').next().unwrap().parse().unwrap();
            let csv = days.entry(Day::of_timestamp(seconds).to_string()).or_insert_with(|| header.to_owned());
            *csv += &format!("\n{row}");
        }
        for (day, csv) in days.range(..until.to_owned()) {
            let folder = shop.path(&format!("events/day={day}"));
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("events.csv"), csv).unwrap();
        }
    }

    fn worker(shop: &Shop) -> Worker {
        let mut raw = shop.raw();
        raw.run.steps = 200; // enough to beat popularity
        raw.events.url = shop.path("events").display().to_string();
        let experiment = ExperimentConfig::try_from(raw).unwrap();
        let store = store(&experiment);
        let board = Arc::new(store.block_on(RunBoard::open(store.bucket())).unwrap());
        let mut config = Config { experiment, ..Config::load(None).unwrap() };
        config.service.retrain_every_days = 7;
        config.service.poll = Duration::from_millis(10);
        let (current, shutdown) = (CurrentRun::default(), CancellationToken::new());
        Worker { config, store, board, current, shutdown }
    }

    #[test]
    fn a_log_that_has_grown_is_trained_on_again() {
        let shop = Shop::new();
        write_days(&shop, "2024-03-01");
        let worker = worker(&shop);
        worker.retrain_if_due();
        let run = worker.board.next().unwrap();
        assert!(run.request.by.contains("2024-02-28"), "{run:?}");
        worker.finish(&run).unwrap();
        assert_eq!(worker.board.get(1).unwrap().status, RunStatus::Promoted);

        write_days(&shop, "2024-03-07");
        worker.retrain_if_due();
        assert_eq!(worker.board.get(2), None, "six days are not enough");

        write_days(&shop, "2024-03-10");
        let (board, store, shutdown) =
            (Arc::clone(&worker.board), worker.store.clone(), worker.shutdown.clone());
        let thread = std::thread::spawn(|| worker.work());
        let mut changes = board.changes();
        while board.get(2).is_none_or(|run| !run.has_ended()) {
            store.block_on(changes.changed()).unwrap();
        }
        assert_ne!(board.get(2).unwrap().cut_off.unwrap().to_string(), CUT_OFF);
        shutdown.cancel();
        thread.join().unwrap();
    }

    #[test]
    fn a_model_is_promoted_before_it_is_measured_beside_slow_baselines() {
        let shop = Shop::new();
        write_days(&shop, "2024-03-01");
        let worker = worker(&shop);
        let full_report = || {
            let run = worker.board.get(1).unwrap();
            let published = published_report(&worker.store, run.model_id.as_ref().unwrap()).unwrap().unwrap();
            full_report(&worker.store, &published).unwrap()
        };
        worker.retrain_if_due();
        worker.finish(&worker.board.next().unwrap()).unwrap();
        let run = worker.board.get(1).unwrap();
        assert_eq!(run.status, RunStatus::Promoted);
        assert!(run.recall.seen_allowed.contains_key("popularity") && full_report().is_none());

        // A run that waits goes first.
        let request = run.request.clone();
        worker.store.block_on(worker.board.request(request)).unwrap();
        assert!(!worker.measure(1), "it did not give way");
        assert!(full_report().is_none());
        worker.store.block_on(worker.board.record(2, RunChange::Cancelled)).unwrap();
        assert_eq!(worker.board.newest_trained().unwrap().number, 1);
        assert!(worker.measure(1));
        let full = full_report().unwrap();
        let recall = &full.recall_by_scorer.seen_allowed;
        assert!(recall.contains_key("EASE"), "{recall:?}");
        assert!((recall["model"] - run.recall.seen_allowed["model"]).abs() < 1e-12, "{recall:?}");
        assert!(full.training.is_some() && full.stages.iter().any(|(stage, _)| stage == "train"));
        // A second time nothing is left to do, and the shutdown is not even asked for.
        worker.shutdown.cancel();
        assert!(worker.measure(1));
    }
}
