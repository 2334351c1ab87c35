//! Forward pass, logQ correction, loss and AdamW against the NumPy references in `tests/reference`: on weights that
//! have moved from their start, with padding, equal timestamps and a sequence of one.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use dayvec_core::{HistoryBag, ModelSpec, Objective, Sequences};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

use crate::batch::TrainBatch;
use crate::fixture;
use crate::model::to_vec;
use crate::optimizer::AdamW;
use crate::parameters::{Init, ParameterList, Parameters};
use crate::tokens::InputRange;
use crate::{
    Correction, Fit, Model, NegativeConfig, NegativeCorrection, OptimizerConfig, PositiveCorrection, Sampler,
    SamplerConfig,
};

pub(crate) const N_USERS: usize = 9;
const N_STEPS: u64 = 30;

pub(crate) fn specs() -> [ModelSpec; 2] {
    let mut with_options = fixture::spec();
    with_options.item_id_dim = 4;
    with_options.history_bag = Some(HistoryBag { half_life_days: 20.0 });
    [fixture::spec(), with_options]
}

fn sampler(spec: &ModelSpec, sequences: &Sequences, correction: Correction) -> Sampler {
    let config = SamplerConfig {
        seed: 5,
        users: N_USERS,
        positions: 4,
        newest_share: 1.0,
        negatives: NegativeConfig { random: 12, in_batch: 9 },
        correction,
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
        seed: 0,
        rank: 0,
        steps: N_STEPS,
    }
}

