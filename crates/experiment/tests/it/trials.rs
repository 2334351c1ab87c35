//! Matrices of ablations and searches, on the small shop.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use dayvec_experiment::{Ablation, Config, Matrix, Space, TrialRecord, Trials, Tuned, ablate, tune};
use dayvec_runtime::exit;
use tokio_util::sync::CancellationToken;

use crate::shop::{CUT_OFF, Shop, store};

const MATRIX: &str = "
name: objectives
title: Objective
source: a test
seeds: [1, 2]
freshness: true
settings: {run: {steps: 30}}
rows:
  - {name: next, settings: {objective: {name: next_action}}, paper: {recall: 0.186, daily: 0.2, realtime: 0.25}}
  - {name: dense, settings: {objective: {window_days: 14}}}
";

const SPACE: &str = "
name: tune
maximise: seen_allowed
seeds: [1]
settings:
  run.steps: [5, 40]
  objective: [{name: next_action}]
";

fn matrix(shop: &Shop, text: &str) -> anyhow::Result<Matrix> {
    let path = shop.path("matrix.yaml");
    fs::write(&path, text).unwrap();
    Matrix::read(&path)
}

fn trials(shop: &Shop, windows_earlier: u32) -> Trials {
    let mut raw = shop.raw();
    raw.split.test_days = 7;
    raw.split.cut_off = Some(CUT_OFF.parse().unwrap());
    let config = Trials::config(&Config::try_from(raw).unwrap()).unwrap();
    let store = store(&config);
    Trials::new(config, store, windows_earlier).unwrap()
}

