//! One day's run, from the plan to the announcement.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use dayvec_bucket::Bucket;
use dayvec_core::Gate;
use dayvec_runtime::fault::OrFault as _;
use dayvec_sequences::log::digest;
use dayvec_snapshot::{Manifest, Publisher, RunDescription};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::buckets::{BucketIo, WaveEncoder, waves};
use crate::checkpoint::Checkpoint;
use crate::commit::{self, DoneBuckets, EarlierAttempt};
use crate::config::Config;
use crate::events::{self, EventReader, NewEvents};
use crate::item_table::DayItems;
use crate::plan::{Plan, state_id};
use crate::progress::Progress;
use crate::request::DailyRequest;
use crate::share;
use crate::state_store::{StateId, StateStore};
use crate::summary::{DailySummary, Outcome, StageTimes};
use dayvec_report::SnapshotStatistics;

/// Run a day.
///
/// It blocks, and must not be called from an async task. `shutdown` stops it between two buckets.
///
/// # Errors
/// With the exit code attached; see [`dayvec_runtime::exit`].
pub fn run(
    config: &Config,
    request: &DailyRequest,
    shutdown: &CancellationToken,
) -> anyhow::Result<DailySummary> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    std::fs::create_dir_all(&config.work_dir)
        .and_then(|()| tempfile::Builder::new().prefix("run-").tempdir_in(&config.work_dir))
        .with_context(|| format!("make a scratch folder in {}", config.work_dir.display()))
        .and_then(|scratch| {
            DailyRun { config, request, shutdown, runtime: &runtime, scratch: scratch.path() }.run()
        })
}

/// What every step of a run needs.
struct DailyRun<'a> {
    config: &'a Config,
    request: &'a DailyRequest,
    shutdown: &'a CancellationToken,
    runtime: &'a Runtime,
    scratch: &'a Path,
}

/// Everything that is known before the first user is encoded.
struct Prepared {
    bucket: Bucket,
    checkpoint: Checkpoint,
    states: StateStore,
    plan: Plan,
    events: NewEvents,
    /// The state that the run makes.
    to: StateId,
    run: RunDescription,
}