/// A model whose every weight has moved from its start.
pub(crate) fn trained(spec: &ModelSpec, sequences: &Sequences) -> Fit {
    let mut fit = Fit::new(Model::new(spec, &fixture::items(1), Device::Cpu, 3).unwrap(), optimizer());
    let sampler = sampler(spec, sequences, fixture::CORRECTION);
    for step in 0..N_STEPS {
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

/// The pairs of a batch, as users by their index in `users` and positions counted in their drawn inputs.
fn pairs(batch: &TrainBatch, users: &[usize]) -> Vec<Value> {
    let mut all = Vec::new();
    for group in &batch.groups {
        for &cell in &group.valid {
            let row = cell as usize / group.n_queries;
            let position = group.tokens.length[row] - 1 - group.queries[cell as usize];
            let pair = all.len();
            let user = users.iter().position(|&user| user == batch.user[pair]).unwrap();
            let item = batch.items[batch.label[pair] as usize];
            all.push(json!({ "user": user, "position": position, "item": item }));
        }
    }
    all
}

/// The (user, item) labels of a batch.
fn labels(batch: &TrainBatch) -> impl Iterator<Item = (usize, i64)> + '_ {
    batch.user.iter().copied().zip(batch.label.iter().map(|&label| batch.items[label as usize]))
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

fn run_python(script: &str, arguments: &[&Path]) -> Value {
    let python = std::env::var("DAYVEC_TEST_PYTHON")
        .expect("DAYVEC_TEST_PYTHON names a Python with NumPy; scripts/test.sh sets it up");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference").join(script);
    let output = Command::new(python).arg(script).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn run_reference(case: &Value, model: &Model) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let (case_path, weights) = (folder.path().join("case.json"), folder.path().join("model.safetensors"));
    std::fs::write(&case_path, case.to_string()).unwrap();
    model.save(&weights).unwrap();
    run_python("reference.py", &[&case_path, &weights])
}

fn largest_difference(rows: &[f32], reference: &Value) -> f64 {
    let reference: Vec<Vec<f64>> = serde_json::from_value(reference.clone()).unwrap();
    let flat: Vec<f64> = reference.concat();
    assert_eq!(rows.len(), flat.len());
    rows.iter().zip(&flat).map(|(&a, b)| (f64::from(a) - b).abs()).fold(0.0, f64::max)
}

fn assert_close(name: &str, values: &[f32], reference: &Value) {
    let reference: Vec<f64> = serde_json::from_value(reference.clone()).unwrap();
    assert_eq!(values.len(), reference.len(), "{name}");
    for (at, (&value, expected)) in values.iter().zip(reference).enumerate() {
        let difference = (f64::from(value) - expected).abs();
        assert!(difference < 1e-5 * expected.abs().max(1.0), "{name} {at}: {value}, reference {expected}");
    }
}

/// What the reference needs to compute the loss of `batch`, after training saw every label of `earlier`.
fn case(spec: &ModelSpec, sequences: &Sequences, batch: &TrainBatch, earlier: &[(usize, i64)]) -> Value {
    let (inputs, users) = drawn_inputs(batch, sequences);
    let owner = |column: usize| {
        let pair = batch.pool_pairs.get(column)?;
        users.iter().position(|&user| user == batch.user[*pair])
    };
    let pool: Vec<Value> = (batch.pool.iter().enumerate())
        .map(|(column, &item)| json!({ "item": batch.items[item as usize], "user": owner(column) }))
        .collect();
    let items = fixture::items(1);
    let features: Vec<&[f32]> = items.features.chunks(items.dim).collect();
    let mut all = plain(&inputs, spec);
    all.extend(plain(sequences, spec)); // with a sequence of one, and of forty
    let eligible: BTreeSet<u32> = sequences.actions.item.iter().copied().collect();
    let drawn: Vec<(usize, i64)> = earlier.iter().copied().chain(labels(batch)).collect();
    json!({
        "n_layers": spec.n_layers, "n_heads": spec.n_heads, "item_features": features, "sequences": all,
        "pairs": pairs(batch, &users), "pool": pool, "users": users, "drawn": drawn,
        "n_eligible": eligible.len(), "correction": batch.correction, "loss": batch.loss,
        "newest_is_half": spec.objective.settings.get("newest_weight").is_some_and(|weight| weight == "half"),
    })
}

/// The gradient of `log_inverse_temperature`.
fn temperature_slope(model: &Model) -> f64 {
    let parameters = &model.parameters;
    let before = parameters.layout().take_while(|(name, _)| *name != "log_inverse_temperature");
    let at: i64 = before.map(|(_, shape)| shape.iter().product::<i64>()).sum();
    parameters.flat.grad().double_value(&[at])
}

/// Hold the forward pass, log Q, the loss and its slope in the temperature against the reference.
fn check_against_numpy(spec: &ModelSpec, correction: Correction) {
    let what = format!("{:?}, {correction:?}", spec.objective);
    let sequences = fixture::sequences(N_USERS, 11);
    let mut fit = trained(spec, &sequences);
    let sampler = sampler(spec, &sequences, correction);
    // `trained` drew other batches where the correction differs, but the same labels.
    let earlier: Vec<(usize, i64)> =
        (0..N_STEPS).flat_map(|step| labels(&sampler.batch(step)).collect::<Vec<_>>()).collect();
    let batch = sampler.batch(N_STEPS);
    let case = case(spec, &sequences, &batch, &earlier);
    let reference = run_reference(&case, fit.model());

    let (positives, pool) = fit.clone_counts().log_q(&batch);
    assert_close("log Q of pair", &positives, &reference["pair_log_q"]);
    assert_close("log Q of column", &pool, &reference["pool_log_q"]);
    let model = fit.model();
    assert!(largest_difference(&model.encode_items().unwrap(), &reference["items"]) < 1e-4);
    let n_inputs = case["users"].as_array().unwrap().len();
    for user in 0..N_USERS {
        let rows = model.encode_positions(&sequences, user).unwrap();
        let difference = largest_difference(&rows, &reference["embeddings"][n_inputs + user]);
        assert!(difference < 1e-4, "user {user}: {difference}");
    }
    let number = |name: &str| reference[name].as_f64().unwrap();
    let loss = fit.forward_backward(&batch, 0);
    assert!((loss - number("loss")).abs() < 1e-4 * number("loss"), "{what}: {loss}, {}", number("loss"));
    let slope = temperature_slope(fit.model());
    let same = |expected: f64| (slope - expected).abs() < 1e-4 * expected.abs().max(1.0);
    assert!(same(number("slope")), "{what}: slope {slope}, reference {}", number("slope"));
    if correction.positives == PositiveCorrection::Refined {
        assert!(same(number("refined_slope")), "{what}: slope {slope}, {}", number("refined_slope"));
    }
}

#[test]
fn every_correction_equals_the_numpy_reference() {
    let [plain_spec, with_options] = specs();
    check_against_numpy(&with_options, fixture::CORRECTION);
    for negatives in [NegativeCorrection::Linear, NegativeCorrection::Exact] {
        for positives in
            [PositiveCorrection::Conditional, PositiveCorrection::Marginal, PositiveCorrection::Refined]
        {
            check_against_numpy(&plain_spec, Correction { negatives, positives });
        }
    }
    let off = Correction { negatives: NegativeCorrection::Off, positives: PositiveCorrection::Off };
    check_against_numpy(&plain_spec, off);
}

#[test]
fn every_objective_equals_the_numpy_reference() {
    let all_action = Objective::named("all_action").with("window_days", 28);
    let sasrec = |loss: &str, newest: &str| {
        Objective::named("sasrec").with("loss", loss).with("newest_weight", newest)
    };
    let [mut spec, _] = specs();
    for objective in [
        Objective::named("next_action"),
        all_action,
        sasrec("sampled_softmax", "alike"),
        sasrec("sampled_softmax", "half"),
        sasrec("binary_cross_entropy", "half"),
    ] {
        spec.objective = objective;
        check_against_numpy(&spec, fixture::CORRECTION);
    }
}

#[test]
fn adamw_equals_the_numpy_reference() {
    let (n_decaying, n_free) = (12, 5);
    let mut list = ParameterList::default();
    list.weight("matrix", &[3, 4], Init::FanIn(4));
    list.free("bias", &[n_free], Init::FanIn(4));
    let mut parameters = Parameters::new(list, Device::Cpu, 7);
    let start = to_vec(&parameters.flat).unwrap();
    let mut adam = AdamW::new(&parameters);
    let config = OptimizerConfig { weight_decay: 0.3, learning_rate: 0.05, steps: 12, ..optimizer() };
    let mut rng = Pcg64Mcg::seed_from_u64(3);
    let (mut gradients, mut weights, mut norms) = (Vec::new(), Vec::new(), Vec::new());
    for step in 0..config.steps {
        // small ones are not clipped, large ones are
        let size = if step % 3 == 0 { 2.0 } else { 0.1 };
        let gradient: Vec<f32> = start.iter().map(|_| rng.random_range(-size..size)).collect();
        (&parameters.flat * Tensor::from_slice(&gradient)).sum(Kind::Float).backward();
        norms.push(adam.step(&mut parameters, &config, step) as f32);
        weights.extend(to_vec(&parameters.flat).unwrap());
        gradients.push(gradient);
    }
    let decays: Vec<bool> = (0..n_decaying + n_free).map(|at| at < n_decaying).collect();
    let case = json!({
        "weights": start, "decays": decays, "gradients": gradients, "learning_rate": config.learning_rate,
        "warm_up_share": config.warm_up_share, "weight_decay": config.weight_decay,
        "clip_norm": config.clip_norm, "beta1": config.beta1, "beta2": config.beta2, "steps": config.steps,
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("case.json");
    std::fs::write(&path, case.to_string()).unwrap();
    let reference = run_python("adamw.py", &[&path]);
    assert_close("weight", &weights, &reference["weights"]);
    assert_close("norm", &norms, &reference["norms"]);
}
