//! PinSage's features as a caller builds them.

use dayvec_items::{
    BuildOptions, ItemsError, Method, PinSageLoss, PinSageOptions, build_items, items_version,
};

use crate::building::{assert_groups_are_neighbours, assert_unit, options, push, words};
use crate::planted::{planted, sequences};

fn pinsage(loss: PinSageLoss) -> PinSageOptions {
    PinSageOptions {
        loss,
        steps: 60,
        batch: 64,
        n_negatives: 32,
        hidden_dim: 32,
        n_neighbours: 8,
        ..PinSageOptions::default()
    }
}

fn build(method: PinSageOptions) -> BuildOptions {
    BuildOptions { method: Method::PinSage(method), ..options() }
}

const SOFTMAX: PinSageLoss = PinSageLoss::SampledSoftmax { temperature: 0.1 };

#[test]
fn items_of_one_planted_group_are_neighbours() {
    for loss in [SOFTMAX, PinSageLoss::MaxMargin { margin: 0.1 }] {
        let table = build_items(&planted(), None, &build(pinsage(loss))).unwrap();
        assert_eq!(table.dim, options().dim);
        (0..table.len() as u32).for_each(|item| assert_unit(&table, item));
        assert_groups_are_neighbours(&table, 0.95);
    }
}

#[test]
fn the_seed_decides_the_features() {
    let version = |seed| {
        let options = BuildOptions { seed, ..build(pinsage(SOFTMAX)) };
        items_version(&build_items(&planted(), Some(&words()), &options).unwrap())
    };
    assert_eq!(version(1), version(1));
    assert_ne!(version(1), version(2));
    let spectral = BuildOptions { seed: 1, ..options() };
    assert_ne!(version(1), items_version(&build_items(&planted(), Some(&words()), &spectral).unwrap()));
}

#[test]
fn cold_items_have_the_vector_of_their_text_and_unknown_ones_none() {
    let mut text = words();
    push(&mut text, "cold", "red woolly hat no 3");
    push(&mut text, "unknown", "zzyzx");
    let table = build_items(&planted(), Some(&text), &build(pinsage(SOFTMAX))).unwrap();
    assert_unit(&table, table.ids.find("cold").unwrap());
    let unknown = table.ids.find("unknown").unwrap();
    assert!(table.feature(unknown).iter().all(|&x| x == 0.0));
}

#[test]
fn a_log_without_pairs_keeps_the_features_it_has() {
    let alone = sequences([vec![("a".to_owned(), 5)], vec![("b".to_owned(), 6), ("b".to_owned(), 3)]]);
    let got = build_items(&alone, Some(&words()), &build(pinsage(SOFTMAX))).unwrap();
    assert_eq!(got.features, build_items(&alone, Some(&words()), &options()).unwrap().features);
}

#[test]
fn every_wrong_option_is_named() {
    let wrong = PinSageOptions {
        batch: 0,
        restart: 1.5,
        learning_rate: f64::NAN,
        loss: PinSageLoss::MaxMargin { margin: 0.0 },
        ..PinSageOptions::default()
    };
    let error = build_items(&planted(), None, &build(wrong)).unwrap_err();
    let ItemsError::Options(faults) = error else { panic!("{error}") };
    let keys: Vec<&str> = faults.iter().map(|fault| fault.split(':').next().unwrap()).collect();
    let expected = ["batch", "restart", "loss.margin", "learning_rate"];
    assert_eq!(keys, expected.map(|key| format!("method.{key}")));
}
