//! An experiment as a page: its records, and what is cheap to measure for people to look at.
//!
//! Nothing is trained, and no slow baseline is measured: what has no record yet is named with the command that makes it.

mod catalogue;
mod examples;
mod groups;
mod map;
mod records;
mod request;

use dayvec_evaluation::Truth;
use dayvec_registry::checkpoint::CONFIG;
use dayvec_report::{ExperimentPage, Made};
use serde::Deserialize;

use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::evaluate::{model_scorer, truth};
use crate::store::Store;
use records::Records;

pub use request::PageRequest;

/// The page of a checkpoint, from its records in the bucket and in the work folder.
///
/// # Errors
/// With their kind of fault: configuration when there is no such checkpoint, data when a record is damaged.
pub fn experiment_page(
    config: &Config,
    store: &Store,
    request: &PageRequest,
) -> anyhow::Result<ExperimentPage> {
    let loaded = Checkpoint::load(config, store, &request.checkpoint)?;
    let records = Records { config, store, request, loaded: &loaded };
    let (report, baselines_missing) = records.report()?;
    let truth: Truth = truth(&loaded.data)?;
    let scorer = model_scorer(&loaded.model, &loaded.data, &truth.users)?;
    let (ablations, unfinished) = records.ablations()?;
    let (curves, curves_note) = records.curves(&report);
    let made = Made {
        command: request.command.clone(),
        checkpoint: report.checkpoint.clone(),
        log: config.events.to_string(),
        log_hash: loaded.log_hash.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        commit: request.commit.clone(),
        seed: seed(&loaded),
        date: request.date.clone(),
    };
    Ok(ExperimentPage {
        made,
        baselines_missing,
        curves,
        curves_note,
        groups: groups::recall(config, &loaded, &truth, &scorer)?,
        freshness: records.freshness()?,
        ablations,
        unfinished,
        map: map::map(&loaded, &truth)?,
        users: examples::users(&loaded, &truth, &scorer)?,
        report,
    })
}

/// The seed of a training, from the configuration that is saved beside the weights.
fn seed(loaded: &Checkpoint) -> Option<u64> {
    #[derive(Deserialize)]
    struct Saved {
        run: Run,
    }
    #[derive(Deserialize)]
    struct Run {
        seed: u64,
    }
    let text = std::fs::read_to_string(loaded.folder.join(CONFIG)).ok()?;
    serde_yaml::from_str::<Saved>(&text).ok().map(|saved| saved.run.seed)
}
