//! All runs as they stand: read from the bucket at the start, written there before they change here.
//!
//! One service a bucket: the board believes that nobody else writes runs, and says so when somebody did.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, anyhow};
use dayvec_bucket::{Append, Bucket, BucketError, Log};
use dayvec_core::Day;
use dayvec_runtime::Exit;
use jiff::Timestamp;
use tokio::sync::watch;

use super::record::{Event, Request, Run, State, What};
use crate::store::told;
use crate::told::Standing;

const REQUESTS: &str = "training/requests";

/// What the run under way is doing.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Live {
    pub(crate) number: u64,
    pub(crate) stage: &'static str,
    pub(crate) standing: Standing,
}

/// All runs.
#[derive(Debug)]
pub(crate) struct Board {
    bucket: Bucket,
    requests: Log<Request>,
    runs: Mutex<BTreeMap<u64, Run>>,
    live: Mutex<Live>,
    /// Held while a record is written, so that each takes the number after the last.
    writing: tokio::sync::Mutex<()>,
    changed: watch::Sender<()>,
}

impl Board {
    /// Read every run of a bucket.
    pub(crate) async fn open(bucket: &Bucket) -> anyhow::Result<Self> {
        let requests = Log::new(bucket, REQUESTS);
        let mut runs = BTreeMap::new();
        for number in listed(requests.numbers_after(0).await)? {
            let mut run = Run::new(number, listed(requests.read(number).await)?);
            for event in listed(events_of(bucket, number).read_after(0).await)? {
                run.add(event);
            }
            runs.insert(number, run);
        }
        Ok(Self {
            bucket: bucket.clone(),
            requests,
            runs: Mutex::new(runs),
            live: Mutex::default(),
            writing: tokio::sync::Mutex::default(),
            changed: watch::Sender::new(()),
        })
    }

    /// Wakes whenever something changed.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    pub(crate) fn get(&self, number: u64) -> Option<Run> {
        self.runs().get(&number).cloned()
    }

    /// The newest `limit` runs, newest first.
    pub(crate) fn newest(&self, limit: usize) -> Vec<Run> {
        self.runs().values().rev().take(limit).cloned().collect()
    }

    /// The newest day of the log that a scheduled run was asked for at.
    pub(crate) fn last_log_day(&self) -> Option<Day> {
        self.runs().values().rev().find_map(|run| run.request.log_day)
    }

    /// The oldest run that has not ended: one that was interrupted, else the next of the queue.
    pub(crate) fn next(&self) -> Option<Run> {
        self.runs().values().find(|run| !run.has_ended()).cloned()
    }

    pub(crate) fn n_queued(&self) -> usize {
        self.runs().values().filter(|run| run.state == State::Queued).count()
    }

    /// Put a run at the end of the queue.
    pub(crate) async fn request(&self, request: Request) -> anyhow::Result<Run> {
        let _one_at_a_time = self.writing.lock().await;
        let number = self.runs().last_key_value().map_or(0, |(&number, _)| number) + 1;
        written(&self.requests.key(number), self.requests.append(number, &request).await)?;
        let run = Run::new(number, request);
        self.runs().insert(number, run.clone());
        self.changed.send_replace(());
        Ok(run)
    }

    /// Write what happened to a run.
    pub(crate) async fn add(&self, number: u64, what: What) -> anyhow::Result<Run> {
        let _one_at_a_time = self.writing.lock().await;
        let n_events = self.get(number).map_or(0, |run| run.n_events);
        let event = Event { at: now(), what };
        let events = events_of(&self.bucket, number);
        written(&events.key(n_events + 1), events.append(n_events + 1, &event).await)?;
        let run = {
            let mut runs = self.runs();
            let run = runs.get_mut(&number).with_context(|| format!("there is no run {number}"))?;
            run.add(event);
            run.clone()
        };
        self.changed.send_replace(());
        Ok(run)
    }

    /// What the run under way is doing.
    pub(crate) fn live(&self) -> Live {
        self.live.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Note what the run under way is doing.
    pub(crate) fn note(&self, change: impl FnOnce(&mut Live)) {
        change(&mut self.live.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.send_replace(());
    }

    fn runs(&self) -> MutexGuard<'_, BTreeMap<u64, Run>> {
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Now, in whole seconds.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default()
}

fn events_of(bucket: &Bucket, number: u64) -> Log<Event> {
    Log::new(bucket, format!("training/runs/{number:020}"))
}

fn listed<T>(result: Result<T, BucketError>) -> anyhow::Result<T> {
    told(result, || "read the runs of the bucket".to_owned())
}

/// A number that is taken means that another service writes to this bucket.
fn written<T>(key: &str, result: Result<Append<T>, BucketError>) -> anyhow::Result<()> {
    match told(result, || format!("write {key}"))? {
        Append::Done => Ok(()),
        Append::Taken(_) => {
            let error = anyhow!("another service wrote {key}: only one trainer service may use a bucket");
            Err(error.context(Exit::LostRace))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Request {
        Request { by: "a test".into(), at: now(), settings: BTreeMap::new(), promote: true, log_day: None }
    }

    #[tokio::test]
    async fn a_board_that_is_opened_again_stands_where_it_stood() {
        let bucket = Bucket::open(&"memory:///".parse().unwrap()).unwrap();
        let board = Board::open(&bucket).await.unwrap();
        assert!(board.next().is_none());
        for _ in 0..3 {
            board.request(request()).await.unwrap();
        }
        board.add(1, What::Started).await.unwrap();
        board.add(1, What::Failed { reason: "no log".into() }).await.unwrap();
        board.add(2, What::Started).await.unwrap();
        let again = Board::open(&bucket).await.unwrap();
        assert_eq!(again.newest(9), board.newest(9));
        assert_eq!(again.next().unwrap().number, 2, "what was interrupted goes on before the queue does");
        assert_eq!(again.n_queued(), 1);
    }

    #[tokio::test]
    async fn two_services_on_a_bucket_notice_each_other() {
        let bucket = Bucket::open(&"memory:///".parse().unwrap()).unwrap();
        let (one, other) = (Board::open(&bucket).await.unwrap(), Board::open(&bucket).await.unwrap());
        one.request(request()).await.unwrap();
        let error = other.request(request()).await.unwrap_err();
        assert!(format!("{error:#}").contains("only one trainer service"), "{error:#}");
    }
}
