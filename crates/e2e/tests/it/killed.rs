//! Programs that are killed: readers see nothing of it, and the next run goes on.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use dayvec_inference::Outcome;

use crate::world::{Store, World, day, trained};

/// Enough buckets for a run to be caught while it writes them.
const N_BUCKETS: u32 = 160;
const SIGKILL: i32 = 9;
/// How long a program may take to come to where it is killed.
const PATIENCE: Duration = Duration::from_secs(120);

/// Start a program, and kill it as soon as `reached`; false when it ended before.
fn kill_when(mut command: Command, mut reached: impl FnMut() -> bool) -> bool {
    let mut child: Child = command.stdout(Stdio::null()).spawn().unwrap();
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{command:?}: {status}");
            return false;
        }
        if reached() {
            child.kill().unwrap();
            return child.wait().unwrap().signal() == Some(SIGKILL);
        }
        assert!(began.elapsed() < PATIENCE, "{command:?} does not come to where it is to be killed");
        std::thread::yield_now();
    }
}

#[test]
fn a_killed_daily_run_resumes_on_local_disk() {
    a_killed_daily_run_resumes(Store::Disk);
}

#[test]
fn a_killed_daily_run_resumes_on_s3() {
    a_killed_daily_run_resumes(Store::S3);
}

fn a_killed_daily_run_resumes(store: Store) {
    let whole = World::with_model(Store::Disk, N_BUCKETS);
    let killed = World::with_model(store, N_BUCKETS);
    for world in [&whole, &killed] {
        world.run_day(day(0));
    }
    whole.run_day(day(1));
    let served = killed.announced().unwrap();
    let done = format!("snapshots/{}/done", whole.announced().unwrap().snapshot_id);
    let n_done = || killed.keys(&done).len();
    for last_seen in [None, Some(0), Some(N_BUCKETS / 4)] {
        let mut command = killed.program(env!("CARGO_BIN_EXE_e2e-inference"));
        command.args(["run", "--config", "inference.yaml", "--day", &day(1).to_string()]);
        let reached = || last_seen.is_none_or(|bucket| killed.exists(&format!("{done}/{bucket:04}.json")));
        assert!(kill_when(command, reached), "the run was over before bucket {last_seen:?} was seen");
        let n_done = n_done();
        assert!(
            n_done < N_BUCKETS as usize,
            "the kill after bucket {last_seen:?} came too late to show anything"
        );
        assert_eq!(killed.announced().unwrap(), served, "readers see what they saw");
    }
    let n_kept = n_done();
    let report = killed.run_day(day(1));
    assert_eq!(report.outcome, Outcome::Announced);
    assert_eq!(report.resumed_buckets as usize, n_kept);
    let (ours, theirs) = (killed.announced().unwrap(), whole.announced().unwrap());
    assert_eq!(ours.snapshot_id, theirs.snapshot_id);
    assert_eq!(killed.rows(&ours), whole.rows(&theirs));
}

#[test]
fn a_killed_training_resumes_on_local_disk() {
    a_killed_training_resumes(Store::Disk);
}

#[test]
fn a_killed_training_resumes_on_s3() {
    a_killed_training_resumes(Store::S3);
}

fn a_killed_training_resumes(store: Store) {
    let world = World::new(store, 1);
    let runs = world.path("work/trainer/runs");
    let has_checkpoint = || {
        let runs = std::fs::read_dir(&runs).into_iter().flatten();
        let saved = runs.flat_map(|run| std::fs::read_dir(run.unwrap().path()).into_iter().flatten());
        saved.into_iter().any(|saved| saved.unwrap().file_name().to_string_lossy().starts_with("step-"))
    };
    let train = |arguments: &[&str]| {
        let mut command = world.program(env!("CARGO_BIN_EXE_e2e-trainer"));
        command.args(["train", "--config", "trainer.yaml"]).args(arguments);
        command
    };
    assert!(kill_when(train(&[]), has_checkpoint), "the training was over before it was killed");
    let checkpoints = || world.keys("checkpoints");
    assert_eq!(checkpoints(), Vec::<String>::new(), "readers see nothing of it");
    let resumed = train(&["--resume"]).stdout(Stdio::null()).status().unwrap();
    assert!(resumed.success(), "{resumed}");
    let weights = |world: &World| {
        let keys = world.keys("checkpoints");
        let key = keys.iter().find(|key| key.ends_with("/model.safetensors")).unwrap();
        (key.clone(), world.runtime.block_on(world.bucket.get(key)).unwrap())
    };
    let (resumed, whole) = (weights(&world), weights(&trained()));
    assert_eq!(resumed.0, whole.0);
    assert!(
        resumed.1 == whole.1,
        "the weights of a resumed training are not those of one that was not killed"
    );
}
