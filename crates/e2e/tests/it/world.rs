//! A made-up log, a bucket that holds it on one kind of store, and the programs run on it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, Weak};

use dayvec_bucket::{Bucket, unique_name};
use dayvec_cli::synth::{SynthOptions, generate};
use dayvec_core::Day;
use dayvec_experiment::{Config, Outcome, no_observer, train};
use dayvec_inference::{DailyRequest, DailySummary};
use dayvec_snapshot::{Manifest, newest_announcement, read_manifest, read_users_part};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

/// Days of the log; the last [`TEST_DAYS`] are kept from training, and the daily runs are among them.
const N_DAYS: u32 = 40;
const TEST_DAYS: i32 = 7;

/// Where the bucket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Store {
    Disk,
    S3,
}

pub(crate) struct World {
    folder: tempfile::TempDir,
    log: Arc<tempfile::TempDir>,
    url: String,
    pub(crate) bucket: Bucket,
    pub(crate) runtime: Runtime,
    n_buckets: u32,
}

/// A user's row in a snapshot.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub(crate) values: Vec<f32>,
    pub(crate) last_action_at: i64,
    pub(crate) computed_at: i64,
}

pub(crate) type Rows = BTreeMap<String, Row>;

fn options() -> SynthOptions {
    SynthOptions {
        n_users: 300,
        n_items: 80,
        n_interests: 8,
        n_days: N_DAYS,
        events_per_user_day: 0.6,
        seed: 7,
        threads: 1,
        ..SynthOptions::default()
    }
}

/// What tests share while any of them holds it; the last one that lets go removes it.
struct Shared<T>(Mutex<Weak<T>>);

impl<T> Shared<T> {
    const fn new() -> Self {
        Self(Mutex::new(Weak::new()))
    }

    fn get(&self, make: impl FnOnce() -> T) -> Arc<T> {
        let mut slot = self.0.lock().unwrap();
        slot.upgrade().unwrap_or_else(|| {
            let made = Arc::new(make());
            *slot = Arc::downgrade(&made);
            made
        })
    }
}

/// The made-up log.
fn log() -> Arc<tempfile::TempDir> {
    static LOG: Shared<tempfile::TempDir> = Shared::new();
    LOG.get(|| {
        let folder = tempfile::tempdir().unwrap();
        generate(&options(), folder.path()).unwrap();
        folder
    })
}

/// A world on disk with a trained model.
pub(crate) fn trained() -> Arc<World> {
    static TRAINED: Shared<World> = Shared::new();
    TRAINED.get(|| {
        let world = World::new(Store::Disk, 1);
        world.train();
        world
    })
}

/// The day `n` days after the cut-off.
pub(crate) fn day(n: i32) -> Day {
    options().first_day.plus(N_DAYS as i32 - TEST_DAYS + n)
}

impl World {
    /// A new bucket on `store` that holds the log.
    pub(crate) fn new(store: Store, n_buckets: u32) -> Self {
        // One thread adds in one order: the same floats wherever they are computed.
        tch::set_num_threads(1);
        let (folder, log) = (tempfile::tempdir().unwrap(), log());
        let url = match store {
            Store::Disk => format!("file://{}/bucket", folder.path().display()),
            Store::S3 => {
                let server = std::env::var("DAYVEC_TEST_S3").expect(
                    "DAYVEC_TEST_S3 is not set: run scripts/test.sh, which starts an S3 server for the tests",
                );
                format!("{server}/e2e-{}", unique_name())
            }
        };
        let bucket = Bucket::open(&url.parse().unwrap()).unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(bucket.upload_dir(&log.path().join("events"), "events")).unwrap();
        let world = Self { folder, log, url, bucket, runtime, n_buckets };
        world.write("trainer.yaml", &world.trainer_yaml());
        world.write("inference.yaml", &world.inference_yaml());
        world
    }

