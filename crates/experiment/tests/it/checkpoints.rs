//! Stopped trainings go on exactly, and damaged checkpoints are refused by name.

use std::fs;
use std::path::{Path, PathBuf};

use dayvec_experiment::{Config, Outcome, TrainingProgress, evaluate, no_observer, train};
use dayvec_runtime::exit;
use tokio_util::sync::CancellationToken;

use crate::shop::{Shop, copy_folder, folder_of};

fn weights(outcome: Outcome) -> Vec<u8> {
    let Outcome::Trained(report) = outcome else { panic!("{outcome:?}") };
    fs::read(folder_of(&report.checkpoint).join("model.safetensors")).unwrap()
}

fn go(shop: &Shop, resume: bool) -> anyhow::Result<Outcome> {
    train(&shop.config(), &shop.store(), resume, &CancellationToken::new(), &no_observer)
}

/// The folder of the only run.
fn run_folder(shop: &Shop) -> PathBuf {
    fs::read_dir(shop.path("work/runs")).unwrap().next().unwrap().unwrap().path()
}

/// A shop whose training was killed after its checkpoint at step 10 of 20, and the weights it would have had.
fn killed_at_10() -> (Shop, Vec<u8>) {
    let whole = Shop::new();
    let straight = weights(go(&whole, false).unwrap());
    let killed = Shop::new();
    copy_folder(&whole.path("work"), &killed.path("work"));
    fs::remove_dir_all(run_folder(&killed).join("step-0000000020")).unwrap();
    (killed, straight)
}

#[test]
fn a_killed_training_ends_with_the_weights_of_one_that_was_not() {
    let (shop, straight) = killed_at_10();
    let refused = go(&shop, false).unwrap_err();
    assert_eq!(exit::code(&refused), 64);
    assert!(format!("{refused:#}").contains("--resume"), "{refused:#}");
    assert!(weights(go(&shop, true).unwrap()) == straight, "the weights differ");
}

#[test]
fn a_stop_saves_and_goes_on() {
    let shop = Shop::new();
    let stop = CancellationToken::new();
    stop.cancel();
    let Outcome::Stopped(saved) = train(&shop.config(), &shop.store(), false, &stop, &no_observer).unwrap()
    else {
        panic!()
    };
    assert_eq!(saved.step, 0);
    assert!(!shop.path("bucket/checkpoints").exists(), "nothing half-done is in the bucket");
    let straight = weights(go(&Shop::new(), false).unwrap());
    assert!(weights(go(&shop, true).unwrap()) == straight, "the weights differ");
}

#[test]
fn a_stop_in_the_evaluation_leaves_it_to_the_next_time() {
    let shop = Shop::new();
    let stop = CancellationToken::new();
    let at_the_evaluation = |progress| {
        if progress == TrainingProgress::Stage("evaluate") {
            stop.cancel();
        }
    };
    let stopped = train(&shop.config(), &shop.store(), false, &stop, &at_the_evaluation).unwrap();
    let Outcome::Stopped(saved) = stopped else { panic!("{stopped:?}") };
    assert_eq!(saved.step, 20, "the training itself was over");
    assert!(!shop.path("bucket/checkpoints").exists(), "nothing half-done is in the bucket");
    let straight = weights(go(&Shop::new(), false).unwrap());
    assert!(weights(go(&shop, true).unwrap()) == straight, "the weights differ");
}

fn refused_resume(damage: impl Fn(&Path)) -> String {
    let (shop, _) = killed_at_10();
    damage(&run_folder(&shop).join("step-0000000010"));
    let refused = go(&shop, true).unwrap_err();
    assert_eq!(exit::code(&refused), 65, "{refused:#}");
    format!("{refused:#}")
}

#[test]
fn a_truncated_checkpoint_is_refused() {
    for file in ["model.safetensors", "optimizer.safetensors"] {
        let message = refused_resume(|folder| {
            let bytes = fs::read(folder.join(file)).unwrap();
            fs::write(folder.join(file), &bytes[..bytes.len() / 2]).unwrap();
        });
        for part in [file, "step-0000000010", "not usable", "remove it"] {
            assert!(message.contains(part), "{part} is missing from {message}");
        }
    }
}

#[test]
fn another_format_version_is_refused() {
    let message = refused_resume(|folder| {
        let spec = fs::read_to_string(folder.join("spec.yaml")).unwrap();
        fs::write(folder.join("spec.yaml"), spec.replace("format_version: 1", "format_version: 99")).unwrap();
    });
    for part in ["spec.yaml", "format version 99", "reads version 1"] {
        assert!(message.contains(part), "{part} is missing from {message}");
    }
}

#[test]
fn other_weights_under_the_same_name_are_refused() {
    let shop = Shop::new();
    let Outcome::Trained(report) = go(&shop, false).unwrap() else { panic!() };
    let folder = folder_of(&report.checkpoint);
    fs::remove_file(folder.join("spec.yaml")).unwrap();
    // An upload that was cut off is completed …
    let Outcome::Trained(_) = go(&shop, true).unwrap() else { panic!() };
    assert!(folder.join("spec.yaml").is_file());
    // … but not with other weights.
    fs::remove_file(folder.join("spec.yaml")).unwrap();
    fs::write(folder.join("model.safetensors"), "other").unwrap();
    let refused = go(&shop, true).unwrap_err();
    assert_eq!(exit::code(&refused), 75, "{refused:#}");
    assert!(!folder.join("spec.yaml").exists());
}

#[test]
fn a_test_on_trained_days_is_refused() {
    let shop = Shop::new();
    let Outcome::Trained(report) = go(&shop, false).unwrap() else { panic!() };
    let mut raw = shop.raw();
    raw.split.cut_off = Some(report.cut_off.plus(-1));
    let config = Config::try_from(raw).unwrap();
    let refused = evaluate(&config, &shop.store(), &report.model_id, &|| false).unwrap_err();
    assert_eq!(exit::code(&refused), 64);
    assert!(format!("{refused:#}").contains("split.cut_off"), "{refused:#}");
    let absent = evaluate(&shop.config(), &shop.store(), "tiny-000000000000", &|| false).unwrap_err();
    assert!(format!("{absent:#}").contains("tiny-000000000000"), "{absent:#}");
}
