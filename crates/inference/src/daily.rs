//! One day's run, from the plan to the announcement.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use dayvec_bucket::Bucket;
use dayvec_core::{Day, Gate, Shard};
use dayvec_sequences::log::digest;
use dayvec_snapshot::{ItemEmbeddings, Manifest, Publisher, RunDescription};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::buckets::{Pass, Places, waves};
use crate::checkpoint::Checkpoint;
use crate::commit::{self, Earlier, Made};
use crate::config::{Config, ModelChoice};
use crate::events::{self, Events, Reading};
use crate::plan::{Plan, state_id};
use crate::progress::Progress;
use crate::report::{Outcome, Report, Stages};
use crate::share;
use crate::state_store::{StateId, StateStore};
use crate::statistics::Statistics;
use crate::store_exit::OrStoreExit as _;

/// What a run is asked for, beside the settings.
#[derive(Debug, Clone)]
pub struct Request {
    /// The day to run for: the only clock.
    pub day: Day,
    /// The model, where it is not the one in the settings.
    pub model: Option<ModelChoice>,
    /// Announce although a gate failed or a later day is announced.
    pub force: bool,
    /// Start from the whole log and encode everybody.
    pub full: bool,
    /// This worker's share of the run.
    pub share: Shard,
}

impl Request {
    /// A plain run for `day`.
    #[must_use]
    pub const fn new(day: Day) -> Self {
        Self { day, model: None, force: false, full: false, share: Shard::WHOLE }
    }
}

/// Run a day.
///
/// It blocks, and must not be called from an async task. `shutdown` stops it between two buckets.
///
/// # Errors
/// With the exit code attached; see [`dayvec_runtime::exit`].
pub fn run(config: &Config, request: &Request, shutdown: &CancellationToken) -> anyhow::Result<Report> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    std::fs::create_dir_all(&config.work_dir)
        .and_then(|()| tempfile::Builder::new().prefix("run-").tempdir_in(&config.work_dir))
        .with_context(|| format!("make a scratch folder in {}", config.work_dir.display()))
        .and_then(|scratch| {
            let run = Run { config, request, shutdown, runtime: &runtime, scratch: scratch.path() };
            run.go()
        })
}

/// What every step of a run needs.
struct Run<'a> {
    config: &'a Config,
    request: &'a Request,
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
    events: Events,
    /// The state that the run makes.
    to: StateId,
    run: RunDescription,
}

