//! Training through the public API: batches, steps, saving and resuming.

use std::sync::Arc;

use dayvec_core::{HistoryBag, ModelSpec, Objective};
use dayvec_model::{Fit, Model, ModelError, NegativeConfig, OptimizerConfig, Sampler, SamplerConfig};
use tch::Device;

use crate::fixture;

fn sampler_config() -> SamplerConfig {
    SamplerConfig {
        seed: 5,
        users: 12,
        positions: 4,
        newest_share: 0.5,
        negatives: NegativeConfig { random: 16, in_batch: 16 },
        correction: fixture::CORRECTION,
    }
}

fn optimizer(steps: u64) -> OptimizerConfig {
    OptimizerConfig {
        learning_rate: 3e-3,
        warm_up_share: 0.1,
        weight_decay: 0.01,
        clip_norm: 1.0,
        beta1: 0.9,
        beta2: 0.98,
        dropout: 0.1,
        seed: 4,
        rank: 0,
        steps,
    }
}

fn with_options() -> ModelSpec {
    let mut spec = fixture::spec();
    spec.item_id_dim = 4;
    spec.history_bag = Some(HistoryBag { half_life_days: 20.0 });
    spec
}

fn fit(spec: &ModelSpec, steps: u64) -> (Fit, Sampler) {
    let model = Model::new(spec, &fixture::items(1), Device::Cpu, 3).unwrap();
    let sampler = Sampler::new(Arc::new(fixture::sequences(30, 2)), spec, sampler_config()).unwrap();
    (Fit::new(model, optimizer(steps)), sampler)
}

#[test]
fn the_loss_falls_for_every_objective_and_option() {
    let mut next = fixture::spec();
    next.objective = Objective::named("next_action");
    for spec in [fixture::spec(), with_options(), next] {
        let (mut fit, sampler) = fit(&spec, 150);
        let losses: Vec<f64> =
            (0..150).map(|step| fit.step(&sampler.batch(step), step).unwrap().loss).collect();
        let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
        let (first, last) = (mean(&losses[..15]), mean(&losses[135..]));
        assert!(last < 0.9 * first, "{first} → {last} for {:?}", spec.objective);
        assert!(fit.model().temperature() >= 0.01);
    }
}

#[test]
fn going_on_from_a_checkpoint_equals_not_stopping() {
    tch::set_num_threads(1);
    let spec = with_options();
    let folder = tempfile::tempdir().unwrap();
    let (weights, moments) =
        (folder.path().join("model.safetensors"), folder.path().join("optimizer.safetensors"));
    let (mut whole, sampler) = fit(&spec, 20);
    for step in 0..10 {
        whole.step(&sampler.batch(step), step).unwrap();
    }
    whole.model().save(&weights).unwrap();
    whole.save_optimizer(&moments).unwrap();
    let model = Model::load(&spec, &fixture::items(1), &weights, Device::Cpu).unwrap();
    let mut resumed = Fit::new(model, optimizer(20));
    resumed.load_optimizer(&moments).unwrap();
    for step in 10..20 {
        let batch = sampler.batch(step);
        let (a, b) = (whole.step(&batch, step).unwrap(), resumed.step(&batch, step).unwrap());
        assert_eq!(a, b);
    }
    assert_eq!(whole.model().encode_items().unwrap(), resumed.model().encode_items().unwrap());
}

#[test]
fn dropout_masks_depend_on_seed_step_and_rank() {
    let spec = fixture::spec();
    let loss = |seed, rank, step| {
        let model = Model::new(&spec, &fixture::items(1), Device::Cpu, 3).unwrap();
        let sampler = Sampler::new(Arc::new(fixture::sequences(30, 2)), &spec, sampler_config()).unwrap();
        let config = OptimizerConfig { seed, rank, ..optimizer(20) };
        Fit::new(model, config).step(&sampler.batch(0), step).unwrap().loss
    };
    let first = loss(4, 0, 0);
    assert_eq!(first, loss(4, 0, 0));
    for (seed, rank, step) in [(5, 0, 0), (4, 1, 0), (4, 0, 1)] {
        assert_ne!(first, loss(seed, rank, step), "seed {seed}, rank {rank}, step {step}");
    }
}

#[test]
fn no_pair_is_a_clear_error() {
    let mut sequences = fixture::sequences(5, 2);
    sequences.actions.positive.fill(false);
    let error = Sampler::new(Arc::new(sequences), &fixture::spec(), sampler_config()).unwrap_err();
    assert!(matches!(&error, ModelError::NoPairs(text) if text.contains("positives")), "{error}");
}

#[test]
fn damaged_and_foreign_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let items = fixture::items(1);
    let spec = fixture::spec();
    Model::new(&spec, &items, Device::Cpu, 3).unwrap().save(&path).unwrap();
    let refused = |spec: &ModelSpec| Model::load(spec, &items, &path, Device::Cpu).unwrap_err().to_string();
    let mut wider = spec.clone();
    wider.dim += 1;
    assert!(refused(&wider).contains("the spec says"), "{}", refused(&wider));
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    assert!(refused(&spec).contains("model.safetensors is not usable"), "{}", refused(&spec));

    let spec_path = folder.path().join("spec.yaml");
    dayvec_model::save_spec(&spec, &spec_path).unwrap();
    assert_eq!(dayvec_model::load_spec(&spec_path).unwrap(), spec);
    let text = std::fs::read_to_string(&spec_path).unwrap().replace("format_version: 1", "format_version: 9");
    std::fs::write(&spec_path, text).unwrap();
    let error = dayvec_model::load_spec(&spec_path).unwrap_err().to_string();
    assert!(error.contains("format version 9") && error.contains("reads version 1"), "{error}");
}

#[test]
fn item_features_must_fit() {
    let spec = fixture::spec();
    let mut items = fixture::items(1);
    items.features[8] = f32::NAN;
    let error = Model::new(&spec, &items, Device::Cpu, 3).unwrap_err().to_string();
    assert!(error.contains("item-1") && error.contains("not finite"), "{error}");
    items.dim = 3;
    let error = Model::new(&spec, &items, Device::Cpu, 3).unwrap_err().to_string();
    assert!(error.contains("width 6") && error.contains("width 3"), "{error}");
}