impl DailyRun<'_> {
    fn run(&self) -> anyhow::Result<DailySummary> {
        let mut stages = StageTimes::begin();
        let prepared = self.prepare(&mut stages)?;
        let key = prepared.run.layout().manifest();
        let all_buckets = self.config.n_buckets.get();
        let ended = match self.runtime.block_on(commit::earlier(&prepared.bucket, &key))? {
            EarlierAttempt::Announced(manifest) => {
                tracing::info!(snapshot = manifest.snapshot_id, "this run was finished and announced before");
                RunEnd::at_manifest(Outcome::AlreadyAnnounced, manifest, all_buckets)?
            }
            EarlierAttempt::Written(manifest)
                if !manifest.failed_gates().is_empty() && !self.request.force =>
            {
                RunEnd::at_manifest(Outcome::GatesFailed, manifest, all_buckets)?
            }
            EarlierAttempt::Written(manifest) => {
                prepared.plan.check_order(self.request)?;
                let publisher = self.begin(&prepared)?;
                let announced = commit::announce(&publisher, &manifest, self.request.force);
                RunEnd::at_manifest(self.runtime.block_on(announced)?, manifest, all_buckets)?
            }
            EarlierAttempt::Unfinished => {
                prepared.plan.check_order(self.request)?;
                self.make(&prepared, &mut stages)?
            }
        };
        stages.end("commit");
        Ok(self.summary(prepared, ended, &stages))
    }

    /// Load the model, choose where to start, read the events.
    fn prepare(&self, stages: &mut StageTimes) -> anyhow::Result<Prepared> {
        let Self { config, request, .. } = *self;
        let bucket = Bucket::open(&config.bucket).or_fault()?.with_single_publisher(config.single_publisher);
        let choice = request.model.as_ref().unwrap_or(&config.model);
        let checkpoint = self.runtime.block_on(Checkpoint::open(&bucket, choice, self.scratch))?;
        stages.end("load");
        let spec = checkpoint.model.spec();
        let n_buckets = config.n_buckets.get();
        let states = StateStore::new(&bucket, spec, n_buckets);
        let plan = self.runtime.block_on(Plan::make(&bucket, &states, spec, config, request))?;
        let files = self.runtime.block_on(events::files(&config.events, plan.span, self.scratch))?;
        let reading = EventReader {
            schema: &spec.events,
            span: plan.span,
            depth: spec.history_len(),
            max_bad_share: config.max_bad_share,
            quarantine: config.work_dir.join(format!("quarantine-{}.csv", request.day)),
        };
        let events = reading.read(&files)?;
        match &events.report {
            Some(report) => tracing::info!(%report, start = ?plan.start(), "read the log"),
            None => {
                tracing::warn!(day = %request.day, "the log has no events for these days; every user is carried")
            }
        }
        if !request.force {
            events.check_reach(request.day)?;
        }
        let to = state_id(plan.from.as_ref(), &digest(&events.sequences), request.day);
        let run = RunDescription {
            day: request.day,
            model_id: spec.model_id.clone(),
            tower_pair_id: spec.tower_pair_id.clone(),
            items_version: spec.items_version.clone(),
            input_digest: to.id.clone(),
            code_version: env!("CARGO_PKG_VERSION").to_owned(),
            dim: spec.embedding_dim(),
            element_type: config.element_type,
            n_buckets,
        };
        stages.end("read_events");
        Ok(Prepared { bucket, checkpoint, states, plan, events, to, run })
    }

    fn begin(&self, prepared: &Prepared) -> anyhow::Result<Publisher> {
        let publisher = Publisher::begin(&prepared.bucket, prepared.run.clone());
        self.runtime.block_on(publisher).or_fault().context("begin the snapshot")
    }

    /// Make what is missing of the run, then commit.
    fn make(&self, prepared: &Prepared, stages: &mut StageTimes) -> anyhow::Result<RunEnd> {
        let publisher = self.begin(prepared)?;
        let mut items = DayItems::none(&prepared.checkpoint, self.request.day);
        let resumed_buckets = self.encode_users(prepared, &publisher, &mut items)?;
        stages.end("encode_users");
        let done = self.runtime.block_on(DoneBuckets::read(&publisher))?;
        if done.len() < self.config.n_buckets.get() {
            return Ok(RunEnd::of_share(done.statistics, resumed_buckets));
        }
        self.write_items(prepared, &publisher, items)?;
        stages.end("encode_items");
        let Prepared { bucket, states, plan, to, .. } = prepared;
        self.runtime.block_on(async {
            states.mark_whole(to, done.statistics.users + done.statistics.without_embedding).await?;
            let limits = &self.config.gates.of(prepared.checkpoint.model.spec());
            let manifest = done.write_manifest(bucket, &publisher, plan.users_before, limits).await?;
            let outcome = commit::announce(&publisher, &manifest, self.request.force).await?;
            RunEnd::at_manifest(outcome, manifest, resumed_buckets)
        })
    }

    /// Encode the users of this worker's buckets that are not done; the number of buckets that were done before.
    fn encode_users(
        &self,
        prepared: &Prepared,
        publisher: &Publisher,
        items: &mut DayItems,
    ) -> anyhow::Result<u32> {
        let Prepared { bucket, checkpoint, states, plan, events, to, .. } = prepared;
        let done = self.runtime.block_on(publisher.done_buckets()).or_fault()?;
        let n_buckets = self.config.n_buckets.get();
        let mut progress = Progress::new(n_buckets);
        for (&bucket, part) in &done {
            progress.done(bucket, &commit::statistics_of(part)?, true);
        }
        let users_at_most =
            plan.from.as_ref().map_or(0, |from| from.users) + events.sequences.n_users() as u64;
        let encoder = WaveEncoder {
            runtime: self.runtime,
            checkpoint,
            day: self.request.day,
            io: BucketIo {
                bucket: bucket.clone(),
                states: states.clone(),
                publisher: publisher.clone(),
                from: plan.from.as_ref().map(|from| from.state.clone()),
                carry: plan.carry.clone().map(Arc::new),
                to: to.clone(),
                scratch: Arc::from(self.scratch),
            },
            events: &events.sequences,
            users: &events::partition(&events.sequences, n_buckets),
            done: &done.keys().copied().collect(),
            shutdown: self.shutdown,
        };
        let waves = waves(n_buckets, users_at_most, self.config.wave_users.into()).into_iter().enumerate();
        let ours =
            waves.filter(|&(wave, _)| share::has_wave(self.request.share, wave)).map(|(_, buckets)| buckets);
        encoder.run(ours.collect(), &mut progress, items)?;
        Ok(done.len() as u32)
    }

    fn write_items(&self, prepared: &Prepared, publisher: &Publisher, items: DayItems) -> anyhow::Result<()> {
        if !self.runtime.block_on(publisher.done_items()).or_fault()?.is_empty() {
            return Ok(());
        }
        let Prepared { checkpoint, states, to, .. } = prepared;
        let n_buckets = self.config.n_buckets.get();
        let rows =
            self.runtime.block_on(items.embeddings(checkpoint, (states, to), n_buckets, self.scratch))?;
        let written = self.runtime.block_on(publisher.write_items_part(0, rows, &serde_json::json!({})));
        written.or_fault().context("write the items").map(drop)
    }

    fn summary(&self, prepared: Prepared, ended: RunEnd, stages: &StageTimes) -> DailySummary {
        let Prepared { plan, events, run, .. } = prepared;
        let RunEnd { outcome, statistics, items, gates, resumed_buckets } = ended;
        DailySummary {
            day: self.request.day,
            outcome,
            start: plan.start(),
            start_day: plan.from.as_ref().map(|from| from.state.day),
            model_id: run.model_id.clone(),
            users: statistics.users,
            encoded: statistics.encoded,
            carried: statistics.carried,
            items,
            resumed_buckets,
            statistics,
            events: events.report,
            forced: outcome == Outcome::Announced
                && (plan.later.is_some() || gates.iter().any(|gate| !gate.passed)),
            gates,
            snapshot_id: run.layout().snapshot_id().to_owned(),
            seconds: stages.total_s(),
            stages: stages.seconds(),
        }
    }
}

/// How a run ended, and what is there of its snapshot.
struct RunEnd {
    outcome: Outcome,
    statistics: SnapshotStatistics,
    items: u64,
    gates: Vec<Gate>,
    /// Buckets that an earlier attempt had done.
    resumed_buckets: u32,
}

impl RunEnd {
    /// With a whole snapshot.
    fn at_manifest(outcome: Outcome, manifest: Manifest, resumed_buckets: u32) -> anyhow::Result<Self> {
        let statistics =
            serde_json::from_value(manifest.statistics).context("read the manifest's statistics")?;
        Ok(Self { outcome, statistics, items: manifest.totals.items, gates: manifest.gates, resumed_buckets })
    }

    /// With this worker's share done, and others' not.
    const fn of_share(statistics: SnapshotStatistics, resumed_buckets: u32) -> Self {
        Self { outcome: Outcome::ShareDone, statistics, items: 0, gates: Vec::new(), resumed_buckets }
    }
}
