//! A bucket as the other programs leave it, and a running status page over it.

use std::net::SocketAddr;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use dayvec_bucket::Bucket;
use dayvec_console::Config;
use dayvec_core::{
    ColumnNames, Day, EmbeddingBlock, EventSchema, Gate, MODEL_FORMAT_VERSION, ModelSpec, Objective,
    TimeUnit, bucket_of, id_hash,
};
use dayvec_registry::{DailyStates, NewPromotion, checkpoint, evaluation, item_features, promote};
use dayvec_report::{
    Choice, Choices, Coverage, Evaluation, InterestEntropy, Interval, Recall, RecallByScorer, Report,
    Retrieval, ScorerMetrics, SnapshotStatistics, StageSeconds, Table, TrainingSummary,
};
use dayvec_runtime::Listeners;
use dayvec_snapshot::{
    ElementType, ItemEmbeddings, Manifest, Publisher, Reason, RunDescription, SnapshotError,
};
use parquet::arrow::ArrowWriter;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::html::Page;

pub(crate) const N_BUCKETS: u32 = 2;
/// A title as nobody should write one.
pub(crate) const HOSTILE: &str = "<script>alert('1')</script>\"&";

pub(crate) struct World {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) bucket: Bucket,
}

/// A running status page.
pub(crate) struct Console {
    address: SocketAddr,
    admin: SocketAddr,
    shutdown: CancellationToken,
    ended: JoinHandle<anyhow::Result<()>>,
}

/// What a page answered.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn page(&self) -> Page {
        Page::parse(&self.body)
    }
}

