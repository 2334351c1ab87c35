//! A small shop: 60 users who buy most of what they buy from one of four shelves, over ten weeks.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Once};

use dayvec_core::{Day, PositiveRule};
use dayvec_experiment::{Config, Outcome, RawConfig, Report, Store, no_observer, train};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use url::Url;

pub(crate) const FIRST_DAY: &str = "2024-01-01";
/// First day of the test, in the configuration of [`Shop::raw`].
pub(crate) const CUT_OFF: &str = "2024-02-25";
const DAYS: i64 = 70;
const USERS: u64 = 60;
const ITEMS: u64 = 40;
const SHELVES: u64 = 4;

/// A folder with a log, a bucket and a work folder.
pub(crate) struct Shop {
    pub(crate) folder: TempDir,
}

impl Shop {
    pub(crate) fn new() -> Self {
        static ONE_THREAD: Once = Once::new();
        ONE_THREAD.call_once(|| tch::set_num_threads(1)); // what makes two trainings equal to the bit
        let shop = Self { folder: tempfile::tempdir().unwrap() };
        shop.write_log(&log());
        shop
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write_log(&self, csv: &str) {
        std::fs::write(self.path("events.csv"), csv).unwrap();
    }

    /// The configuration of a training that takes a second.
    pub(crate) fn raw(&self) -> RawConfig {
        let path = |name: &str| self.path(name).display().to_string();
        let mut raw =
            RawConfig { bucket: path("bucket"), work_dir: path("work"), ..Config::load(None).unwrap().raw };
        raw.events.url = path("events.csv");
        raw.events.schema.actions = vec!["purchase".into(), "view".into()];
        raw.events.schema.positives =
            vec![PositiveRule { action: "purchase".into(), longer_than_s: None, surfaces: None }];
        raw.events.max_bad_share = 0.0;
        let build = raw.items.build.as_mut().unwrap();
        build.features.dim = 12;
        build.features.text_dim = 4;
        raw.model.preset = "tiny".into();
        raw.batch.users = 16;
        raw.batch.positions_per_user = 8;
        raw.optimizer.learning_rate = 0.01;
        raw.run.steps = 20;
        raw.run.checkpoint_steps = 10;
        raw.evaluation.bootstrap = 50;
        raw
    }

    pub(crate) fn config(&self) -> Config {
        Config::try_from(self.raw()).unwrap()
    }

    pub(crate) fn store(&self) -> Store {
        store(&self.config())
    }
}

/// The bucket of a configuration.
pub(crate) fn store(config: &Config) -> Store {
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
    Store::open(config, RUNTIME.handle()).unwrap()
}

/// Train to the end.
pub(crate) fn trained(config: &Config) -> Report {
    let outcome = train(config, &store(config), false, &CancellationToken::new(), &no_observer).unwrap();
    let Outcome::Trained(report) = outcome else { panic!("{outcome:?}") };
    *report
}

/// The local folder of a checkpoint's URL.
pub(crate) fn folder_of(checkpoint: &str) -> PathBuf {
    Url::parse(checkpoint).unwrap().to_file_path().unwrap()
}

pub(crate) fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The log as CSV, with header; the same every time.
pub(crate) fn log() -> String {
    let start = FIRST_DAY.parse::<Day>().unwrap().start_s();
    let mut csv = String::from("user_id,item_id,action,timestamp\n");
    let mut draws = Draws(7);
    for user in 0..USERS {
        for day in (0..DAYS).filter(|day| (*day as u64 + user).is_multiple_of(3)) {
            for visit in 0..3 {
                let shelf = if draws.below(10) < 8 { user % SHELVES } else { draws.below(SHELVES) };
                let item = shelf + SHELVES * draws.below(ITEMS / SHELVES);
                let action = if draws.below(4) == 0 { "view" } else { "purchase" };
                let time = start + day * 86_400 + visit * 600;
                writeln!(csv, "u{user},i{item},{action},{time}").unwrap();
            }
        }
    }
    csv
}

/// A linear congruential generator.
struct Draws(u64);

impl Draws {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}
