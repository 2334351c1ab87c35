//! The folder of one training in the work folder: its resumable checkpoints.
//!
//! ```text
//! <work_dir>/runs/<model_id>/
//!   lock                     held by the trainer that uses the folder
//!   step-0000001000/         model.safetensors, optimizer.safetensors, spec.yaml, config.yaml, state.json
//!   tensorboard/             event files
//! ```
//!
//! A step's folder is written under a name that begins with a dot, synced to disk, and renamed: a folder named
//! `step-…` is whole whatever killed the process. The newest two are kept, in case one is damaged.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use dayvec_core::{Day, FaultKind};
use dayvec_registry::checkpoint::{OPTIMIZER, WEIGHTS};
use dayvec_runtime::fault::WithFault as _;
use serde::{Deserialize, Serialize};

const KEPT: usize = 2;
/// The file of [`ResumeState`].
pub(crate) const STATE: &str = "state.json";
const PREFIX: &str = "step-";

/// What a resumed training needs beside weights and optimizer; `state.json`. The data order, the schedule and every
/// random draw follow from the step alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResumeState {
    /// Name of the model that is trained.
    pub model_id: String,
    /// Steps done.
    pub step: u64,
    /// First day that the training does not see.
    pub cut_off: Day,
    /// Seconds of training so far, pauses left out.
    pub elapsed_s: f64,
    /// Running mean of the loss after some of the steps so far: (step, loss).
    pub curve: Vec<(u64, f64)>,
}

impl ResumeState {
    /// The state before the first step.
    pub(crate) fn first(model_id: &str, cut_off: Day) -> Self {
        Self { model_id: model_id.to_owned(), step: 0, cut_off, elapsed_s: 0.0, curve: Vec::new() }
    }
}

/// A whole checkpoint at some step.
#[derive(Debug, Clone, PartialEq)]
pub struct StepCheckpoint {
    /// Its folder.
    pub path: PathBuf,
    /// Steps done.
    pub step: u64,
}

impl StepCheckpoint {
    /// Its weights.
    #[must_use]
    pub fn model(&self) -> PathBuf {
        self.path.join(WEIGHTS)
    }

    /// Its optimizer and sampler state.
    #[must_use]
    pub fn optimizer(&self) -> PathBuf {
        self.path.join(OPTIMIZER)
    }

    /// Its `state.json`.
    ///
    /// # Errors
    /// When `state.json` is missing or damaged.
    pub fn state(&self) -> anyhow::Result<ResumeState> {
        let path = self.path.join(STATE);
        let read = || -> anyhow::Result<ResumeState> { Ok(serde_json::from_slice(&fs::read(&path)?)?) };
        read().with_context(|| format!("read {}", path.display())).fault(FaultKind::Data)
    }
}

/// The folder of a training, locked.
#[derive(Debug)]
pub struct TrainingFolder {
    root: PathBuf,
    _lock: File,
}

impl TrainingFolder {
    /// Open the folder of a model's training, and remove what a kill left half written.
    ///
    /// # Errors
    /// When it cannot be made, or another trainer holds it.
    pub fn open(work_dir: &Path, model_id: &str) -> anyhow::Result<Self> {
        let root = work_dir.join("runs").join(model_id);
        fs::create_dir_all(&root).with_context(|| format!("make {}", root.display()))?;
        let path = root.join("lock");
        let lock = File::create(&path).with_context(|| format!("make {}", path.display()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let held =
                    anyhow!("another trainer is training {model_id}: it holds the lock {}", path.display());
                return Err(held).fault(FaultKind::LostRace);
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("lock {}", path.display()));
            }
        }
        for entry in fs::read_dir(&root).with_context(|| format!("list {}", root.display()))? {
            let path = entry?.path();
            if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".step-")) {
                fs::remove_dir_all(&path).with_context(|| format!("remove {}", path.display()))?;
            }
        }
        Ok(Self { root, _lock: lock })
    }

    /// The folder itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// The whole checkpoints, oldest first.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn saved(&self) -> anyhow::Result<Vec<StepCheckpoint>> {
        let mut saved = Vec::new();
        for entry in fs::read_dir(&self.root).with_context(|| format!("list {}", self.root.display()))? {
            let entry = entry?;
            let step = entry.file_name().to_str().and_then(|name| name.strip_prefix(PREFIX)?.parse().ok());
            saved.extend(step.map(|step| StepCheckpoint { path: entry.path(), step }));
        }
        saved.sort_by_key(|saved| saved.step);
        Ok(saved)
    }

    /// Write a checkpoint: `write` puts its files into the folder that it is given.
    ///
    /// # Errors
    /// When that fails; older checkpoints are untouched. The error for a full disk names the size needed.
    pub fn save(
        &self,
        state: &ResumeState,
        write: impl FnOnce(&Path) -> anyhow::Result<()>,
    ) -> anyhow::Result<StepCheckpoint> {
        let name = format!("{PREFIX}{:010}", state.step);
        let path = self.root.join(&name);
        let saved = StepCheckpoint { path: path.clone(), step: state.step };
        if path.exists() {
            return Ok(saved);
        }
        let half = self.root.join(format!(".{name}"));
        let written = self.write_and_rename(&half, &path, state, write);
        if let Err(error) = written {
            let advice = self.advice(&error, &half);
            let _already_failing = fs::remove_dir_all(&half);
            return Err(error.context(advice));
        }
        self.prune()?;
        Ok(saved)
    }

    fn write_and_rename(
        &self,
        half: &Path,
        whole: &Path,
        state: &ResumeState,
        write: impl FnOnce(&Path) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        fs::create_dir_all(half)?;
        write(half)?;
        fs::write(half.join(STATE), serde_json::to_vec_pretty(state)?)?;
        for entry in fs::read_dir(half)? {
            File::open(entry?.path())?.sync_all()?;
        }
        File::open(half)?.sync_all()?;
        fs::rename(half, whole)?;
        File::open(&self.root)?.sync_all()?;
        Ok(())
    }

    /// The context of a failed write: what went wrong and what to do.
    fn advice(&self, error: &anyhow::Error, half: &Path) -> String {
        let newest = self.saved().ok().and_then(|saved| saved.last().cloned());
        let kept = newest.as_ref().map_or_else(
            || "there is no earlier checkpoint".to_owned(),
            |saved| format!("the last whole checkpoint is {}", saved.path.display()),
        );
        if !is_disk_full(error) {
            return format!("write checkpoint {}; {kept}", half.display());
        }
        let written = size_bytes(half);
        let needed = newest.map_or(written, |saved| size_bytes(&saved.path)).max(written);
        format!(
            "no space left on the disk of {} after {written} bytes of a checkpoint of at least {needed} bytes; {kept}: \
             free that much, or move work_dir to a larger disk, and start again with --resume",
            self.root.display()
        )
    }

    fn prune(&self) -> anyhow::Result<()> {
        let saved = self.saved()?;
        for old in &saved[..saved.len().saturating_sub(KEPT)] {
            // Renamed first, so that a kill half-way through leaves no folder that looks whole.
            let half = self.root.join(format!(".{PREFIX}{:010}", old.step));
            fs::rename(&old.path, &half)
                .and_then(|()| fs::remove_dir_all(&half))
                .with_context(|| format!("remove {}", old.path.display()))?;
        }
        Ok(())
    }
}

