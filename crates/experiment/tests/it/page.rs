//! The page of a checkpoint: what it takes from records, and what it measures itself.

use std::fs;

use dayvec_experiment::{
    Ablation, Config, Matrix, PageRequest, Trials, ablate, evaluate, experiment_page, freshness,
};
use dayvec_report::{ExperimentPage, Report};
use dayvec_runtime::exit;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use crate::shop::{Shop, store, trained};

const MATRIX: &str = "
name: objectives
title: Objective
source: a test
seeds: [1]
settings: {run: {steps: 5}}
rows:
  - {name: next, settings: {objective: {name: next_action}}, paper: {recall: 0.186}}
";

fn request(model: &str) -> PageRequest {
    PageRequest {
        checkpoint: model.to_owned(),
        arguments: "--config shop.yaml".into(),
        command: "trainer report".into(),
        commit: "abc".into(),
        date: "2026-01-02T03:04:05Z".into(),
        ..PageRequest::default()
    }
}

fn page(config: &Config, model: &str) -> ExperimentPage {
    experiment_page(config, &store(config), &request(model)).unwrap()
}

/// As it is read from a file: the last digit of a number may change.
fn reread<T: Serialize + DeserializeOwned>(value: &T) -> T {
    serde_json::from_slice(&serde_json::to_vec(value).unwrap()).unwrap()
}

fn shop() -> (Shop, Config, Report) {
    let shop = Shop::new();
    let config = shop.config();
    let report = trained(&config);
    (shop, config, report)
}

#[test]
fn what_was_not_measured_is_named_with_its_command() {
    let (_shop, config, report) = shop();
    let page = page(&config, &report.model_id);
    let command = |subcommand: &str| {
        format!("trainer {subcommand} --config shop.yaml --checkpoint {}", report.model_id)
    };
    assert_eq!(page.baselines_missing.unwrap().command, command("evaluate"));
    assert_eq!(page.freshness.unwrap_err().command, command("freshness"));
    let ablations = page.ablations.unwrap_err();
    assert_eq!(ablations.command, "trainer ablate --matrix config/ablations/*.yaml --config shop.yaml");
    assert_eq!(
        page.report.evaluation,
        reread(&report.evaluation),
        "the report of the checkpoint was not used"
    );
    assert_eq!(page.made.seed, Some(1));
    assert!(page.made.log.ends_with("events.csv"), "{}", page.made.log);
}

#[test]
fn records_are_shown_as_they_are() {
    let (shop, config, published) = shop();
    let model = &published.model_id;
    let full = evaluate(&config, &store(&config), model, &|| false).unwrap().unwrap();
    let fresh = freshness(&config, &store(&config), model, (1, 2)).unwrap();
    let matrix = shop.path("matrix.yaml");
    fs::write(&matrix, MATRIX).unwrap();
    let of_trials = Trials::config(&config).unwrap();
    let trials = Trials::new(of_trials.clone(), store(&of_trials), 0).unwrap();
    let done = ablate(&Matrix::read(&matrix).unwrap(), &trials, &CancellationToken::new()).unwrap();
    let Ablation::Done { table, path } = done else { panic!("{done:?}") };

    let page = page(&config, model);
    assert_eq!(page.report.evaluation, reread(&full.evaluation));
    assert_eq!(page.baselines_missing, None);
    assert_eq!(page.freshness.as_ref().unwrap(), &reread(&fresh));
    let tables = page.ablations.as_ref().unwrap();
    assert_eq!(tables.len(), 1);
    assert_eq!(tables[0].to_string(), table, "the table that was printed");
    assert_eq!(tables[0].data_hash, page.made.log_hash, "the same log has the same hash");
    assert!(page.unfinished.is_empty());
    let curves = page.curves.as_ref().unwrap();
    assert_eq!(curves[0].points, reread(&published.training.unwrap().curve));
    let names: Vec<&str> = curves.iter().map(|curve| curve.name.as_str()).collect();
    assert_eq!(names, ["Loss", "Learning rate", "Gradient norm", "Temperature", "Speed"]);

    // Another place for ablations, and a matrix that an older version left without its table.
    fs::remove_file(path.with_file_name("table.json")).unwrap();
    let asked = PageRequest { ablations: vec![path.parent().unwrap().to_owned()], ..request(model) };
    let without = experiment_page(&config, &store(&config), &asked).unwrap();
    assert!(without.ablations.is_err() && without.unfinished.len() == 1, "{:?}", without.unfinished);
}