impl World {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("bucket");
        std::fs::create_dir(&folder).unwrap();
        let bucket = Bucket::open(&url::Url::from_file_path(folder).unwrap()).unwrap();
        Self { dir, bucket }
    }

    /// No lookup answers at port 9 of this machine.
    pub(crate) fn config(&self) -> Config {
        let mut config = Config::load(None).unwrap();
        config.bucket = self.bucket.url().clone();
        config.lookups[0].grpc = "http://127.0.0.1:9".parse().unwrap();
        config.lookups[0].metrics = Some("http://127.0.0.1:9/metrics".parse().unwrap());
        config
    }

    /// Write the snapshot of a day with users 0 to 9 and three items, and announce it if its gate passes.
    pub(crate) async fn publish(&self, day: &str, passes: bool) -> Manifest {
        let day: Day = day.parse().unwrap();
        let run = RunDescription {
            day,
            model_id: "model-1".into(),
            tower_pair_id: "pair-1".into(),
            items_version: "items-1".into(),
            input_digest: "input-1".into(),
            code_version: "test".into(),
            dim: 2,
            element_type: ElementType::F32,
            n_buckets: N_BUCKETS,
        };
        let publisher = Publisher::begin(&self.bucket, run).await.unwrap();
        for bucket in 0..N_BUCKETS {
            let mut users: Vec<String> = (0..10)
                .map(|user| user.to_string())
                .filter(|user| bucket_of(user, N_BUCKETS) == bucket)
                .collect();
            users.sort_by_key(|user| id_hash(user));
            let mut block = EmbeddingBlock::new(2);
            users.iter().for_each(|user| block.push(user, &[1.0, 0.0], day.start_s(), day.end_s()));
            publisher.write_users_part(bucket, block, &()).await.unwrap();
        }
        let items = ItemEmbeddings {
            ids: ["x", "y", "z"].into_iter().collect(),
            dim: 2,
            values: vec![0.0, 1.0, 1.0, 0.0, 0.6, 0.8],
        };
        publisher.write_items_part(0, items, &()).await.unwrap();
        let gates = vec![Gate::new("effective rank", if passes { 3.0 } else { 1.5 }, Some(2.0), None)];
        let statistics =
            SnapshotStatistics { users: 10, encoded: 4, carried: 6, ..SnapshotStatistics::default() };
        let manifest = publisher.publish(gates, &statistics).await.unwrap();
        match publisher.announce(Reason::Publish, "a test", false).await {
            Ok(_) => assert!(passes),
            Err(error) => assert!(!passes && matches!(error, SnapshotError::GatesFailed { .. }), "{error}"),
        }
        manifest
    }

    /// The state behind the snapshot of a day, with `actions` of a user as (item, Unix seconds), oldest first; and
    /// titles of items.
    pub(crate) async fn remember(&self, day: &str, user: &str, actions: &[(&str, i64)]) {
        let texts = |texts: Vec<&str>| -> ArrayRef { Arc::new(StringArray::from(texts)) };
        let items = actions.iter().map(|&(item, _)| item).collect();
        let times: ArrayRef = Arc::new(actions.iter().map(|&(_, at)| Some(at)).collect::<Int64Array>());
        let batch = RecordBatch::try_from_iter([
            ("user_id", texts(vec![user; actions.len()])),
            ("item_id", texts(items)),
            ("action", texts(vec!["purchase"; actions.len()])),
            ("timestamp", times),
        ]);
        let bucket = bucket_of(user, N_BUCKETS);
        let states = DailyStates::of_model(&spec("model-1"), N_BUCKETS);
        let key = states.state(day.parse().unwrap(), "input-1").part(bucket);
        self.put(&key, &parquet(&batch.unwrap())).await;
        let titles = RecordBatch::try_from_iter([
            ("item_id", texts(vec!["x", "y"])),
            ("title", texts(vec![HOSTILE, "Plums"])),
        ]);
        self.put(&item_features::key("items-1"), &parquet(&titles.unwrap())).await;
    }

    /// A whole checkpoint.
    pub(crate) async fn train(&self, model_id: &str, recall: f64) {
        let metrics = serde_json::to_vec(&report(model_id, recall)).unwrap();
        self.put(&checkpoint::key(model_id, checkpoint::METRICS), &metrics).await;
        self.put(&checkpoint::key(model_id, checkpoint::CONFIG), b"note: <b>bold</b>\n").await;
        let spec = serde_yaml::to_string(&spec(model_id)).unwrap();
        self.put(&checkpoint::key(model_id, checkpoint::SPEC), spec.as_bytes()).await;
    }

    /// The report of a model beside all baselines, which is made after the checkpoint.
    pub(crate) async fn evaluate(&self, model_id: &str, recall: f64, ease: f64) {
        let mut report = report(model_id, recall);
        let row = ScorerMetrics { scorer: "EASE".into(), ..report.evaluation.all_users.rows[1].clone() };
        report.evaluation.all_users.rows.push(row);
        report.evaluation.all_users.rows[2].seen_allowed.recall.micro.value = ease;
        let choice = Choice { scorer: "EASE".into(), setting: "λ".into(), value: 150.0, tried: Vec::new() };
        report.evaluation.choices.made = vec![choice];
        let key = evaluation::key(model_id, report.cut_off, report.test_days, checkpoint::METRICS);
        self.put(&key, &serde_json::to_vec(&report).unwrap()).await;
    }

    pub(crate) async fn promote(&self, model_id: &str) {
        let gates = vec![Gate::new("recall@10", 0.05, None, None)];
        let new = NewPromotion { model_id: model_id.into(), by: "a test".into(), forced: false, gates };
        promote(&self.bucket, new).await.unwrap();
    }

    pub(crate) async fn put(&self, key: &str, bytes: &[u8]) {
        self.bucket.put_new(key, bytes.to_vec().into()).await.unwrap();
    }
}