fn is_disk_full(error: &anyhow::Error) -> bool {
    let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| full.contains(&cause.kind()))
}

/// Total size of the files of a folder, as far as they can be read.
fn size_bytes(folder: &Path) -> u64 {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).sum()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn state(step: u64) -> ResumeState {
        ResumeState {
            model_id: "tiny-0".into(),
            step,
            cut_off: Day::of_timestamp(0),
            elapsed_s: 1.5,
            curve: vec![(step, 4.5)],
        }
    }

    fn write_one(folder: &Path) -> anyhow::Result<()> {
        Ok(fs::write(folder.join(WEIGHTS), [7; 1000])?)
    }

    #[test]
    fn the_newest_two_stay() {
        let work = tempfile::tempdir().unwrap();
        let run = TrainingFolder::open(work.path(), "tiny-0").unwrap();
        for step in [10, 20, 30] {
            run.save(&state(step), write_one).unwrap();
        }
        let saved = run.saved().unwrap();
        assert_eq!(saved.iter().map(|saved| saved.step).collect::<Vec<_>>(), [20, 30]);
        assert_eq!(saved[1].state().unwrap(), state(30));
        assert_eq!(run.save(&state(30), |_| anyhow::bail!("not written twice")).unwrap(), saved[1]);
    }

    #[test]
    fn a_full_disk_leaves_the_last_whole_checkpoint_and_says_what_to_do() {
        let work = tempfile::tempdir().unwrap();
        let run = TrainingFolder::open(work.path(), "tiny-0").unwrap();
        let whole = run.save(&state(10), write_one).unwrap();
        let error = run.save(&state(20), |folder| {
            fs::write(folder.join(WEIGHTS), [7; 600])?;
            // What the kernel itself answers on a full disk.
            Ok(File::options().write(true).open("/dev/full")?.write_all(&[0; 10])?)
        });
        let message = format!("{:#}", error.unwrap_err());
        let parts = [
            "no space left",
            "600 bytes",
            "step-0000000010",
            "--resume",
            "work_dir",
            &work.path().display().to_string(),
        ];
        for part in parts {
            assert!(message.contains(part), "{part} is missing from {message}");
        }
        assert_eq!(run.saved().unwrap(), [whole]);
        assert!(
            fs::read_dir(run.path()).unwrap().all(|entry| !entry
                .unwrap()
                .file_name()
                .to_string_lossy()
                .starts_with('.'))
        );
    }

    #[test]
    fn a_kill_half_way_is_cleared_and_a_second_trainer_is_refused() {
        let work = tempfile::tempdir().unwrap();
        let half = work.path().join("runs/tiny-0/.step-0000000010");
        fs::create_dir_all(&half).unwrap();
        let run = TrainingFolder::open(work.path(), "tiny-0").unwrap();
        assert!(!half.exists());
        assert!(run.saved().unwrap().is_empty());
        let refused = TrainingFolder::open(work.path(), "tiny-0").unwrap_err();
        assert_eq!(dayvec_runtime::exit::code(&refused), 75);
    }
}
