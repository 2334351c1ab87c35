//! Training and encoding speed on this machine, as tokens and users a second and as a share of the f32 matmul rate that
//! libtorch reaches here in the same run. Run with `cargo bench --profile dev -p dayvec-model`.
//!
//! Sequences have lengths like a real purchase log's (log-normal: median 53 actions, 90th percentile 319), cut to M.
//! Work is counted as multiply-adds that the model needs on real actions, forward and backward, so padding and
//! overhead lower the share; the reference points for `small` and `wide` are in docs/results.md.
#![allow(missing_docs, clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::sync::Arc;
use std::time::Instant;

use dayvec_core::{
    Actions, ColumnNames, EventSchema, ItemTable, MODEL_FORMAT_VERSION, ModelSpec, Objective, PositiveRule,
    Sequences, TimeUnit,
};
use dayvec_model::{
    Correction, Fit, Model, NegativeConfig, NegativeCorrection, OptimizerConfig, PositiveCorrection, Sampler,
    SamplerConfig, TrainBatch, keep_freed_memory, preset,
};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use tch::{Device, Kind, Tensor};

const N_ITEMS: usize = 4_633;
const ITEM_DIM: usize = 64;
const NEGATIVES: usize = 2_048;
const USERS_PER_BATCH: usize = 128;
const POSITIONS: usize = 32;

fn spec(wide: bool) -> ModelSpec {
    let mut spec = ModelSpec {
        format_version: MODEL_FORMAT_VERSION,
        model_id: "bench".into(),
        tower_pair_id: "bench".into(),
        events: EventSchema {
            columns: ColumnNames::default(),
            time_unit: TimeUnit::Seconds,
            actions: vec!["purchase".into()],
            positives: vec![PositiveRule { action: "purchase".into(), longer_than_s: None, surfaces: None }],
        },
        surfaces: Vec::new(),
        duration: false,
        max_len: 0,
        look_back_days: 3_650,
        items_version: "bench".into(),
        item_dim: ITEM_DIM,
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
        objective: Objective::named("dense_all_action").with("window_days", 28),
        parts: None,
    };
    preset(if wide { "paper" } else { "small" }).expect("a preset").apply(&mut spec);
    spec.n_layers = 2;
    spec
}

fn items() -> ItemTable {
    let mut rng = Pcg64Mcg::seed_from_u64(1);
    let mut table = ItemTable { dim: ITEM_DIM, ..ItemTable::default() };
    for item in 0..N_ITEMS {
        table.ids.intern(&item.to_string());
    }
    table.features = (0..N_ITEMS * ITEM_DIM).map(|_| rng.random_range(-0.2..0.2)).collect();
    table
}

