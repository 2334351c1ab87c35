//! Forward pass and loss against the NumPy reference in `tests/reference`, on random weights, with padding, equal
//! timestamps and a sequence of one; and the leak test.

use std::process::Command;
use std::sync::Arc;

use dayvec_core::{HistoryBag, ModelSpec, Sequences};
use serde_json::{Value, json};
use tch::Device;

use crate::batch::TrainBatch;
use crate::tokens::InputRange;
use crate::{Fit, Model, NegativeConfig, OptimizerConfig, PositiveCorrection, Sampler, SamplerConfig};

#[path = "../tests/it/fixture.rs"]
mod fixture;

const N_USERS: usize = 9;

fn specs() -> [ModelSpec; 2] {
    let mut with_options = fixture::spec();
    with_options.item_id_dim = 4;
    with_options.history_bag = Some(HistoryBag { half_life_days: 20.0 });
    [fixture::spec(), with_options]
}

fn sampler(spec: &ModelSpec, sequences: &Sequences) -> Sampler {
    let config = SamplerConfig {
        seed: 5,
        users: N_USERS,
        positions: 4,
        newest_share: 1.0,
        negatives: NegativeConfig { random: 12, in_batch: 9 },
        correction: PositiveCorrection::Conditional,
    };
    Sampler::new(Arc::new(sequences.clone()), spec, config).unwrap()
}

fn optimizer() -> OptimizerConfig {
    OptimizerConfig {
        learning_rate: 1e-2,
        warm_up_share: 0.1,
        weight_decay: 0.01,
        clip_norm: 1.0,
        beta1: 0.9,
        beta2: 0.98,
        dropout: 0.0,
        steps: 30,
    }
}

/// A model whose every weight has moved from its start.
fn trained(spec: &ModelSpec, sequences: &Sequences) -> Fit {
    let mut fit = Fit::new(Model::new(spec, &fixture::items(1), Device::Cpu, 3).unwrap(), optimizer());
    let sampler = sampler(spec, sequences);
    for step in 0..30 {
        fit.step(&sampler.batch(step), step).unwrap();
    }
    fit
}

/// The sequence of each user as it would be encoded, as plain lists, newest first.
fn plain(sequences: &Sequences, spec: &ModelSpec) -> Vec<Value> {
    let actions = &sequences.actions;
    let action = |at: usize| {
        let lasted = actions.duration_s[at];
        json!({
            "item": actions.item[at], "action_type": actions.action_type[at], "surface": actions.surface[at],
            "duration_s": if lasted.is_nan() { None } else { Some(lasted) }, "timestamp": actions.timestamp[at],
        })
    };
    (0..sequences.n_users())
        .map(|user| {
            let input = InputRange::ending_at(sequences, spec, user, sequences.range(user).start);
            input.actions.map(action).collect()
        })
        .collect()
}

/// The pairs of a batch, as users by their place in `first_user` and positions counted in their drawn inputs.
fn pairs(batch: &TrainBatch, log_q: &[f32], first_user: &[usize]) -> Vec<Value> {
    let mut all = Vec::new();
    for group in &batch.groups {
        for &cell in &group.valid {
            let row = cell as usize / group.n_queries;
            let position = group.tokens.length[row] - 1 - group.queries[cell as usize];
            let pair = all.len();
            let user = first_user.iter().position(|&user| user == batch.user[pair]).unwrap();
            let item = batch.items[batch.label[pair] as usize];
            all.push(json!({ "user": user, "position": position, "item": item, "log_q": log_q[pair] }));
        }
    }
    all
}

/// The inputs that a batch drew, as sequences of their own, with the training users they belong to.
fn drawn_inputs(batch: &TrainBatch, sequences: &Sequences) -> (Sequences, Vec<usize>) {
    let (mut users, mut places, mut offsets) = (Vec::new(), Vec::new(), vec![0]);
    let mut pair = 0;
    for group in &batch.groups {
        let mut last_row = usize::MAX;
        for &cell in &group.valid {
            let row = cell as usize / group.n_queries;
            if row != last_row {
                let user = batch.user[pair];
                let newest = group.tokens.timestamp
                    [row * group.tokens.n_steps + group.tokens.length[row] as usize - 1];
                let item =
                    group.tokens.item[row * group.tokens.n_steps + group.tokens.length[row] as usize - 1];
                let start = sequences
                    .range(user)
                    .find(|&at| {
                        sequences.actions.timestamp[at] == newest
                            && i64::from(sequences.actions.item[at]) == item
                    })
                    .unwrap();
                places.extend(start..start + group.tokens.length[row] as usize);
                offsets.push(places.len());
                users.push(user);
                last_row = row;
            }
            pair += 1;
        }
    }
    let inputs = Sequences {
        users: users.iter().map(|&user| sequences.users.get(user)).collect(),
        offsets,
        actions: sequences.actions.gather(&places),
        ..sequences.clone()
    };
    (inputs, users)
}

