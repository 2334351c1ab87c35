//! The daily run as a service: each day is run when it is due, and the admin port shows how the runs ended.
//!
//! Two clocks are offered. By `cron` a day is due once it has passed on the wall; with `follow_log` it is due as soon as
//! the log is past it, whatever the wall says, which is how a replayed log is followed and how a feed that comes late
//! is waited for. The runs themselves know neither: `--day` stays their only clock.

use std::net::TcpListener;
use std::time::Duration;

use anyhow::Context as _;
use dayvec_bucket::{Bucket, Tail};
use dayvec_core::{Day, FaultKind};
use dayvec_runtime::admin::{self, Readiness};
use dayvec_runtime::fault::{self, OrFault as _};
use dayvec_sequences::SequencesError;
use dayvec_sequences::log::EventLog;
use dayvec_snapshot::{Announcement, last_announcements};
use jiff::Timestamp;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::config::{Config, Schedule};
use crate::daily;
use crate::meter;
use crate::request::DailyRequest;
use crate::summary::DailySummary;

/// Waits before a day that could not be run yet is tried again double, up to this many polls.
const LONGEST_WAIT_POLLS: u32 = 4;
/// Longest sleep before the clock is looked at again.
const LONGEST_SLEEP: Duration = Duration::from_secs(3_600);

/// Run days as they fall due, until `shutdown`.
///
/// It blocks, and must not be called from an async task. `admin` is the bound admin port.
///
/// # Errors
/// As [`Scheduler::start`]. A run that fails is logged and counted, and does not end the program.
pub fn schedule(config: &Config, admin: TcpListener, shutdown: &CancellationToken) -> anyhow::Result<()> {
    let mut scheduler = Scheduler::start(config, admin, shutdown)?;
    while !shutdown.is_cancelled() {
        let pause = scheduler.run_due();
        scheduler.runtime.block_on(async {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = shutdown.cancelled() => {}
            }
        });
    }
    Ok(())
}

/// Runs days that are due, and answers at the admin port.
pub struct Scheduler<'a> {
    config: &'a Config,
    shutdown: &'a CancellationToken,
    runtime: Runtime,
    readiness: Readiness,
    bucket: Bucket,
    /// A day that a retry can't fix: its data are bad, or a gate failed. It is passed over until a later day is due.
    refused: Option<Day>,
    /// How long to wait after a failure that a retry may fix.
    wait: Duration,
    /// It was logged that the log has no whole day.
    has_warned: bool,
}

impl<'a> Scheduler<'a> {
    /// A scheduler that answers at `admin`, a bound port, and has run nothing yet.
    ///
    /// # Errors
    /// With exit code 64 when the bucket can't be opened.
    pub fn start(
        config: &'a Config,
        admin: TcpListener,
        shutdown: &'a CancellationToken,
    ) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        admin::install_metrics();
        meter::describe();
        admin::watch_disk(&config.work_dir);
        let bucket = Bucket::open(&config.bucket).or_fault()?;
        let address = admin.local_addr().context("read the address of the admin port")?;
        admin.set_nonblocking(true).context("prepare the admin port")?;
        let readiness = Readiness::default();
        {
            let _entered = runtime.enter();
            let listener = tokio::net::TcpListener::from_std(admin).context("prepare the admin port")?;
            tokio::spawn(admin::serve(listener, readiness.clone(), shutdown.clone()));
        }
        let Schedule { cron, follow_log, poll, .. } = &config.schedule;
        tracing::info!(admin = %address, %cron, follow_log, "scheduled");
        let (refused, wait, has_warned) = (None, *poll, false);
        Ok(Self { config, shutdown, runtime, readiness, bucket, refused, wait, has_warned })
    }

    /// Run the days that are due now; how long to wait before looking again.
    pub fn run_due(&mut self) -> Duration {
        let ran = self.due().map_err(|error| ("look for due days", error)).and_then(|days| {
            for day in days {
                if self.shutdown.is_cancelled() {
                    break;
                }
                self.run(day).map_err(|error| ("run the day", error))?;
            }
            Ok(())
        });
        self.readiness.set(true);
        let schedule = &self.config.schedule;
        if let Err((doing, error)) = ran {
            let pause = self.wait;
            tracing::warn!(error = format!("{error:#}"), retry_in_s = pause.as_secs(), "cannot {doing} yet");
            self.wait = (self.wait * 2).min(schedule.poll * LONGEST_WAIT_POLLS);
            return pause;
        }
        self.wait = schedule.poll;
        if schedule.follow_log { schedule.poll } else { until_next(schedule, Timestamp::now()) }
    }

    /// The days to run now, oldest first: those after the one that readers see, up to the newest that has passed.
    fn due(&mut self) -> anyhow::Result<Vec<Day>> {
        let schedule = &self.config.schedule;
        let (passed, served) = self.runtime.block_on(async {
            let Tail { newest, damaged, .. } = last_announcements(&self.bucket).await.or_fault()?;
            for record in damaged {
                meter::passed_over("announcement", &record.key, &record.reason);
            }
            let served = newest.as_ref().and_then(Announcement::day);
            if let Some((announced, day)) = newest.as_ref().zip(served) {
                meter::announced(announced.at_s, day);
            }
            let passed = match schedule.follow_log {
                true => newest_whole_day(&self.config.events, served).await.or_fault()?,
                false => Some(last_passed(schedule, Timestamp::now())),
            };
            anyhow::Ok((passed, served))
        })?;
        if passed.is_none() && !self.has_warned {
            self.has_warned = true;
            let events = &self.config.events;
            tracing::warn!(
                %events,
                "the log has no complete day yet (day=YYYY-MM-DD/ with _SUCCESS, or with a later day's folder)"
            );
        }
        let after = self.refused.max(served);
        Ok(passed.map_or_else(Vec::new, |passed| days_due(passed, after, schedule.catch_up_days)))
    }

    /// Run a day. An error is one that a retry may fix; any other outcome is logged and counted here.
    fn run(&mut self, day: Day) -> anyhow::Result<()> {
        meter::began();
        let ended = daily::run(self.config, &DailyRequest::new(day), self.shutdown).and_then(|summary| {
            meter::gates(&summary);
            summary.check_gates().map(|()| summary)
        });
        match ended {
            Ok(summary) => {
                log_announced(&summary);
                meter::ended(&summary);
                Ok(())
            }
            Err(error) if matches!(fault::kind(&error), FaultKind::Unavailable | FaultKind::LostRace) => {
                meter::waits();
                Err(error.context(format!("run {day}")))
            }
            Err(_) if self.shutdown.is_cancelled() => Ok(()),
            Err(error) => {
                let by_gates = meter::failed(&error);
                tracing::error!(%day, error = format!("{error:#}"), by_gates, "the day was not announced");
                self.refused = Some(day);
                Ok(())
            }
        }
    }
}