fn records(shop: &Shop, name: &str) -> Vec<TrialRecord> {
    let text = fs::read_to_string(shop.path("work/trials").join(name).join("runs.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn run(shop: &Shop, matrix: &Matrix) -> (String, PathBuf) {
    let done = ablate(matrix, &trials(shop, 0), &CancellationToken::new()).unwrap();
    let Ablation::Done { table, path } = done else { panic!("{done:?}") };
    (table, path)
}

#[test]
fn a_matrix_is_run_once_and_goes_on_where_it_was_killed() {
    let shop = Shop::new();
    let matrix = matrix(&shop, MATRIX).unwrap();
    let stopped = CancellationToken::new();
    stopped.cancel();
    let stopped = ablate(&matrix, &trials(&shop, 0), &stopped).unwrap();
    assert!(matches!(stopped, Ablation::Stopped { done: 0, of: 4 }), "{stopped:?}");

    let (table, path) = run(&shop, &matrix);
    assert_eq!(fs::read_to_string(&path).unwrap(), table);
    for part in ["| next |", "| dense |", " ± ", "(0.186)", "(-0.200)", CUT_OFF, "P90 Coverage@10"] {
        assert!(table.contains(part), "{part} is missing from\n{table}");
    }
    let all = records(&shop, "objectives");
    let names: Vec<_> = all.iter().map(|record| (record.row.as_str(), record.seed)).collect();
    assert_eq!(names, [("next", 1), ("dense", 1), ("next", 2), ("dense", 2)]);
    assert!(all.iter().all(|record| record.freshness.is_some() && record.data_hash == all[0].data_hash));
    assert!(all[0].config_hash != all[1].config_hash && all[0].config_hash == all[2].config_hash);
    let recall = |record: &TrialRecord| record.all_users.seen_allowed.recall.micro.value;
    assert_ne!(recall(&all[1]), recall(&all[3]), "the seeds gave the same model");

    // Killed in the middle of writing the third line: that trial's figures are taken from its checkpoint.
    let jsonl = path.with_file_name("runs.jsonl");
    let text = fs::read_to_string(&jsonl).unwrap();
    let two: usize = text.lines().take(2).map(|line| line.len() + 1).sum();
    fs::write(&jsonl, &text[..two + 40]).unwrap();
    assert_eq!(run(&shop, &matrix).0, table);
    assert_eq!(records(&shop, "objectives"), all);
    // Nothing is done twice, and nothing is in the bucket that is served.
    assert_eq!(fs::read_dir(shop.path("work/trials/bucket/checkpoints")).unwrap().count(), 4);
    assert!(!shop.path("bucket").exists());

    fs::write(&jsonl, format!("{{\n{text}")).unwrap();
    let damaged = ablate(&matrix, &trials(&shop, 0), &CancellationToken::new()).unwrap_err();
    assert_eq!(exit::code(&damaged), 65, "{damaged:#}");
    assert!(format!("{damaged:#}").contains("runs.jsonl, line 1"), "{damaged:#}");
}

#[test]
fn a_model_of_one_task_is_best_at_it() {
    let shop = Shop::new();
    // Users buy from their own shelf; what they look at is from the next one.
    let log: Vec<String> = crate::shop::log()
        .lines()
        .map(|line| match line.split(',').collect::<Vec<_>>()[..] {
            [user, item, "view", time] => {
                let number: u64 = item[1..].parse().unwrap();
                format!("{user},i{},view,{time}", number / 4 * 4 + (number + 1) % 4)
            }
            _ => line.to_owned(),
        })
        .collect();
    shop.write_log(&(log.join("\n") + "\n"));
    let text = "
name: tasks
title: Tasks
source: a test
seeds: [1]
settings:
  run: {steps: 150}
  events: {schema: {positives: [{action: purchase}, {action: view}]}}
rows:
  - {name: purchase, settings: {objective: {tasks: [purchase]}}}
  - {name: view, settings: {objective: {tasks: [view]}}}
";
    let (table, _) = run(&shop, &matrix(&shop, text).unwrap());
    assert!(table.contains("Recall@10 of purchase | Recall@10 of view"), "{table}");
    let [of_purchase, of_view] = &records(&shop, "tasks")[..] else { panic!("{table}") };
    let recall = |record: &TrialRecord, task: &str| {
        record.by_task.iter().find(|it| it.task == task).unwrap().recall.micro.value
    };
    for (task, own, other) in [("purchase", of_purchase, of_view), ("view", of_view, of_purchase)] {
        assert!(recall(own, task) > 1.5 * recall(other, task), "{task}\n{table}");
    }
}

#[test]
fn a_wrong_matrix_is_refused_before_anything_is_trained() {
    let shop = Shop::new();
    let refused = |text: &str| {
        let run = matrix(&shop, text)
            .and_then(|matrix| ablate(&matrix, &trials(&shop, 0), &CancellationToken::new()));
        let error = run.unwrap_err();
        assert_eq!(exit::code(&error), 64, "{error:#}");
        format!("{error:#}")
    };
    let message = refused(&MATRIX.replace("steps: 30", "steps: 0"));
    assert!(message.contains("matrix objectives, settings") && message.contains("run.steps"), "{message}");
    let misspelt = MATRIX.replace("window_days: 14", "window_dayz: 14").replace("next_action", "next_word");
    let message = refused(&misspelt);
    for part in ["row `next`", "row `dense`", "window_dayz", "next_word"] {
        assert!(message.contains(part), "{part} is missing from {message}");
    }
    assert!(refused(&MATRIX.replace("name: dense", "name: next")).contains("another row `next`"));
    assert!(refused(&MATRIX.replace("seeds: [1, 2]", "seeds: []")).contains("seeds: must not be empty"));
    assert!(refused(&MATRIX.replace("title", "titel")).contains("unknown field `titel`"));
    assert!(!shop.path("work/trials/bucket/checkpoints").exists());
}

fn space(shop: &Shop, text: &str) -> anyhow::Result<Space> {
    let path = shop.path("space.yaml");
    fs::write(&path, text).unwrap();
    Space::read(&path)
}

fn search(shop: &Shop, budget: Duration) -> Option<Tuned> {
    let space = space(shop, SPACE).unwrap();
    tune(&space, &trials(shop, 1), budget, &CancellationToken::new()).unwrap()
}

#[test]
fn a_search_chooses_on_the_window_before_the_test_and_goes_on() {
    let shop = Shop::new();
    assert!(search(&shop, Duration::ZERO).is_none());
    let tuned = search(&shop, Duration::from_secs(600)).unwrap();
    assert!(tuned.complete && tuned.recall >= tuned.recall_before, "{tuned:?}");
    let all = records(&shop, "tune");
    let week_earlier = CUT_OFF.parse::<dayvec_core::Day>().unwrap().plus(-7);
    assert!(all.iter().all(|record| record.cut_off == week_earlier && record.test_days == 7));
    assert_eq!(all[0].row, "as configured");
    let best = all.iter().map(|record| record.all_users.seen_allowed.recall.micro.value).fold(0.0, f64::max);
    assert_eq!(tuned.recall, best);
    assert_eq!(tuned.best["run.steps"], "40", "{}", tuned.table);
    let yaml = fs::read_to_string(&tuned.path).unwrap();
    assert!(yaml.contains("steps: 40"), "{yaml}");

    // All is known, so a second search needs no time.
    let again = search(&shop, Duration::ZERO).unwrap();
    assert_eq!((again.table, again.best), (tuned.table, tuned.best));
}

#[test]
fn a_wrong_space_is_refused() {
    let shop = Shop::new();
    let wrong = |text: String| {
        let space = space(&shop, &text);
        let error = space
            .and_then(|space| tune(&space, &trials(&shop, 1), Duration::ZERO, &CancellationToken::new()))
            .unwrap_err();
        assert_eq!(exit::code(&error), 64, "{error:#}");
        format!("{error:#}")
    };
    assert!(wrong(SPACE.replace("run.steps", "run.stepz")).contains("run.stepz: unknown field"));
    assert!(wrong(SPACE.replace("[5, 40]", "40")).contains("settings.run.steps: must be a list"));
    assert!(wrong(SPACE.replace("seeds: [1]", "seeds: []")).contains("seeds: must not be empty"));
}

#[test]
fn the_shipped_matrices_and_space_are_whole() {
    let shop = Shop::new();
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../config"));
    let mut names = Vec::new();
    for file in fs::read_dir(folder.join("ablations")).unwrap() {
        let path = file.unwrap().path();
        let matrix = Matrix::read(&path).unwrap();
        assert_eq!(path.file_stem().unwrap().to_str(), Some(matrix.name.as_str()));
        matrix.check(&shop.config()).unwrap_or_else(|error| panic!("{error:#}"));
        names.push(matrix.name);
    }
    assert!(names.len() >= 11, "{names:?}");
    let space = Space::read(&folder.join("tune.yaml")).unwrap();
    space.check(&shop.config()).unwrap();
}