fn run_reference(case: &Value, model: &Model) -> Value {
    let python = std::env::var("DAYVEC_TEST_PYTHON")
        .expect("DAYVEC_TEST_PYTHON names a Python with NumPy; scripts/test.sh sets it up");
    let folder = tempfile::tempdir().unwrap();
    let (case_path, weights) = (folder.path().join("case.json"), folder.path().join("model.safetensors"));
    std::fs::write(&case_path, case.to_string()).unwrap();
    model.save(&weights).unwrap();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reference/reference.py");
    let output = Command::new(python).arg(script).arg(case_path).arg(weights).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn largest_difference(rows: &[f32], reference: &Value) -> f64 {
    let reference: Vec<Vec<f64>> = serde_json::from_value(reference.clone()).unwrap();
    let flat: Vec<f64> = reference.concat();
    assert_eq!(rows.len(), flat.len());
    rows.iter().zip(&flat).map(|(&a, b)| (f64::from(a) - b).abs()).fold(0.0, f64::max)
}

#[test]
fn forward_and_loss_equal_the_numpy_reference() {
    for spec in specs() {
        let sequences = fixture::sequences(N_USERS, 11);
        let mut fit = trained(&spec, &sequences);
        let batch = sampler(&spec, &sequences).batch(0);
        let (inputs, users) = drawn_inputs(&batch, &sequences);
        let mut counted = fit.clone_counts();
        let (positive_log_q, pool_log_q) = counted.log_q(&batch);
        let in_batch = |column: usize| {
            batch.pool_pairs.get(column).map(|&pair| users.iter().position(|&user| user == batch.user[pair]))
        };
        let pool: Vec<Value> = (batch.pool.iter().zip(&pool_log_q).enumerate())
            .map(|(column, (&slot, log_q))| {
                json!({ "item": batch.items[slot as usize], "user": in_batch(column), "log_q": log_q })
            })
            .collect();
        let items = fixture::items(1);
        let features: Vec<&[f32]> = items.features.chunks(items.dim).collect();
        let mut all = plain(&inputs, &spec);
        all.extend(plain(&sequences, &spec)); // with a sequence of one, and of forty
        let case = json!({
            "n_layers": spec.n_layers, "n_heads": spec.n_heads, "item_features": features, "sequences": all,
            "pairs": pairs(&batch, &positive_log_q, &users), "pool": pool,
        });
        let reference = run_reference(&case, fit.model());

        let model = fit.model();
        assert!(largest_difference(&model.encode_items().unwrap(), &reference["items"]) < 1e-4);
        for user in 0..N_USERS {
            let rows = model.encode_positions(&sequences, user).unwrap();
            let difference = largest_difference(&rows, &reference["embeddings"][users.len() + user]);
            assert!(difference < 1e-4, "user {user}: {difference}");
        }
        let expected = reference["loss"].as_f64().unwrap();
        let loss = fit.forward_backward(&batch, 0);
        assert!((loss - expected).abs() < 1e-4 * expected, "loss {loss}, reference {expected}");
    }
}

#[test]
fn no_position_reads_a_newer_action() {
    for spec in specs() {
        let mut sequences = fixture::sequences(N_USERS, 11);
        let model = trained(&spec, &sequences).into_model();
        let user = (0..N_USERS).find(|&user| sequences.range(user).len() >= 8).unwrap();
        let before = model.encode_positions(&sequences, user).unwrap();
        let changed = sequences.range(user).start + 3;
        sequences.actions.item[changed] = (sequences.actions.item[changed] + 7) % fixture::N_ITEMS as u32;
        sequences.actions.action_type[changed] ^= 1;
        let after = model.encode_positions(&sequences, user).unwrap();
        let dim = spec.dim;
        assert_eq!(before[4 * dim..], after[4 * dim..], "older positions");
        for position in 0..=3 {
            let row = position * dim..(position + 1) * dim;
            assert_ne!(before[row.clone()], after[row], "position {position} sees the changed action");
        }
    }
}
