//! The program itself: exit codes, signals, output.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use dayvec_experiment::RawConfig;

use crate::shop::{Shop, trained};

fn trainer() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trainer"));
    command.env("RUST_LOG", "info").env("OMP_NUM_THREADS", "1");
    command
}

/// `raw` as a file for the program.
fn write_config(shop: &Shop, raw: &RawConfig) -> std::path::PathBuf {
    let path = shop.path("trainer.yaml");
    std::fs::write(&path, dayvec_runtime::config::to_yaml(raw)).unwrap();
    path
}

fn run(command: &mut Command) -> (Option<i32>, String, String) {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn all_faults_of_a_configuration_are_reported_at_once() {
    let shop = Shop::new();
    let path = shop.path("faulty.yaml");
    std::fs::write(
        &path,
        "run: {steps: 0}\nmodel: {preset: huge}\noptimiser: {}\nsplit: {test_days: many}\nservice: {poll: 0s}\n",
    )
    .unwrap();
    let (code, _, errors) = run(trainer().args(["train", "--check-config", "--config"]).arg(&path));
    assert_eq!(code, Some(64), "{errors}");
    for fault in ["run.steps", "model.preset", "optimiser", "split.test_days", "service.poll"] {
        assert!(errors.contains(fault), "{fault} is missing from {errors}");
    }
}

#[test]
fn the_shipped_configuration_is_sound_and_the_environment_goes_over_it() {
    let (code, printed, errors) =
        run(trainer().args(["train", "--check-config"]).env("DAYVEC__RUN__STEPS", "7"));
    assert_eq!(code, Some(0), "{errors}");
    assert!(printed.contains("steps: 7"), "{printed}");
}

#[test]
fn wrong_arguments_exit_with_64_and_help_with_0() {
    assert_eq!(run(trainer().args(["train", "--confg"])).0, Some(64));
    assert_eq!(
        run(trainer().args(["evaluate", "--checkpoint", "x", "--top", "5"])).0,
        Some(64),
        "--out is missing"
    );
    assert_eq!(run(trainer().arg("evaluate")).0, Some(64), "neither --checkpoint nor --predictions");
    let both = ["evaluate", "--checkpoint", "x", "--top", "5", "--out", "x", "--predictions", "x"];
    assert_eq!(run(trainer().args(both)).0, Some(64), "--top and --predictions");
    let (code, printed, _) = run(trainer().arg("--help"));
    assert_eq!(code, Some(0));
    assert!(printed.contains("evaluate"));
}

#[test]
fn another_program_gets_the_split_and_its_predictions_are_scored() {
    let shop = Shop::new();
    let config = write_config(&shop, &shop.raw());
    let split = shop.path("split");
    let (code, printed, errors) =
        run(trainer().args(["split", "--config"]).arg(&config).arg("--out").arg(&split));
    assert_eq!(code, Some(0), "{errors}");
    assert!(printed.contains("of 60 users, 60 of them tested, 40 items"), "{printed}");
    assert!(
        ["history", "users", "catalogue"].iter().all(|name| split.join(format!("{name}.parquet")).is_file())
    );

    let (lists, table) = (shop.path("everyone.csv"), shop.path("table.json"));
    let rows: String = (0..60).map(|user| format!("u{user},i{},1\n", user % 4)).collect();
    std::fs::write(&lists, format!("user_id,item_id,rank\n{rows}")).unwrap();
    let mut evaluate = trainer();
    evaluate.args(["evaluate", "--config"]).arg(&config).arg("--predictions").arg(&lists);
    let (code, printed, errors) = run(evaluate.arg("--out").arg(&table));
    assert_eq!(code, Some(0), "{errors}");
    for part in ["everyone ", "everyone: lists of 60 of 60 test users", "too short for recall@10"] {
        assert!(printed.contains(part), "{part} is missing from {printed}");
    }
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(&table).unwrap()).unwrap();
    let recall = &report["all_users"]["rows"][0]["seen_allowed"]["recall"]["micro"]["value"];
    assert!(recall.as_f64().is_some_and(|recall| recall > 0.0), "{report}");

    std::fs::write(&lists, "user_id,item_id,rank\nu1,i1,1\nu1,i2,1\n").unwrap();
    let (code, _, errors) = run(&mut evaluate);
    assert_eq!(code, Some(65), "{errors}");
    assert!(errors.contains("rank 1 is there twice"), "{errors}");
}

