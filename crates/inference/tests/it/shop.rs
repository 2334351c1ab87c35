//! A shop in a temporary folder: a log by day, an untrained model, and a bucket.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use dayvec_bucket::Bucket;
use dayvec_core::{
    Day, EventSchema, ItemTable, MODEL_FORMAT_VERSION, ModelSpec, Objective, PartsSpec, PositiveRule,
    Sequences,
};
use dayvec_inference::config::Config;
use dayvec_inference::{DailyRequest, DailySummary};
use dayvec_model::Model;
use dayvec_parts::{BasisWidths, ByItem, Fit, FitOptions, FoldBases, Horizon, TrainingRows};
use dayvec_sequences::{Keep, ReadOptions, SequenceBuilder, event_files};
use dayvec_snapshot::{newest_announcement, read_items, read_manifest, read_users_part};
use tch::Device;
use tokio_util::sync::CancellationToken;

pub(crate) const N_USERS: usize = 60;
pub(crate) const N_ITEMS: usize = 30;

/// Day `n` of the shop.
pub(crate) fn day(n: i32) -> Day {
    "2024-03-01".parse::<Day>().unwrap().plus(n)
}

/// A user's row in a snapshot.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    pub(crate) values: Vec<f32>,
    pub(crate) last_action_at: i64,
    pub(crate) computed_at: i64,
}

pub(crate) type Rows = BTreeMap<String, Row>;

pub(crate) struct Shop {
    folder: tempfile::TempDir,
    pub(crate) config: Config,
}

/// Who acts on day `n`: everybody on day 0, then about a third, by a fixed rule.
pub(crate) fn is_active(user: usize, n: i32) -> bool {
    n == 0 || (user * 7 + n as usize * 5).is_multiple_of(3)
}

