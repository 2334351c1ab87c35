//! All runs with their status: read from the bucket at the start, and every change is recorded there before it is
//! applied here.
//!
//! One service per bucket: no one else may write records of runs, and a record of another service is an error.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, anyhow};
use dayvec_bucket::{Append, Bucket, BucketError, Log, Record};
use dayvec_core::{Day, FaultKind};
use dayvec_experiment::StepProgress;
use dayvec_runtime::fault::{OrFault as _, WithFault as _};
use jiff::Timestamp;
use tokio::sync::watch;

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
    /// Read every run of a bucket.
    pub(crate) async fn open(bucket: &Bucket) -> anyhow::Result<Self> {
        let requests = Log::new(bucket, REQUESTS);
        let mut runs = BTreeMap::new();
        let read = async {
            for number in requests.numbers_after(0).await? {
                let mut run = TrainingRun::new(number, requests.read(number).await?);
                for record in records_of(bucket, number).read_after(0).await? {
                    run.apply(record);
                }
                runs.insert(number, run);
            }
            Ok::<(), BucketError>(())
        };
        read.await.or_fault().context("read the runs of the bucket")?;
        Ok(Self {
            bucket: bucket.clone(),
            requests,
            runs: Mutex::new(runs),
            live: Mutex::default(),
            writing: tokio::sync::Mutex::default(),
            changed: watch::Sender::new(()),
        })
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
        let number = self.runs().last_key_value().map_or(0, |(&number, _)| number) + 1;
        append(&self.requests, number, &request).await?;
        let run = TrainingRun::new(number, request);
        self.runs().insert(number, run.clone());
        self.changed.send_replace(());
        Ok(run)
    }

    /// Record a change of a run.
    pub(crate) async fn record(&self, number: u64, change: RunChange) -> anyhow::Result<TrainingRun> {
        let _one_at_a_time = self.writing.lock().await;
        let n_records = self.get(number).map_or(0, |run| run.n_records);
        let record = RunRecord { at: now(), change };
        append(&records_of(&self.bucket, number), n_records + 1, &record).await?;
        let run = {
            let mut runs = self.runs();
            let run = runs.get_mut(&number).with_context(|| format!("there is no run {number}"))?;
            run.apply(record);
            run.clone()
        };
        self.changed.send_replace(());
        Ok(run)
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

/// Write a record under a number that no one else may take.
async fn append<T: Record>(log: &Log<T>, number: u64, record: &T) -> anyhow::Result<()> {
    match log.append(number, record).await.or_fault().context("record a change of a run")? {
        Append::Done => Ok(()),
        Append::Taken(_) => {
            let key = log.key(number);
            Err(anyhow!("{key} was written by another process: only one trainer service may use a bucket"))
                .fault(FaultKind::LostRace)
        }
    }
}

#[cfg(test)]
mod tests {
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
    async fn two_services_on_a_bucket_notice_each_other() {
        let bucket = Bucket::open(&"memory:///".parse().unwrap()).unwrap();
        let (one, other) = (RunBoard::open(&bucket).await.unwrap(), RunBoard::open(&bucket).await.unwrap());
        one.request(request()).await.unwrap();
        let error = other.request(request()).await.unwrap_err();
        assert!(format!("{error:#}").contains("only one trainer service"), "{error:#}");
    }
}
