//! Programs that are killed: readers see nothing of it, and the next run goes on.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use dayvec_inference::Outcome;

use crate::world::{Store, World, day, trained};

/// Enough buckets for a run to be caught among them.
const N_BUCKETS: u32 = 96;
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
    let done = format!("snapshots/{}", day(1));
    let n_done = || killed.keys(&done).iter().filter(|key| key.contains("/done/")).count();
    for n_at_least in [0, 1, N_BUCKETS as usize / 3, N_BUCKETS as usize * 2 / 3] {
        let mut command = killed.program("inference");
        command.args(["run", "--config", "inference.yaml", "--day", &day(1).to_string()]);
        assert!(
            kill_when(command, || n_done() >= n_at_least),
            "the run was over before {n_at_least} buckets were seen"
        );
        assert!(n_done() < N_BUCKETS as usize, "the kill came too late to show anything");
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
        let mut command = world.program("trainer");
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
    assert_eq!(
        weights(&world),
        weights(&trained()),
        "resumed training ends with the very weights of one that was not"
    );
}