#[test]
fn a_termination_signal_saves_and_exits_with_0() {
    let shop = Shop::new();
    let mut raw = shop.raw();
    raw.run.steps = 1_000_000;
    let config = write_config(&shop, &raw);
    let mut child = trainer()
        .args(["train", "--config"])
        .arg(&config)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Training has begun once its first progress line is there.
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains("\"from_step\":0")), "training never began");
    let killed = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let rest: Vec<String> = lines.collect();
    let status = child.wait().unwrap();
    let mut printed = String::new();
    child.stdout.take().unwrap().read_to_string(&mut printed).unwrap();
    assert_eq!(status.code(), Some(0), "{rest:#?}");
    assert!(printed.starts_with("stopped at step "), "{printed}");
    let run = std::fs::read_dir(shop.path("work/runs")).unwrap().next().unwrap().unwrap().path();
    let folders =
        std::fs::read_dir(run).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(folders.into_iter().any(|name| name.starts_with("step-")));
}

#[test]
fn an_unreachable_bucket_is_reported_before_training() {
    let shop = Shop::new();
    let config = write_config(&shop, &shop.raw());
    let mut command = trainer();
    command.args(["train", "--config"]).arg(&config);
    // Nothing listens on port 1.
    command.env("DAYVEC__BUCKET", "s3://dayvec/test").env("AWS_ENDPOINT_URL", "http://127.0.0.1:1");
    command.env("AWS_ALLOW_HTTP", "true").env("AWS_ACCESS_KEY_ID", "a").env("AWS_SECRET_ACCESS_KEY", "b");
    let (code, _, errors) = run(command.env("AWS_REGION", "eu-west-1"));
    assert_eq!(code, Some(69), "{errors}");
    assert!(errors.contains("s3://dayvec/test"), "{errors}");
    assert!(!shop.path("work/runs").exists());
}

#[test]
fn a_report_is_one_file_that_says_how_it_was_made() {
    let shop = Shop::new();
    let model = trained(&shop.config()).model_id;
    let config = write_config(&shop, &shop.raw());
    let (out, pictures) = (shop.path("pages/report.html"), shop.path("pages/pictures"));
    let mut command = trainer();
    command.args(["report", "--checkpoint", &model, "--config"]).arg(&config);
    let (code, printed, errors) = run(command.arg("--out").arg(&out).arg("--pictures").arg(&pictures));
    assert_eq!(code, Some(0), "{errors}");
    assert!(printed.starts_with(&format!("{}\n", out.display())), "{printed}");
    let html = std::fs::read_to_string(&out).unwrap();
    let made = format!("trainer report --checkpoint {model} --config {}", config.display());
    for part in [made.as_str(), "commit <code>", "trained with seed 1", "freshness --config"] {
        assert!(html.contains(part), "{part} is missing");
    }
    assert!(!html.contains("commit <code></code>"), "the commit is empty");
    let written = std::fs::read_dir(pictures).unwrap().count();
    assert_eq!(printed.lines().count(), 1 + written, "{printed}");
    // Without --out it goes to the work folder.
    let mut command = trainer();
    let (code, printed, errors) =
        run(command.args(["report", "--checkpoint", &model, "--config"]).arg(&config));
    assert_eq!(code, Some(0), "{errors}");
    let path = std::path::Path::new(printed.trim());
    assert!(path.starts_with(shop.path("work/reports")) && path.is_file(), "{printed}");
}