impl Shop {
    /// A shop with days 0 to 3 in its log, and the model `m1`.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = dayvec_inference::config::DEFAULTS
            .replace("bucket: ./bucket", &format!("bucket: {}/bucket", folder.path().display()))
            .replace("./bucket/events", &format!("{}/events", folder.path().display()))
            .replace("./work/inference", &format!("{}/work", folder.path().display()))
            .replace("n_buckets: 16", "n_buckets: 4")
            // An untrained model tells users hardly apart.
            .replace("min_effective_rank: 2.0", "min_effective_rank: 1.1");
        let file = folder.path().join("inference.yaml");
        std::fs::write(&file, text).unwrap();
        let config = Config::load(Some(&file)).unwrap();
        let shop = Self { folder, config };
        for n in 0..4 {
            shop.write_day(n);
        }
        shop.add_model("m1", 1);
        shop
    }

    pub(crate) fn path(&self, inside: &str) -> PathBuf {
        self.folder.path().join(inside)
    }

    pub(crate) fn write_day(&self, n: i32) {
        let users: Vec<usize> = (0..N_USERS).filter(|&user| is_active(user, n)).collect();
        let rows: Vec<(usize, usize, i64)> = users
            .iter()
            .flat_map(|&user| {
                (0..3).map(move |k| (user, (user * 5 + n as usize * 3 + k * k) % N_ITEMS, k as i64))
            })
            .map(|(user, item, k)| (user, item, 36_000 + 60 * k + user as i64))
            .collect();
        let rows: Vec<(String, String, i64)> =
            rows.into_iter().map(|(user, item, s)| (format!("u{user}"), format!("i{item}"), s)).collect();
        self.append(n, "shop.csv", &rows);
    }

    /// Write a file of purchases `(user, item, second of the day)` into the folder of day `n`.
    pub(crate) fn append(&self, n: i32, file: &str, rows: &[(String, String, i64)]) {
        let mut text = "user_id,item_id,action,timestamp\n".to_owned();
        for (user, item, second) in rows {
            writeln!(text, "{user},{item},purchase,{}", day(n).start_s() + second).unwrap();
        }
        let folder = self.path(&format!("events/day={}", day(n)));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(file), text).unwrap();
    }

    /// Leave an untrained model in the bucket, as the trainer would.
    pub(crate) fn add_model(&self, model_id: &str, seed: u64) {
        let (spec, items) = self.add_items(model_id);
        let model = Model::new(&spec, &items, Device::Cpu, seed).unwrap();
        self.add_checkpoint(&spec, |weights| model.save(weights).unwrap());
    }

    /// Leave a model of parts in the bucket, trained for a few steps on the log so far.
    pub(crate) fn add_parts(&self, model_id: &str, parts: PartsSpec) {
        let (spec, items) = self.add_items(model_id);
        let log = self.log(&spec, i64::MAX).resolve(&items.ids, &[]).0;
        let by_item = ByItem::of(&log);
        let until_s = log.actions.timestamp.iter().max().unwrap() + 1;
        let rows =
            TrainingRows::of(&by_item, Horizon { until_s, n_days: 1 }, parts.history_len, |_| true).unwrap();
        let widths = BasisWidths { memory: parts.memory, cooccurrence: parts.cooccurrence };
        let bases = FoldBases::of(&log, widths, 1, &|| false).unwrap();
        let options =
            FitOptions { parts, seed: 1, rows: 16, softmax_steps: 5, recall_steps: 5, unseen_weight: 0.1 };
        let trained = Fit::run(&rows, bases, options, Device::Cpu, &mut |_| true).unwrap();
        let spec = ModelSpec { parts: Some(parts), ..spec };
        self.add_checkpoint(&spec, |weights| trained.save(weights).unwrap());
    }

    fn add_checkpoint(&self, spec: &ModelSpec, save: impl FnOnce(&Path)) {
        let checkpoint = self.path(&format!("bucket/checkpoints/{}", spec.model_id));
        std::fs::create_dir_all(&checkpoint).unwrap();
        save(&checkpoint.join("model.safetensors"));
        dayvec_model::save_spec(spec, &checkpoint.join("spec.yaml")).unwrap();
    }

    /// The spec of a tower, and its items, which are left in the bucket.
    fn add_items(&self, model_id: &str) -> (ModelSpec, ItemTable) {
        let mut items = ItemTable { dim: 6, ..ItemTable::default() };
        for item in 0..N_ITEMS {
            items.ids.intern(&format!("i{item}"));
            items.features.extend((0..6).map(|k| ((item * 13 + k * 29) % 17) as f32 / 17.0 - 0.4));
        }
        let version = dayvec_items::items_version(&items);
        let spec = spec(model_id, &version);
        let items_folder = self.path(&format!("bucket/items/{version}"));
        std::fs::create_dir_all(&items_folder).unwrap();
        dayvec_items::write_items(&items, &items_folder.join("items.parquet")).unwrap();
        (spec, items)
    }

    /// The log before `until_s`.
    fn log(&self, spec: &ModelSpec, until_s: i64) -> Sequences {
        let options = ReadOptions { from_s: 0, until_s, max_bad_share: 0.0, quarantine: None };
        let mut builder = SequenceBuilder::new(&spec.events, options).unwrap();
        builder.push_files(&event_files(&self.path("events"), None).unwrap()).unwrap();
        builder.finish(Keep::default()).unwrap().0
    }

    /// Item embeddings that readers see, by id.
    pub(crate) fn item_rows(&self) -> BTreeMap<String, Vec<f32>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let bucket = Bucket::open(&self.config.bucket).unwrap();
            let announced = newest_announcement(&bucket).await.unwrap().unwrap();
            let manifest = read_manifest(&bucket, &announced.manifest).await.unwrap();
            let items = read_items(&bucket, &manifest).await.unwrap();
            let rows = items.ids.iter().zip(items.values.chunks(items.dim));
            rows.map(|(id, values)| (id.to_owned(), values.to_vec())).collect()
        })
    }

    pub(crate) fn run(&self, n: i32) -> anyhow::Result<DailySummary> {
        self.run_with(DailyRequest::new(day(n)))
    }

    pub(crate) fn run_with(&self, request: DailyRequest) -> anyhow::Result<DailySummary> {
        let report = dayvec_inference::run(&self.config, &request, &CancellationToken::new())?;
        report.check_gates()?;
        Ok(report)
    }

    /// What readers see: the rows of the announced snapshot.
    pub(crate) fn rows(&self) -> Rows {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let bucket = Bucket::open(&self.config.bucket).unwrap();
            let announced = newest_announcement(&bucket).await.unwrap().unwrap();
            let manifest = read_manifest(&bucket, &announced.manifest).await.unwrap();
            let mut rows = Rows::new();
            for part in &manifest.user_parts {
                let block = read_users_part(&bucket, part).await.unwrap();
                for (row_idx, id) in block.ids.iter().enumerate() {
                    let values = block.embedding(row_idx).to_vec();
                    let (last_action_at, computed_at) =
                        (block.last_action_at[row_idx], block.computed_at[row_idx]);
                    rows.insert(id.to_owned(), Row { values, last_action_at, computed_at });
                }
            }
            rows
        })
    }

    /// What the model `m1` makes of the whole log until the end of day `n`, all users in one call.
    pub(crate) fn encode_directly(&self, n: i32) -> Rows {
        let checkpoint = self.path("bucket/checkpoints/m1");
        let spec = dayvec_model::load_spec(&checkpoint.join("spec.yaml")).unwrap();
        let items = self.path(&format!("bucket/items/{}/items.parquet", spec.items_version));
        let items = dayvec_items::read_items(&items).unwrap();
        let model = Model::load(&spec, &items, &checkpoint.join("model.safetensors"), Device::Cpu).unwrap();
        let (sequences, _) = self.log(&spec, day(n).end_s()).resolve(&items.ids, &spec.surfaces);
        let users: Vec<usize> = (0..sequences.n_users()).collect();
        let values = model.encode_users(&sequences, &users).unwrap();
        let row = |user: usize| Row {
            values: values[user * spec.dim..(user + 1) * spec.dim].to_vec(),
            last_action_at: sequences.actions.timestamp[sequences.range(user).start],
            computed_at: day(n).end_s(),
        };
        users.into_iter().map(|user| (sequences.users.get(user).to_owned(), row(user))).collect()
    }

    /// Files of the announcements, oldest first.
    pub(crate) fn announcements(&self) -> Vec<PathBuf> {
        listing(&self.path("bucket/announcements")).into_iter().map(|(path, _)| path).collect()
    }
}