    /// The same with a model in it, trained once for all.
    pub(crate) fn with_model(store: Store, n_buckets: u32) -> Self {
        let world = Self::new(store, n_buckets);
        let trained = trained();
        for folder in ["items", "checkpoints"] {
            let from = trained.path("bucket").join(folder);
            // Files are uploaded in the order of their names: spec.yaml, the sign of a whole checkpoint, is the last.
            world.runtime.block_on(world.bucket.upload_dir(&from, folder)).unwrap();
        }
        world
    }

    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        self.folder.path().join(inside)
    }

    /// The log as it was made, apart from the bucket.
    pub(crate) fn log(&self) -> PathBuf {
        self.log.path().join("events")
    }

    pub(crate) fn bucket_url(&self) -> &str {
        &self.url
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn trainer_yaml(&self) -> String {
        let (url, work) = (&self.url, self.path("work").display().to_string());
        format!(
            "bucket: {url}
work_dir: {work}/trainer
events:
  url: {url}/events
  schema:
    actions: [view, click, save, purchase, hide]
    positives: [{{action: save}}, {{action: purchase}}, {{action: click, longer_than_s: 10}}]
items: {{build: {{features: {{dim: 16}}}}}}
split: {{test_days: {TEST_DAYS}}}
model: {{preset: tiny}}
batch: {{users: 32, positions_per_user: 8}}
negatives: {{random: 64, in_batch: 64}}
run: {{steps: 120, seed: 1, threads: 1, checkpoint_steps: 10}}
evaluation: {{bootstrap: 20}}
"
        )
    }

    fn inference_yaml(&self) -> String {
        let (url, work, n_buckets) = (&self.url, self.path("work").display().to_string(), self.n_buckets);
        format!(
            "bucket: {url}
events: {url}/events
n_buckets: {n_buckets}
work_dir: {work}/inference
threads: 1
# A tiny model of few items tells users less apart than a real one.
gates: {{min_effective_rank: 1.2, min_active_encoded: 0.5}}
"
        )
    }

    /// Train, and publish the checkpoint.
    pub(crate) fn train(&self) {
        let config = Config::load(Some(&self.path("trainer.yaml"))).unwrap();
        let store = dayvec_experiment::Store::open(&config, self.runtime.handle()).unwrap();
        let outcome = train(&config, &store, false, &CancellationToken::new(), &no_observer).unwrap();
        assert!(matches!(outcome, Outcome::Trained(_)), "{outcome:?}");
    }

    /// The daily run, in this process.
    pub(crate) fn run_day(&self, day: Day) -> DailySummary {
        let config = dayvec_inference::config::Config::load(Some(&self.path("inference.yaml"))).unwrap();
        let report =
            dayvec_inference::run(&config, &DailyRequest::new(day), &CancellationToken::new()).unwrap();
        report.check_gates().unwrap();
        report
    }

    /// A program, to be run in this world's folder; add the arguments.
    pub(crate) fn program(&self, path: &str) -> Command {
        let mut command = Command::new(path);
        command.env("RUST_LOG", "warn").current_dir(self.folder.path());
        command
    }

    /// Keys under a prefix.
    pub(crate) fn keys(&self, prefix: &str) -> Vec<String> {
        let entries = self.runtime.block_on(self.bucket.list(prefix)).unwrap();
        entries.into_iter().map(|entry| entry.key).collect()
    }

    /// Whether there is an object.
    pub(crate) fn exists(&self, key: &str) -> bool {
        self.runtime.block_on(self.bucket.exists(key)).unwrap()
    }

    /// The snapshot that readers see.
    pub(crate) fn announced(&self) -> Option<Manifest> {
        self.runtime.block_on(async {
            let announcement = newest_announcement(&self.bucket).await.unwrap()?;
            Some(read_manifest(&self.bucket, &announcement.manifest).await.unwrap())
        })
    }

    /// The rows of a snapshot.
    pub(crate) fn rows(&self, manifest: &Manifest) -> Rows {
        let mut rows = Rows::new();
        for part in &manifest.user_parts {
            let block = self.runtime.block_on(read_users_part(&self.bucket, part)).unwrap();
            for (row_idx, id) in block.ids.iter().enumerate() {
                let values = block.embedding(row_idx).to_vec();
                let (last_action_at, computed_at) =
                    (block.last_action_at[row_idx], block.computed_at[row_idx]);
                rows.insert(id.to_owned(), Row { values, last_action_at, computed_at });
            }
        }
        rows
    }
}
