//! All runs with their status: read from the bucket at the start, and every change is recorded there before it is
//! applied here.
//!
//! One service per bucket is meant, and two do the same work twice: during a rollout, or by mistake. Each then finds records
//! that it did not write, and takes them over, so that whichever remains goes on alone.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, anyhow};
use dayvec_bucket::{Append, Bucket, BucketError, Log, Record};
use dayvec_core::{Day, FaultKind};
use dayvec_experiment::StepProgress;
use dayvec_runtime::fault::{OrFault as _, WithFault as _};
use jiff::Timestamp;
use tokio::sync::watch;

use super::meter;
use super::record::{RunChange, RunRecord, RunStatus, TrainingRequest, TrainingRun};

const REQUESTS: &str = "training/requests";

/// The progress of the run that is being trained.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct LiveProgress {
    pub(crate) number: u64,
    pub(crate) stage: &'static str,
    pub(crate) step: StepProgress,
}

/// All runs.
#[derive(Debug)]
pub(crate) struct RunBoard {
    bucket: Bucket,
    requests: Log<TrainingRequest>,
    runs: Mutex<BTreeMap<u64, TrainingRun>>,
    live: Mutex<LiveProgress>,
    /// Held while a record is written, so that each takes the number after the last.
    writing: tokio::sync::Mutex<()>,
    changed: watch::Sender<()>,
}

impl RunBoard {
    /// Read every run of a bucket. A record that can't be used is passed over, with a warning; without its request, a run
    /// has failed.
    pub(crate) async fn open(bucket: &Bucket) -> anyhow::Result<Self> {
        let board = Self {
            bucket: bucket.clone(),
            requests: Log::new(bucket, REQUESTS),
            runs: Mutex::default(),
            live: Mutex::default(),
            writing: tokio::sync::Mutex::default(),
            changed: watch::Sender::new(()),
        };
        board.refresh().await?;
        Ok(board)
    }

    /// Take over what others recorded since.
    pub(crate) async fn refresh(&self) -> anyhow::Result<()> {
        let _one_at_a_time = self.writing.lock().await;
        self.take_over_requests().await?;
        let open: Vec<u64> =
            self.runs().values().filter(|run| !run.has_ended()).map(|run| run.number).collect();
        for number in open {
            self.take_over_changes(number).await?;
        }
        Ok(())
    }