fn sequences(n_users: usize, table: &ItemTable) -> Sequences {
    let mut rng = Pcg64Mcg::seed_from_u64(2);
    let (mut actions, mut offsets) = (Actions::default(), vec![0]);
    for _ in 0..n_users {
        // sum of 12 uniforms: a normal deviate
        let normal = (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
        let len = (53.0 * (1.4 * normal).exp()).round().clamp(1.0, 4_000.0) as usize;
        let mut time = 1_600_000_000_i64;
        for _ in 0..len {
            actions.item.push((N_ITEMS as f64 * rng.random::<f64>().powi(3)) as u32);
            actions.action_type.push(0);
            actions.timestamp.push(time);
            actions.positive.push(true);
            time -= rng.random_range(0..100_000);
        }
        offsets.push(actions.item.len());
    }
    Sequences {
        users: (0..n_users).map(|user| user.to_string()).collect(),
        offsets,
        actions,
        items: table.ids.clone(),
        surfaces: Vec::new(),
    }
}

/// f32 multiply-adds a second of a square matmul, best of several.
fn matmul_rate() -> f64 {
    let n = 2_048_i64;
    let [a, b] = [(); 2].map(|()| Tensor::rand([n, n], (Kind::Float, Device::Cpu)));
    let best = (0..8).map(|_| {
        let start = Instant::now();
        let product = a.mm(&b);
        std::hint::black_box(product.double_value(&[0, 0]));
        start.elapsed().as_secs_f64()
    });
    (n * n * n) as f64 / best.fold(f64::INFINITY, f64::min)
}

/// Multiply-adds of a forward pass: `tokens` real actions with a mean of `context` visible ones each, `queries`
/// positions that the last block and the head serve.
fn forward_work(spec: &ModelSpec, tokens: f64, context: f64, queries: f64) -> f64 {
    let h = spec.hidden_dim as f64;
    let input = (ITEM_DIM + 155) as f64 * h;
    let full_blocks = (spec.n_layers - 1) as f64 * (12.0 * h * h + 2.0 * context * h);
    let last_keys = 2.0 * h * h;
    let last_queries = 10.0 * h * h + 2.0 * context * h;
    let head = 4.0 * h * h + 4.0 * h * spec.dim as f64;
    tokens * (input + full_blocks + last_keys) + queries * (last_queries + head)
}

fn training_work(spec: &ModelSpec, batch: &TrainBatch) -> f64 {
    let (tokens, pairs) = (batch.n_tokens() as f64, batch.n_pairs() as f64);
    let context = tokens / batch.n_users() as f64 / 2.0;
    let logits = pairs * 2.0 * NEGATIVES as f64 * spec.dim as f64;
    3.0 * (forward_work(spec, tokens, context, pairs) + logits)
}

fn bench_training(name: &str, spec: &ModelSpec, n_steps: u64, rate: f64) {
    let table = items();
    let data = Arc::new(sequences(2_000, &table));
    let config = SamplerConfig {
        seed: 3,
        users: USERS_PER_BATCH,
        positions: POSITIONS,
        newest_share: 1.0,
        negatives: NegativeConfig { random: NEGATIVES, in_batch: NEGATIVES },
        correction: Correction {
            negatives: NegativeCorrection::Linear,
            positives: PositiveCorrection::Conditional,
        },
    };
    let sampler = Sampler::new(data, spec, config).expect("pairs to train on");
    let model = Model::new(spec, &table, Device::Cpu, 4).expect("a sound spec");
    let optimizer = OptimizerConfig {
        learning_rate: 1e-3,
        warm_up_share: 0.1,
        weight_decay: 0.01,
        clip_norm: 1.0,
        beta1: 0.9,
        beta2: 0.98,
        dropout: 0.0,
        seed: 0,
        rank: 0,
        steps: n_steps + 3,
    };
    let mut fit = Fit::new(model, optimizer);
    for step in 0..3 {
        fit.step(&sampler.batch(step), step).expect("a finite loss");
    }
    let batches: Vec<TrainBatch> = (3..n_steps + 3).map(|step| sampler.batch(step)).collect();
    let (mut tokens, mut work) = (0, 0.0);
    let start = Instant::now();
    for (step, batch) in batches.iter().enumerate() {
        fit.step(batch, step as u64 + 3).expect("a finite loss");
        tokens += batch.n_tokens();
        work += training_work(spec, batch);
    }
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "{name} train   {:>8.2} k tokens/s   {:>5.1} % of the matmul rate   {:.0} ms a step",
        tokens as f64 / seconds / 1e3,
        100.0 * work / seconds / rate,
        1e3 * seconds / n_steps as f64
    );
}

fn bench_encoding(name: &str, spec: &ModelSpec, n_users: usize, rate: f64) {
    let table = items();
    let data = sequences(n_users, &table);
    let model = Model::new(spec, &table, Device::Cpu, 4).expect("a sound spec");
    let users: Vec<usize> = (0..n_users).collect();
    model.encode_users(&data, &users[..n_users / 10]).expect("users with actions");
    let start = Instant::now();
    std::hint::black_box(model.encode_users(&data, &users).expect("users with actions"));
    let seconds = start.elapsed().as_secs_f64();
    let lengths = users.iter().map(|&user| data.range(user).len().min(spec.max_len) as f64);
    let work: f64 = lengths.map(|len| forward_work(spec, len, len / 2.0, 1.0)).sum();
    println!(
        "{name} encode  {:>8.0} users/s      {:>5.1} % of the matmul rate",
        n_users as f64 / seconds,
        100.0 * work / seconds / rate
    );
}

fn main() {
    keep_freed_memory();
    let rate = matmul_rate();
    println!("f32 matmul: {:.0} GFLOP/s on {} threads", 2.0 * rate / 1e9, tch::get_num_threads());
    for (name, wide, n_steps, n_users) in [("small", false, 30, 6_000), ("wide ", true, 4, 600)] {
        bench_training(name, &spec(wide), n_steps, rate);
        bench_encoding(name, &spec(wide), n_users, rate);
    }
}