fn spec(model_id: &str, items_version: &str) -> ModelSpec {
    let mut spec = ModelSpec {
        format_version: MODEL_FORMAT_VERSION,
        model_id: model_id.into(),
        tower_pair_id: format!("{model_id}-towers"),
        events: EventSchema {
            columns: Default::default(),
            time_unit: Default::default(),
            actions: vec!["purchase".into()],
            positives: vec![PositiveRule { action: "purchase".into(), longer_than_s: None, surfaces: None }],
        },
        surfaces: Vec::new(),
        duration: false,
        max_len: 0,
        look_back_days: 365,
        items_version: items_version.into(),
        item_dim: 6,
        n_items: N_ITEMS,
        n_layers: 0,
        hidden_dim: 0,
        n_heads: 0,
        dim: 0,
        item_hidden_dim: 0,
        action_dim: 0,
        surface_dim: 0,
        item_id_dim: 0,
        history_bag: None,
        left_out: Vec::new(),
        objective: Objective::named("next_action"),
        parts: None,
    };
    dayvec_model::preset("tiny").unwrap().apply(&mut spec);
    spec
}

/// All files under a folder with their bytes' length, sorted: what "nothing was written" compares.
pub(crate) fn listing(root: &Path) -> Vec<(PathBuf, u64)> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let len = path.metadata().unwrap().len();
                files.push((path, len));
            }
        }
    }
    files.sort();
    files
}