    /// Notified of every change.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    pub(crate) fn get(&self, number: u64) -> Option<TrainingRun> {
        self.runs().get(&number).cloned()
    }

    /// The newest `limit` runs, newest first.
    pub(crate) fn newest(&self, limit: usize) -> Vec<TrainingRun> {
        self.runs().values().rev().take(limit).cloned().collect()
    }

    /// The newest run with a checkpoint in the bucket.
    pub(crate) fn newest_trained(&self) -> Option<TrainingRun> {
        self.runs().values().rev().find(|run| run.has_model()).cloned()
    }

    /// The newest day of the log at the last scheduled request.
    pub(crate) fn last_log_day(&self) -> Option<Day> {
        self.runs().values().rev().find_map(|run| run.request.log_day)
    }

    /// The oldest run that has not ended: one that was interrupted, else the next of the queue.
    pub(crate) fn next(&self) -> Option<TrainingRun> {
        self.runs().values().find(|run| !run.has_ended()).cloned()
    }

    pub(crate) fn n_queued(&self) -> usize {
        self.runs().values().filter(|run| run.status == RunStatus::Queued).count()
    }

    /// Put a run at the end of the queue.
    pub(crate) async fn request(&self, request: TrainingRequest) -> anyhow::Result<TrainingRun> {
        let _one_at_a_time = self.writing.lock().await;
        let number = loop {
            let number = self.last() + 1;
            if append(&self.requests, number, &request).await? {
                break number;
            }
            self.take_over_requests().await?;
        };
        let run = TrainingRun::new(number, request);
        self.runs().insert(number, run.clone());
        self.changed.send_replace(());
        Ok(run)
    }

    /// Record a change of a run.
    ///
    /// # Errors
    /// A lost race when another service ended the run in the meantime.
    pub(crate) async fn record(&self, number: u64, change: RunChange) -> anyhow::Result<TrainingRun> {
        let _one_at_a_time = self.writing.lock().await;
        let record = RunRecord { at: now(), change };
        loop {
            let next = self.n_records(number)? + 1;
            if append(&records_of(&self.bucket, number), next, &record).await? {
                let run = self.apply(number, next, Some(record))?;
                self.changed.send_replace(());
                return Ok(run);
            }
            self.take_over_changes(number).await?;
            if self.get(number).is_some_and(|run| run.has_ended()) {
                return Err(anyhow!("another trainer service on this bucket ended run {number}"))
                    .fault(FaultKind::LostRace);
            }
        }
    }

    /// Requests that this service did not write, with all changes of their runs.
    async fn take_over_requests(&self) -> anyhow::Result<()> {
        for number in self.requests.numbers_after(self.last()).await.or_fault().context("list the runs")? {
            let run = match usable(self.requests.read(number).await)? {
                Some(request) => TrainingRun::new(number, request),
                None => TrainingRun::without_request(number),
            };
            self.runs().insert(number, run);
            self.take_over_changes(number).await?;
        }
        Ok(())
    }

    /// Changes of a run that this service did not write.
    async fn take_over_changes(&self, number: u64) -> anyhow::Result<()> {
        let log = records_of(&self.bucket, number);
        let after = self.n_records(number)?;
        let numbers = log.numbers_after(after).await.or_fault().context("list the changes of a run")?;
        for &nth in &numbers {
            let record = usable(log.read(nth).await)?;
            self.apply(number, nth, record)?;
        }
        if !numbers.is_empty() {
            self.changed.send_replace(());
        }
        Ok(())
    }

    fn last(&self) -> u64 {
        self.runs().last_key_value().map_or(0, |(&number, _)| number)
    }

    fn n_records(&self, number: u64) -> anyhow::Result<u64> {
        let runs = self.runs();
        runs.get(&number).map(|run| run.n_records).with_context(|| format!("there is no run {number}"))
    }

    /// Apply the record with this number, if it can be used.
    fn apply(&self, number: u64, nth: u64, record: Option<RunRecord>) -> anyhow::Result<TrainingRun> {
        let mut runs = self.runs();
        let run = runs.get_mut(&number).with_context(|| format!("there is no run {number}"))?;
        if let Some(record) = record {
            run.apply(record);
        }
        run.n_records = nth;
        Ok(run.clone())
    }

    /// The progress of the run that is being trained.
    pub(crate) fn live(&self) -> LiveProgress {
        self.live.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Change the progress of the run that is being trained.
    pub(crate) fn update(&self, change: impl FnOnce(&mut LiveProgress)) {
        change(&mut self.live.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.send_replace(());
    }

    fn runs(&self) -> MutexGuard<'_, BTreeMap<u64, TrainingRun>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Now, in whole seconds.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default()
}

fn records_of(bucket: &Bucket, number: u64) -> Log<RunRecord> {
    Log::new(bucket, format!("training/runs/{number:020}"))
}

/// Write a record; false when its number is taken, by a record that this service did not write.
async fn append<T: Record>(log: &Log<T>, number: u64, record: &T) -> anyhow::Result<bool> {
    match log.append(number, record).await {
        Ok(Append::Done) => return Ok(true),
        Ok(Append::Taken(_)) => {}
        Err(error) if error.is_of_one_object() => {}
        Err(error) => return Err(error).or_fault().context("record a change of a run"),
    }
    meter::foreign_record();
    tracing::warn!(
        key = log.key(number),
        "another trainer service writes to this bucket; end one of them, or both do the same work"
    );
    Ok(false)
}

/// The record, or `None` with a warning for one that can't be used.
fn usable<T>(read: Result<T, BucketError>) -> anyhow::Result<Option<T>> {
    match read {
        Ok(record) => Ok(Some(record)),
        Err(error) if error.is_of_one_object() => {
            tracing::warn!(%error, "a record of a training run cannot be used; it is passed over");
            Ok(None)
        }
        Err(error) => Err(error).or_fault().context("read the runs of the bucket"),
    }
}

#[cfg(test)]
mod tests {
    use dayvec_runtime::fault;

    use super::*;

    fn request() -> TrainingRequest {
        TrainingRequest {
            by: "a test".into(),
            at: now(),
            settings: BTreeMap::new(),
            promote: true,
            log_day: None,
        }
    }

    #[tokio::test]
    async fn a_board_that_is_opened_again_has_the_same_runs() {
        let bucket = Bucket::open(&"memory:///".parse().unwrap()).unwrap();
        let board = RunBoard::open(&bucket).await.unwrap();
        assert!(board.next().is_none());
        for _ in 0..3 {
            board.request(request()).await.unwrap();
        }
        board.record(1, RunChange::Started).await.unwrap();
        board.record(1, RunChange::Failed { reason: "no log".into() }).await.unwrap();
        board.record(2, RunChange::Started).await.unwrap();
        let again = RunBoard::open(&bucket).await.unwrap();
        assert_eq!(again.newest(9), board.newest(9));
        assert_eq!(again.next().unwrap().number, 2, "an interrupted run comes before the queue");
        assert_eq!(again.n_queued(), 1);
    }

    #[tokio::test]
    async fn two_services_on_a_bucket_take_over_what_the_other_recorded() {
        let bucket = Bucket::open(&"memory:///".parse().unwrap()).unwrap();
        let (one, other) = (RunBoard::open(&bucket).await.unwrap(), RunBoard::open(&bucket).await.unwrap());
        one.request(request()).await.unwrap();
        one.record(1, RunChange::Started).await.unwrap();
        let second = other.request(TrainingRequest { by: "the other".into(), ..request() }).await.unwrap();
        assert_eq!(second.number, 2, "the first number is taken");
        assert_eq!(other.get(1).unwrap().status, RunStatus::Running);
        other.record(1, RunChange::Started).await.unwrap();
        // The other one is gone. This one can still stop the run, and goes on with the other's.
        let cancelling = one.record(1, RunChange::CancelRequested { by: "me".into() }).await.unwrap();
        assert_eq!((cancelling.attempts, cancelling.is_cancel_requested), (2, true));
        one.record(1, RunChange::Cancelled).await.unwrap();
        one.refresh().await.unwrap();
        assert_eq!(one.next().unwrap().request.by, "the other");
        // What ended the run is not undone.
        let error = other.record(1, RunChange::Failed { reason: "late".into() }).await.unwrap_err();
        assert_eq!(fault::kind(&error), FaultKind::LostRace, "{error:#}");
        assert_eq!(other.get(1).unwrap().status, RunStatus::Cancelled);
        assert_eq!(other.newest(9), one.newest(9));
    }

    #[tokio::test]
    async fn damaged_records_cost_their_run_at_most() {
        let bucket = Bucket::open(&"memory:///".parse().unwrap()).unwrap();
        let board = RunBoard::open(&bucket).await.unwrap();
        for _ in 0..2 {
            board.request(request()).await.unwrap();
        }
        bucket.put_new(&board.requests.key(3), "".into()).await.unwrap();
        board.record(1, RunChange::Started).await.unwrap();
        bucket.put_new(&records_of(&bucket, 1).key(2), "{".into()).await.unwrap();
        board.record(1, RunChange::Cancelled).await.unwrap();
        let again = RunBoard::open(&bucket).await.unwrap();
        assert_eq!(
            (again.get(1).unwrap().status, again.get(1).unwrap().n_records),
            (RunStatus::Cancelled, 3)
        );
        let lost = again.get(3).unwrap();
        assert!(lost.has_ended() && lost.reason.unwrap().contains("damaged"));
        assert_eq!(again.next().unwrap().number, 2);
        assert_eq!(again.request(request()).await.unwrap().number, 4);
    }
}