fn log_announced(summary: &DailySummary) {
    let DailySummary { day, users, encoded, carried, items, seconds, snapshot_id, model_id, .. } = summary;
    tracing::info!(%day, users, encoded, carried, items, seconds, snapshot_id, model_id, "day announced");
}

/// The days from the one after `after` to `passed`, at most so many, the newest ones; without `after` only the last.
fn days_due(passed: Day, after: Option<Day>, most: u32) -> Vec<Day> {
    let Some(after) = after else { return vec![passed] };
    let most = i32::try_from(most).unwrap_or(i32::MAX);
    let n_days = passed.days_since(after).clamp(0, most);
    (0..n_days).map(|back| passed.plus(back + 1 - n_days)).collect()
}

async fn newest_whole_day(log: &Url, known: Option<Day>) -> Result<Option<Day>, SequencesError> {
    EventLog::at(log)?.newest_whole_day(known).await
}

/// The day that the newest firing of cron is for: the one before it.
fn last_passed(schedule: &Schedule, now: Timestamp) -> Day {
    let fired = schedule.cron.last_before(now).unwrap_or(now);
    Day::of_timestamp(fired.as_second()).plus(-1)
}

fn until_next(schedule: &Schedule, now: Timestamp) -> Duration {
    let next = schedule.cron.next_after(now);
    // Not much longer than an hour at a time, so that a clock that is set is noticed.
    next.and_then(|next| Duration::try_from(next.duration_since(now)).ok())
        .unwrap_or(LONGEST_SLEEP)
        .min(LONGEST_SLEEP)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    #[test]
    fn missed_days_are_caught_up_oldest_first_and_not_without_end() {
        let passed = day("2024-03-10");
        assert_eq!(days_due(passed, None, 7), [passed]);
        assert_eq!(days_due(passed, Some(day("2024-03-08")), 7), [day("2024-03-09"), passed]);
        assert_eq!(days_due(passed, Some(day("2023-03-08")), 2), [day("2024-03-09"), passed]);
        assert!(days_due(passed, Some(passed), 7).is_empty());
        assert!(days_due(passed, Some(day("2024-03-12")), 7).is_empty());
    }

    #[test]
    fn cron_is_for_the_day_before_it_fires() {
        let config = Config::load(None).unwrap();
        let schedule = &config.schedule;
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(last_passed(schedule, at("2024-03-10T02:59:59Z")), day("2024-03-08"));
        assert_eq!(last_passed(schedule, at("2024-03-10T03:00:01Z")), day("2024-03-09"));
        assert_eq!(until_next(schedule, at("2024-03-10T02:59:00Z")), Duration::from_secs(60));
        assert_eq!(until_next(schedule, at("2024-03-10T03:00:00Z")), LONGEST_SLEEP);
    }
}