/// The spec of a model of two dimensions.
fn spec(model_id: &str) -> ModelSpec {
    ModelSpec {
        format_version: MODEL_FORMAT_VERSION,
        model_id: model_id.into(),
        tower_pair_id: "pair-1".into(),
        events: EventSchema {
            columns: ColumnNames::default(),
            time_unit: TimeUnit::Seconds,
            actions: vec!["purchase".into()],
            positives: Vec::new(),
        },
        surfaces: Vec::new(),
        duration: false,
        max_len: 128,
        look_back_days: 365,
        items_version: "items-1".into(),
        item_dim: 2,
        n_items: 3,
        n_layers: 1,
        hidden_dim: 4,
        n_heads: 1,
        dim: 2,
        item_hidden_dim: 4,
        action_dim: 1,
        surface_dim: 1,
        item_id_dim: 0,
        history_bag: None,
        left_out: Vec::new(),
        objective: Objective::named("next_action"),
        parts: None,
    }
}

/// The report of a model.
fn report(model_id: &str, recall: f64) -> Report {
    let interval = |value: f64| Interval { value, low: value / 2.0, high: value * 2.0 };
    let retrieval = |value| Retrieval {
        recall: Recall { k: 10, micro: interval(value), macro_: interval(value), micro_listed: value },
        ndcg: interval(value),
        interest_entropy: Some(InterestEntropy { k: 50, nats: 1.5 }),
        coverage: Coverage { k: 10, p90: 0.25 },
        n_users: 10,
        n_pairs: 20,
    };
    let row = |scorer: &str, value| ScorerMetrics {
        scorer: scorer.to_owned(),
        n_users: 10,
        n_items: 3,
        n_pairs_outside: 0,
        seen_allowed: retrieval(value),
        seen_filtered: retrieval(value),
    };
    let rows = vec![row("model", recall), row("popularity", 0.02)];
    let table = Table { title: "All users".into(), rows };
    Report {
        model_id: model_id.into(),
        tower_pair_id: "pair-1".into(),
        items_version: "items-1".into(),
        checkpoint: format!("checkpoints/{model_id}"),
        cut_off: "2026-03-01".parse().unwrap(),
        test_days: 14,
        leave_one_out: false,
        users: 10,
        actions: 100,
        actions_without_features: 0,
        recall_by_scorer: RecallByScorer::of(&table),
        evaluation: Evaluation {
            all_users: table,
            held_out: None,
            by_task: Vec::new(),
            choices: Choices::default(),
        },
        events: serde_json::Value::Null,
        stray_days: Vec::new(),
        parts: None,
        alignment: None,
        training: Some(TrainingSummary {
            steps: 30,
            seconds: 2.5,
            loss: Some(3.5),
            tokens_per_s: 1000.0,
            users: 10,
            actions: 100,
            parameters: 64,
            curve: vec![(10, 4.0), (20, 3.5), (30, 3.5)],
        }),
        stages: StageSeconds::default(),
    }
}

fn parquet(batch: &RecordBatch) -> Vec<u8> {
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    writer.write(batch).unwrap();
    writer.into_inner().unwrap()
}

/// Start the page on free ports.
pub(crate) async fn serve(config: Config) -> Console {
    let bind = || TcpListener::bind("127.0.0.1:0");
    let listeners = Listeners { traffic: bind().await.unwrap(), admin: bind().await.unwrap() };
    let (address, admin) = listeners.addresses().unwrap();
    let shutdown = CancellationToken::new();
    let ended = tokio::spawn(dayvec_console::run(config, listeners, shutdown.clone()));
    Console { address, admin, shutdown, ended }
}

impl Console {
    pub(crate) async fn get(&self, path: &str) -> Answer {
        get(self.address, path, "").await
    }

    /// Get with a header `authorization`.
    pub(crate) async fn get_as(&self, authorization: &str, path: &str) -> Answer {
        get(self.address, path, &format!("authorization: {authorization}\r\n")).await
    }

    pub(crate) async fn admin(&self, path: &str) -> Answer {
        get(self.admin, path, "").await
    }

    /// Stop, and wait until it has.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        self.ended.await.unwrap().unwrap();
    }
}

async fn get(address: SocketAddr, path: &str, header: &str) -> Answer {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.0\r\nhost: test\r\n{header}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_lowercase(), body: body.to_owned() }
}
