//! The commands that train many models: `trainer ablate` and `trainer tune`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use dayvec_experiment::{Ablation, Config, Matrix, Space, Store, Trials, ablate, tune};
use dayvec_runtime::exit;
use dayvec_runtime::program::signals;
use tokio::runtime::Handle;

/// Run every matrix, and print its table.
pub(crate) fn ablate_all(config: &Config, paths: &[PathBuf], seeds: &[u64]) -> anyhow::Result<()> {
    let mut matrices = paths.iter().map(|path| Matrix::read(path)).collect::<anyhow::Result<Vec<_>>>()?;
    for matrix in &mut matrices {
        if !seeds.is_empty() {
            matrix.seeds = seeds.to_vec();
        }
        matrix.check(config)?;
    }
    let (runtime, shutdown) = signals()?;
    let trials = open(config, runtime.handle(), 0)?;
    for matrix in &matrices {
        match ablate(matrix, &trials, &shutdown)? {
            Ablation::Done { table, path } => exit::print(&format!("{table}\n{}\n", path.display()))?,
            Ablation::Stopped { done, of } => {
                let name = &matrix.name;
                exit::print(&format!(
                    "{name}: stopped, {done} of {of} trials are done; the same command goes on\n"
                ))?;
                break;
            }
        }
    }
    Ok(())
}

/// Search a space, and print what was tried.
pub(crate) fn search(config: &Config, path: &Path, budget: Duration) -> anyhow::Result<()> {
    let space = Space::read(path)?;
    space.check(config)?;
    let (runtime, shutdown) = signals()?;
    let trials = open(config, runtime.handle(), 1)?;
    let text = match tune(&space, &trials, budget, &shutdown)? {
        None => "stopped before the first trial was done; the same command goes on\n".to_owned(),
        Some(tuned) => format!(
            "{}\nbest {:.4}, as configured {:.4}{}: {}\n",
            tuned.table,
            tuned.recall,
            tuned.recall_before,
            if tuned.complete { "" } else { " (not all was tried; the same command goes on)" },
            tuned.path.display()
        ),
    };
    Ok(exit::print(&text)?)
}

/// Trials on the test days of a configuration, or so many windows of test days earlier.
fn open(config: &Config, runtime: &Handle, windows_earlier: u32) -> anyhow::Result<Trials> {
    let config = Trials::config(config)?;
    let store = Store::open(&config, runtime)?;
    Trials::new(config, store, windows_earlier)
}
