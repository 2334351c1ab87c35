//! Scores what other programs predicted, on the split, users, candidates and metrics of a model.

use std::collections::HashMap;
use std::path::PathBuf;

use anyhow::{Context, anyhow};
use dayvec_core::{FaultKind, IdColumn, IdInterner};
use dayvec_evaluation::{EvalOptions, Interests, Outcomes, Placed, Predicted, Truth, retrieve};
use dayvec_items::{ItemLists, read_lists};
use dayvec_report::{PredictionsFile, PredictionsReport};
use dayvec_runtime::fault::{OrFault as _, WithFault as _};

use crate::checkpoint::Checkpoint;
use crate::config::{Config, SplitProtocol};
use crate::data::{ModelData, SplitLog};
use crate::evaluate::{model_scorer, tables, truth};
use crate::hashes::DataHashes;
use crate::store::Store;

/// Score `files` of predictions (see [`read_lists`]), each a row named as its file is; with a checkpoint, beside that
/// model, on its items and where its training ended.
///
/// # Errors
/// With the exit code that says what the caller can do; a file is refused with what is wrong in it, and when none of its
/// users is tested or none of its items is of the log.
pub fn evaluate_predictions(
    config: &Config,
    store: &Store,
    checkpoint: Option<&str>,
    files: &[PathBuf],
) -> anyhow::Result<PredictionsReport> {
    let read = |path: &PathBuf| read_lists(path).or_fault().context("read the predictions");
    let lists: Vec<ItemLists> = files.iter().map(read).collect::<anyhow::Result<_>>()?;
    let loaded = checkpoint.map(|name| Checkpoint::load(config, store, name)).transpose()?;
    let own;
    let data = match &loaded {
        Some(loaded) => &loaded.data,
        None => {
            let log = SplitLog::read(config, store, config.schema())?;
            log.check_test_days()?;
            own = log.into_data();
            &own
        }
    };
    let truth = truth(data)?;
    let options = EvalOptions {
        interests: loaded.as_ref().and_then(|loaded| Interests::of(&loaded.items)),
        n_resamples: config.raw.evaluation.bootstrap,
        seed: config.raw.run.seed,
    };
    let mut outcomes: Vec<Outcomes> = Vec::new();
    if let Some(loaded) = &loaded {
        let scorer = model_scorer(&loaded.model, data, &truth.users)?;
        outcomes.push(
            retrieve(&scorer, &data.history, &truth, &options).or_fault().context("evaluate the model")?,
        );
    }
    let known = KnownIds::of(data);
    let mut abouts = Vec::with_capacity(files.len());
    for ((path, name), lists) in files.iter().zip(names(files)).zip(&lists) {
        let (scorer, mut about) =
            known.matched(&name, lists, &truth).with_context(|| format!("match {}", path.display()))?;
        let outcome = retrieve(&scorer, &data.history, &truth, &options).or_fault();
        let outcome = outcome.with_context(|| format!("evaluate {name}"))?;
        [about.short_lists, about.short_unseen_lists] = outcome.short_lists();
        about.k = outcome.metrics(&|_| true).seen_allowed.recall.k;
        outcomes.push(outcome);
        abouts.push(about);
    }
    let (all_users, held_out) = tables(data, &truth, &outcomes);
    let hashes = DataHashes::of(&data.history, &data.future, data.split);
    Ok(PredictionsReport {
        cut_off: data.split.cut_off,
        leave_one_out: data.protocol == SplitProtocol::LeaveOneOut,
        data_hash: hashes.data,
        candidates_hash: hashes.candidates,
        all_users,
        held_out,
        files: abouts,
    })
}

/// The rows' names: those of the files without their ends, or whole paths where two would have the same.
fn names(files: &[PathBuf]) -> Vec<String> {
    let stem =
        |path: &PathBuf| path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into());
    let stems: Vec<String> = files.iter().map(stem).collect();
    let mut distinct = stems.clone();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() == stems.len() {
        stems
    } else {
        files.iter().map(|path| path.display().to_string()).collect()
    }
}

/// The ids that lists are matched with.
struct KnownIds<'a> {
    data: &'a ModelData,
    users: IdInterner,
}

impl<'a> KnownIds<'a> {
    fn of(data: &'a ModelData) -> Self {
        Self { data, users: IdInterner::from(data.history.users.clone()) }
    }

    /// Lists as a scorer, and what of them is left out.
    fn matched(
        &self,
        name: &str,
        lists: &ItemLists,
        truth: &Truth,
    ) -> anyhow::Result<(Predicted, PredictionsFile)> {
        let mut about = PredictionsFile {
            name: name.to_owned(),
            test_users: truth.users.len(),
            ..PredictionsFile::default()
        };
        let items = self.candidates(lists, truth, &mut about);
        let mut by_user: HashMap<usize, Vec<Placed>> = HashMap::new();
        for (id, list) in lists.users.ids().iter().zip(&lists.lists) {
            let Some(user) = self.users.find(id).map(|user| user as usize) else {
                about.unknown_users.push(id);
                continue;
            };
            if truth.users.binary_search(&user).is_err() {
                about.untested_users.push(id);
                continue;
            }
            let placed = list.iter().filter_map(|listed| {
                Some(Placed { item: items[listed.item as usize]?, place: listed.place })
            });
            by_user.insert(user, placed.collect());
        }
        for &user in truth.users.iter().filter(|user| !by_user.contains_key(user)) {
            about.without_list.push(self.data.history.users.get(user));
        }
        let of_log = self.data.history.items.ids();
        check_overlap("users", by_user.is_empty(), (&self.data.history.users, lists.users.ids()))?;
        check_overlap("items", items.iter().all(Option::is_none), (of_log, lists.items.ids()))?;
        Ok((Predicted::new(name, truth.eligible.len(), by_user), about))
    }

    /// The item row of each listed item; `None` for one that may not be retrieved.
    fn candidates(&self, lists: &ItemLists, truth: &Truth, about: &mut PredictionsFile) -> Vec<Option<u32>> {
        let (history, future) = (&self.data.history.items, &self.data.future.items);
        let row = |id: &str| match history.find(id) {
            Some(row) if truth.eligible[row as usize] => Some(row),
            found => {
                let is_of_log = found.is_some() || future.find(id).is_some();
                if is_of_log {
                    about.outside_catalogue.push(id)
                } else {
                    about.unknown_items.push(id)
                }
                None
            }
        };
        lists.items.ids().iter().map(row).collect()
    }
}

/// Refuse predictions about other users or items than those of the log.
fn check_overlap(what: &str, is_none: bool, (of_log, of_file): (&IdColumn, &IdColumn)) -> anyhow::Result<()> {
    if !is_none {
        return Ok(());
    }
    let first = |ids: &IdColumn| ids.iter().next().unwrap_or("none").to_owned();
    Err(anyhow!(
        "none of the predictions' {what} is tested: ids of the log look like `{}`, those of the file like `{}`; write ids as \
         they are in the log",
        first(of_log),
        first(of_file)
    ))
    .fault(FaultKind::Data)
}