impl Run<'_> {
    fn go(&self) -> anyhow::Result<Report> {
        let mut stages = Stages::begin();
        let prepared = self.prepare(&mut stages)?;
        let key = prepared.run.layout().manifest();
        let (outcome, made, resumed_buckets) = match self
            .runtime
            .block_on(commit::earlier(&prepared.bucket, &key))?
        {
            Earlier::Announced(manifest) => {
                tracing::info!(snapshot = manifest.snapshot_id, "this run is finished and announced already");
                (Outcome::AlreadyAnnounced, Summary::of(manifest)?, self.config.n_buckets.get())
            }
            Earlier::Written(manifest) if !manifest.failed_gates().is_empty() && !self.request.force => {
                (Outcome::GatesFailed, Summary::of(manifest)?, self.config.n_buckets.get())
            }
            Earlier::Written(manifest) => {
                let publisher = self.begin(&prepared)?;
                let announced = commit::announce(&publisher, &manifest, self.request.force);
                (self.runtime.block_on(announced)?, Summary::of(manifest)?, self.config.n_buckets.get())
            }
            Earlier::Unfinished => {
                prepared.plan.check_order(self.request)?;
                self.make(&prepared, &mut stages)?
            }
        };
        stages.end("commit");
        Ok(self.report(prepared, (outcome, made, resumed_buckets), &stages))
    }

    /// Load the model, choose where to start, read the events.
    fn prepare(&self, stages: &mut Stages) -> anyhow::Result<Prepared> {
        let Self { config, request, .. } = *self;
        let bucket =
            Bucket::open(&config.bucket).or_store_exit()?.with_single_publisher(config.single_publisher);
        let choice = request.model.as_ref().unwrap_or(&config.model);
        let checkpoint = self.runtime.block_on(Checkpoint::open(&bucket, choice, self.scratch))?;
        stages.end("load");
        let spec = checkpoint.model.spec();
        let n_buckets = config.n_buckets.get();
        let states = StateStore::new(&bucket, &spec.events, n_buckets, spec.max_len);
        let plan = self.runtime.block_on(Plan::make(&bucket, &states, spec, config, request))?;
        let files = self.runtime.block_on(events::files(&config.events, plan.span, self.scratch))?;
        let reading = Reading {
            schema: &spec.events,
            span: plan.span,
            depth: spec.max_len,
            max_bad_share: config.max_bad_share,
            quarantine: config.work_dir.join(format!("quarantine-{}.csv", request.day)),
        };
        let events = reading.read(&files)?;
        match &events.report {
            Some(report) => tracing::info!(%report, start = ?plan.start(), "read the log"),
            None => {
                tracing::warn!(day = %request.day, "the log has no event for these days; everybody is carried")
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
            dim: spec.dim,
            element_type: config.element_type,
            n_buckets,
        };
        stages.end("read_events");
        Ok(Prepared { bucket, checkpoint, states, plan, events, to, run })
    }

    fn begin(&self, prepared: &Prepared) -> anyhow::Result<Publisher> {
        let publisher = Publisher::begin(&prepared.bucket, prepared.run.clone());
        self.runtime.block_on(publisher).or_store_exit().context("begin the snapshot")
    }

    /// Make what is missing of the run, then commit.
    fn make(&self, prepared: &Prepared, stages: &mut Stages) -> anyhow::Result<(Outcome, Summary, u32)> {
        let Prepared { bucket, checkpoint, states, plan, events, to, .. } = prepared;
        let publisher = self.begin(prepared)?;
        let done = self.runtime.block_on(publisher.done_buckets()).or_store_exit()?;
        let n_buckets = self.config.n_buckets.get();
        let mut progress = Progress::new(n_buckets);
        for (&bucket, part) in &done {
            progress.done(bucket, &commit::of_part(part)?, true);
        }
        let users_at_most =
            plan.from.as_ref().map_or(0, |from| from.users) + events.sequences.n_users() as u64;
        let pass = Pass {
            runtime: self.runtime,
            checkpoint,
            day: self.request.day,
            places: Places {
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
        pass.run(ours.collect(), &mut progress)?;
        drop(progress);
        stages.end("encode_users");
        let made = self.runtime.block_on(Made::of(&publisher))?;
        if made.n_buckets() < n_buckets {
            return Ok((
                Outcome::ShareDone,
                Summary { statistics: made.statistics, items: 0, gates: Vec::new() },
                done.len() as u32,
            ));
        }
        self.write_items(checkpoint, &publisher)?;
        stages.end("encode_items");
        self.runtime.block_on(async {
            states.mark_whole(to, made.statistics.users + made.statistics.without_embedding).await?;
            let limits = &self.config.gates;
            let manifest = made.write_manifest(bucket, &publisher, plan.users_before, limits).await?;
            let outcome = commit::announce(&publisher, &manifest, self.request.force).await?;
            Ok((outcome, Summary::of(manifest)?, done.len() as u32))
        })
    }

    fn write_items(&self, checkpoint: &Checkpoint, publisher: &Publisher) -> anyhow::Result<()> {
        if !self.runtime.block_on(publisher.done_items()).or_store_exit()?.is_empty() {
            return Ok(());
        }
        let ids = checkpoint.items.ids.ids().clone();
        let values = checkpoint.model.encode_items().context("encode items")?;
        let rows = ItemEmbeddings { ids, dim: checkpoint.model.spec().dim, values };
        let written = self.runtime.block_on(publisher.write_items_part(0, rows, &serde_json::json!({})));
        written.or_store_exit().context("write the items").map(drop)
    }

    fn report(
        &self,
        prepared: Prepared,
        (outcome, made, resumed_buckets): (Outcome, Summary, u32),
        stages: &Stages,
    ) -> Report {
        let Prepared { plan, events, run, .. } = prepared;
        let Summary { statistics, items, gates } = made;
        Report {
            day: self.request.day,
            outcome,
            start: plan.start(),
            start_day: plan.from.map(|from| from.state.day),
            model_id: run.model_id.clone(),
            users: statistics.users,
            encoded: statistics.encoded,
            carried: statistics.carried,
            items,
            resumed_buckets,
            statistics,
            events: events.report,
            forced: outcome == Outcome::Announced && gates.iter().any(|gate| !gate.passed),
            gates,
            snapshot_id: run.layout().snapshot_id().to_owned(),
            seconds: stages.total_s(),
            stages: stages.seconds(),
        }
    }
}

/// What a run has made, for its report.
struct Summary {
    statistics: Statistics,
    items: u64,
    gates: Vec<Gate>,
}

impl Summary {
    /// Of a run that got to its manifest.
    fn of(manifest: Manifest) -> anyhow::Result<Self> {
        let statistics =
            serde_json::from_value(manifest.statistics).context("read the manifest's statistics")?;
        Ok(Self { statistics, items: manifest.totals.items, gates: manifest.gates })
    }
}