#[test]
fn groups_add_up_to_the_whole() {
    let (_shop, config, report) = shop();
    let page = page(&config, &report.model_id);
    let model = &report.evaluation.all_users.rows[0].seen_allowed;
    for groups in [&page.groups.by_activity, &page.groups.by_popularity] {
        assert!(groups.len() > 1, "{groups:?}");
        assert!(groups.is_sorted_by_key(|group| group.range), "{groups:?}");
        assert_eq!(groups.iter().map(|group| group.n_pairs).sum::<usize>(), model.n_pairs);
        let hits: f64 = groups.iter().map(|group| group.model.value * group.n_pairs as f64).sum();
        assert!((hits - model.recall.micro.value * model.n_pairs as f64).abs() < 1e-6, "{hits} hits");
        let popularity = &report.recall_by_scorer.seen_allowed["popularity"];
        let hits: f64 = groups.iter().map(|group| group.baseline.value * group.n_pairs as f64).sum();
        assert!((hits - popularity * model.n_pairs as f64).abs() < 1e-6, "{hits} hits of popularity");
    }
}

#[test]
fn examples_and_the_map_are_of_the_log() {
    let (_shop, config, report) = shop();
    let page = page(&config, &report.model_id);
    assert_eq!(page.users.len(), 3);
    for user in &page.users {
        assert!(user.user_id.starts_with('u') && user.neighbours.len() == 10, "{user:?}");
        assert!(user.neighbours.is_sorted_by(|a, b| a.score >= b.score));
        assert!(user.actions.is_sorted_by(|a, b| a.time >= b.time), "not newest first");
        assert!(user.neighbours.iter().filter(|near| near.is_relevant).count() <= user.n_relevant);
    }
    let [first, second] = page.map.variance;
    assert!(first >= second && second > 0.0 && first + second <= 1.0 + 1e-9, "{:?}", page.map.variance);
    assert_eq!(page.map.items.len(), 40);
    let (same, any) = page.map.cosines.unwrap();
    assert!(same > any, "items of one shelf are not alike: {same} {any}");
    assert!(page.render().contains(&report.model_id));
}

#[test]
fn a_damaged_record_is_named() {
    let (shop, config, report) = shop();
    let folder = shop.path("work/evaluations");
    fs::create_dir_all(&folder).unwrap();
    let name = format!("{}-{}-freshness.json", report.model_id, report.cut_off);
    fs::write(folder.join(&name), "{").unwrap();
    let error = experiment_page(&config, &store(&config), &request(&report.model_id)).unwrap_err();
    assert_eq!(exit::code(&error), 65);
    assert!(format!("{error:#}").contains(&name), "{error:#}");
}

#[test]
fn the_papers_figures_of_freshness_are_those_of_the_matrix() {
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/../../config/ablations/freshness.yaml");
    let matrix = Matrix::read(config.as_ref()).unwrap();
    let paper = matrix.rows.last().unwrap().paper;
    let (_shop, config, report) = shop();
    freshness(&config, &store(&config), &report.model_id, (1, 1)).unwrap();
    let html = page(&config, &report.model_id).render();
    for figure in [paper.recall, paper.daily, paper.realtime].map(Option::unwrap) {
        assert!(html.contains(&format!("paper {figure:.3}<")), "{figure} is not on the page");
    }
}
