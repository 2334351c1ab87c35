//! From a log to a checkpoint in the bucket.

use std::collections::BTreeSet;
use std::fs::{self, File};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, UInt32Type};
use dayvec_core::{MODEL_FORMAT_VERSION, Objective};
use dayvec_experiment::{
    Config, FreshnessReport, Outcome, SplitProtocol, evaluate, freshness, full_report, no_observer,
    read_tensorboard, train, write_top_items,
};
use dayvec_items::{Method, PinSageOptions};
use dayvec_model::load_spec;
use dayvec_report::{Report, Table};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::shop::{CUT_OFF, Shop, folder_of, trained};

#[test]
fn a_log_becomes_a_measured_checkpoint() {
    let shop = Shop::new();
    let mut raw = shop.raw();
    raw.run.steps = 100;
    let config = Config::try_from(raw).unwrap();
    let report = trained(&config);
    assert_eq!(report.cut_off.to_string(), CUT_OFF);
    let recall = &report.recall_by_scorer.seen_allowed;
    assert!(recall["model"] > 2.0 * recall["popularity"], "{recall:?}");
    assert!(report.evaluation.held_out.is_some());

    let folder = folder_of(&report.checkpoint);
    let files: BTreeSet<String> =
        fs::read_dir(&folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    let expected =
        ["card.md", "config.yaml", "metrics.json", "model.safetensors", "optimizer.safetensors", "spec.yaml"];
    assert_eq!(files, expected.map(str::to_owned).into());
    let spec = load_spec(&folder.join("spec.yaml")).unwrap();
    assert_eq!((spec.format_version, &spec.model_id), (MODEL_FORMAT_VERSION, &report.model_id));
    assert_eq!(spec.tower_pair_id, report.tower_pair_id);
    assert!(spec.surfaces.is_empty() && !spec.duration, "the log has neither");
    assert!(shop.path("bucket/items").join(&report.items_version).join("items.parquet").is_file());
    let saved: Report = serde_json::from_slice(&fs::read(folder.join("metrics.json")).unwrap()).unwrap();
    // To 12 digits, since the JSON reader may be off by a unit in the last place.
    assert_eq!((&saved.tower_pair_id, &saved.events), (&report.tower_pair_id, &report.events));
    for (scorer, recall) in recall {
        assert!((saved.recall_by_scorer.seen_allowed[scorer] - recall).abs() < 1e-12, "{scorer}");
    }
    let card = fs::read_to_string(folder.join("card.md")).unwrap();
    for part in
        [CUT_OFF, "Held-out users", "| popularity |", "- popularity: days", "n_layers: 1", "window_days: 28"]
    {
        assert!(card.contains(part), "{part} is missing from the card");
    }
    let names = |table: &Table| table.rows.iter().map(|row| row.scorer.clone()).collect::<Vec<_>>();
    let published = names(&report.evaluation.all_users);
    assert_eq!((published.len(), published[0].as_str(), published[1].as_str()), (8, "model", "popularity"));

    // The same again is there already.
    let again = train(&config, &shop.store(), false, &CancellationToken::new(), &no_observer).unwrap();
    assert!(matches!(again, Outcome::AlreadyTrained(there) if there.tower_pair_id == report.tower_pair_id));

    // The checkpoint alone gives the same figures, the other baselines beside them, and the lists they come from.
    let store = shop.store();
    assert_eq!(full_report(&store, &report).unwrap(), None);
    let stopped = evaluate(&config, &store, &report.model_id, &|| true).unwrap();
    assert_eq!((stopped, full_report(&store, &report).unwrap()), (None, None), "nothing of it is kept");
    let measured = evaluate(&config, &store, &report.model_id, &|| false).unwrap().unwrap();
    assert_eq!(measured.evaluation.all_users.rows[..8], report.evaluation.all_users.rows);
    assert_eq!(names(&measured.evaluation.all_users).last().unwrap(), "PinnerSage, 20 clusters, oracle");
    assert_eq!(measured.evaluation.choices.made[0], report.evaluation.choices.made[0]);
    assert_eq!((&measured.training, &measured.checkpoint), (&saved.training, &report.checkpoint));
    let kept = full_report(&store, &report).unwrap().unwrap();
    assert_eq!(names(&kept.evaluation.all_users), names(&measured.evaluation.all_users));
    let beside = format!("bucket/evaluations/{}/{CUT_OFF}-14d", report.model_id);
    let card = fs::read_to_string(shop.path(&beside).join("card.md")).unwrap();
    assert!(card.contains("| EASE |") && card.contains("- EASE: λ"), "{card}");
    // Another one does not overwrite it.
    let bytes = || fs::read(shop.path(&beside).join("metrics.json")).unwrap();
    let before = bytes();
    let mut raw = shop.raw();
    raw.evaluation.bootstrap = 7;
    let other = evaluate(&Config::try_from(raw).unwrap(), &store, &report.model_id, &|| false).unwrap();
    assert!(other.unwrap().evaluation != measured.evaluation && bytes() == before);
    let out = shop.path("top.parquet");
    let rows =
        write_top_items(&shop.config(), &shop.store(), &folder.display().to_string(), 5, &out).unwrap();
    check_top(&out, rows);
}

#[test]
fn a_model_learns_under_every_objective() {
    let shop = Shop::new();
    let sasrec = |loss: &str, newest: &str| {
        Objective::named("sasrec").with("loss", loss).with("newest_weight", newest)
    };
    let terms = json!([
        {"weight": 1, "objective": {"name": "all_action", "window_days": 28}},
        {"weight": 1, "objective": {"name": "next_action"}},
    ]);
    for objective in [
        Objective::named("next_action"),
        Objective::named("all_action").with("window_days", 28),
        sasrec("sampled_softmax", "alike"),
        sasrec("binary_cross_entropy", "half"),
        Objective::named("sum").with("terms", terms),
        Objective::named("dense_all_action").with("window_days", 28).with("tasks", json!(["purchase"])),
    ] {
        let mut raw = shop.raw();
        raw.run.steps = 100;
        raw.objective = objective.clone();
        let recall = trained(&Config::try_from(raw).unwrap()).recall_by_scorer.seen_allowed;
        assert!(recall["model"] > 1.5 * recall["popularity"], "{objective:?}: {recall:?}");
    }
}

#[test]
fn leave_one_out_trains_on_every_user_and_tests_the_last_positive() {
    let shop = Shop::new();
    let mut raw = shop.raw();
    raw.run.steps = 60;
    raw.split.protocol = SplitProtocol::LeaveOneOut;
    let report = trained(&Config::try_from(raw.clone()).unwrap());
    let row = &report.evaluation.all_users.rows[0];
    assert_eq!((row.n_users, row.seen_allowed.n_pairs), (60, 60), "one pair a user");
    assert!(report.leave_one_out && report.evaluation.held_out.is_none());
    assert_eq!(report.training.as_ref().unwrap().users, 60);
    assert_eq!(row.seen_allowed.recall.micro.value, row.seen_allowed.recall.macro_.value);
    assert!(
        row.seen_allowed.ndcg.value > 0.0
            && row.seen_allowed.ndcg.value < row.seen_allowed.recall.micro.value
    );
    let card = fs::read_to_string(folder_of(&report.checkpoint).join("card.md")).unwrap();
    assert!(card.contains("the last positive of each") && !card.contains("A fifth"), "{card}");
    let config = Config::try_from(raw).unwrap();
    let refused = freshness(&config, &shop.store(), &report.model_id, (1, 3)).unwrap_err();
    assert_eq!(dayvec_runtime::exit::code(&refused), 64, "{refused:#}");
}

#[test]
fn freshness_of_a_checkpoint_is_measured_on_the_labels_of_its_evaluation() {
    let shop = Shop::new();
    let mut raw = shop.raw();
    raw.run.steps = 100;
    let report = trained(&Config::try_from(raw).unwrap());
    let fresh = freshness(&shop.config(), &shop.store(), &report.model_id, (1, 3)).unwrap();
    assert_eq!(
        (fresh.n_labels, fresh.n_outside, fresh.n_too_young),
        (report.evaluation.all_users.rows[0].seen_allowed.n_pairs, 0, 0)
    );
    assert_eq!((fresh.cut_off, fresh.delay_days), (report.cut_off, 1));
    let [model, ..] = &fresh.rows[..] else { panic!("no rows") };
    // Computed once, at the cut-off, is what an evaluation does.
    let once = report.recall_by_scorer.seen_allowed["model"];
    assert!((model.once.value - once).abs() < 1e-12, "{} is not {once}", model.once.value);
    assert_eq!((model.by_user_age_days.len(), model.by_item_age_days.is_none()), (4, true));
    assert!(fresh.rows.iter().any(|row| row.by_item_age_days.is_some()), "no baseline has ageing items");
    let text = fresh.to_string();
    for part in ["Recall@10 by freshness", "realtime → daily", "own items by decayed count"] {
        assert!(text.contains(part), "{part} is missing from\n{text}");
    }
    let path = shop.path("work/evaluations").join(format!("{}-{CUT_OFF}-freshness.json", report.model_id));
    let saved: FreshnessReport = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    assert_eq!(saved.rows.len(), fresh.rows.len());
    let absent = freshness(&shop.config(), &shop.store(), "nothing", (1, 3)).unwrap_err();
    assert!(absent.is::<dayvec_experiment::NoSuchCheckpoint>(), "{absent:#}");
}

fn check_top(path: &std::path::Path, n_rows: usize) {
    let reader =
        ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap().build().unwrap();
    let mut seen = 0;
    for batch in reader {
        let batch = batch.unwrap();
        let users = batch.column_by_name("user_id").unwrap().as_string::<i32>();
        let ranks = batch.column_by_name("rank").unwrap().as_primitive::<UInt32Type>();
        let items = batch.column_by_name("item_id").unwrap().as_string::<i32>();
        let scores = batch.column_by_name("score").unwrap().as_primitive::<Float32Type>();
        for row in 0..batch.num_rows() {
            assert_eq!(ranks.value(row) as usize, row % 5 + 1);
            assert!(users.value(row).starts_with('u') && items.value(row).starts_with('i'));
            assert!(ranks.value(row) == 1 || scores.value(row) <= scores.value(row - 1));
        }
        seen += batch.num_rows();
    }
    assert_eq!((seen, seen % 5), (n_rows, 0));
    assert!(seen > 100, "{seen}");
}

#[test]
fn tensorboard_reads_the_losses() {
    let shop = Shop::new();
    let report = trained(&shop.config());
    let board = shop.path("work/runs").join(&report.model_id).join("tensorboard");
    let file = fs::read_dir(&board).unwrap().next().unwrap().unwrap().path();
    let events = read_tensorboard(&file).unwrap();
    let losses: Vec<(i64, f32)> = events
        .iter()
        .flat_map(|event| {
            event.summary.iter().flat_map(|summary| &summary.value).map(|value| (event.step, value))
        })
        .filter(|(_, value)| value.tag == "train/loss")
        .map(|(step, value)| (step, value.simple_value))
        .collect();
    assert_eq!(losses.iter().map(|(step, _)| *step).collect::<Vec<_>>(), [10, 20]);

    let python = std::env::var("DAYVEC_TEST_PYTHON")
        .expect("DAYVEC_TEST_PYTHON names a Python with TensorBoard; scripts/test.sh sets it up");
    let script = "import sys\n\
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator\n\
        board = EventAccumulator(sys.argv[1]); board.Reload()\n\
        print([(e.step, e.value) for e in board.Scalars('train/loss')])";
    let run = std::process::Command::new(python).args(["-c", script]).arg(&board).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let printed = String::from_utf8(run.stdout).unwrap();
    let expected: Vec<String> =
        losses.iter().map(|(step, loss)| format!("({step}, {})", f64::from(*loss))).collect();
    assert_eq!(printed.trim(), format!("[{}]", expected.join(", ")));
}

#[test]
fn later_events_change_no_weight() {
    check_later_events(Method::Spectral {});
}

#[test]
fn later_events_change_no_trained_item_feature() {
    let small = PinSageOptions { steps: 10, batch: 16, n_negatives: 8, ..PinSageOptions::default() };
    check_later_events(Method::PinSage(small));
}

fn check_later_events(method: Method) {
    let shop = Shop::new();
    let mut raw = shop.raw();
    raw.items.build.as_mut().unwrap().features.method = method.clone();
    let report = trained(&Config::try_from(raw).unwrap());
    // Another future: what is bought from the cut-off on is thrown away but for one event that keeps the last day.
    let cut_off_s = report.cut_off.start_s();
    let time = |line: &str| line.rsplit(',').next().and_then(|time| time.parse::<i64>().ok()).unwrap_or(0);
    let log = crate::shop::log();
    let mut lines: Vec<&str> = log.lines().filter(|line| time(line) < cut_off_s).collect();
    lines
        .extend(log.lines().filter(|line| time(line) >= cut_off_s && line.contains(",purchase,")).step_by(3));
    let other = Shop::new();
    other.write_log(&lines.join("\n"));
    let mut raw = other.raw();
    raw.split.cut_off = Some(report.cut_off);
    raw.items.build.as_mut().unwrap().features.method = method;
    let config = Config::try_from(raw).unwrap();
    let same = trained(&config);
    assert_eq!(same.items_version, report.items_version);
    assert_eq!((&same.model_id, &same.tower_pair_id), (&report.model_id, &report.tower_pair_id));
    assert!(same.evaluation != report.evaluation, "the other future is told apart");
}

#[test]
fn a_log_that_has_grown_names_the_same_training() {
    let shop = Shop::new();
    let mut raw = shop.raw();
    raw.split.cut_off = Some(CUT_OFF.parse().unwrap());
    let config = Config::try_from(raw).unwrap();
    let first = trained(&config);
    let later = CUT_OFF.parse::<dayvec_core::Day>().unwrap().plus(5).start_s();
    shop.write_log(&format!(
        "{}newcomer,novelty,purchase,{later}\nu1,novelty,view,{later}\n",
        crate::shop::log()
    ));
    let again = train(&config, &shop.store(), false, &CancellationToken::new(), &no_observer).unwrap();
    assert!(
        matches!(&again, Outcome::AlreadyTrained(there) if there.model_id == first.model_id),
        "{again:?}"
    );
}
