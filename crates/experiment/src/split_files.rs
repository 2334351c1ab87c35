//! The split as files, so that another program trains on what a model would and predicts for whom it would.
//! **No event that is tested is in them.**

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use arrow_array::{BooleanArray, Float32Array, Int64Array, StringArray};
use dayvec_core::{Day, EventSchema, Sequences};
use dayvec_evaluation::Truth;
use serde::Serialize;

use crate::config::{Config, SplitProtocol};
use crate::data::{ModelData, SplitLog};
use crate::evaluate::truth;
use crate::hashes::DataHashes;
use crate::parquet_file::{Column, write_columns};
use crate::store::Store;

/// `split.json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SplitAbout {
    /// How the log is split.
    pub protocol: SplitProtocol,
    /// First day of the test; with leave-one-out the day behind the log.
    pub cut_off: Day,
    /// Number of test days; of no meaning with leave-one-out.
    pub test_days: i32,
    /// Users of `users.parquet`.
    pub users: usize,
    /// Those of them who are tested.
    pub test_users: usize,
    /// Rows of `history.parquet`.
    pub events: usize,
    /// Rows of `catalogue.parquet`.
    pub candidates: usize,
    /// Digest of the log up to the end of the test days.
    pub data_hash: String,
    /// Digest of the ids in `catalogue.parquet`.
    pub candidates_hash: String,
}

/// Write the split of a configuration's log into a folder; files of these names there are replaced.
///
/// - `history.parquet`: the events to learn from, user after user, each user's oldest first, in the order in which a
///   model sees them: `user_id`, `item_id`, `action`, `timestamp` (Unix seconds), `positive`, and `surface` and
///   `duration_s` where the log has them. It is a log itself, whose last events can be split off again.
/// - `users.parquet`: `user_id`, `tested`, and `held_out` for those who must not be trained on.
/// - `catalogue.parquet`: `item_id` of every item that may be predicted.
/// - `split.json`: [`SplitAbout`].
///
/// # Errors
/// With the exit code that says what the caller can do.
pub fn write_split(config: &Config, store: &Store, out: &Path) -> anyhow::Result<SplitAbout> {
    let log = SplitLog::read(config, store, config.schema())?;
    log.check_test_days()?;
    let data = log.into_data();
    let truth = truth(&data)?;
    fs::create_dir_all(out).with_context(|| format!("make {}", out.display()))?;
    write_history(config.schema(), &data.history, &out.join("history.parquet"))?;
    let users = write_users(&data, &truth, &out.join("users.parquet"))?;
    let ids = data.history.items.ids();
    let candidates = (0..ids.len()).filter(|&item| truth.eligible[item]).map(|item| ids.get(item));
    let candidates = StringArray::from_iter_values(candidates);
    let n_candidates = truth.n_eligible();
    write_columns(&out.join("catalogue.parquet"), [("item_id", Arc::new(candidates) as _, false)])?;
    let DataHashes { data: data_hash, candidates: candidates_hash } =
        DataHashes::of(&data.history, &data.future, data.split);
    let about = SplitAbout {
        protocol: data.protocol,
        cut_off: data.split.cut_off,
        test_days: data.split.n_days,
        users,
        test_users: truth.users.len(),
        events: data.history.n_actions(),
        candidates: n_candidates,
        data_hash,
        candidates_hash,
    };
    let path = out.join("split.json");
    let json = serde_json::to_vec_pretty(&about).context("write split.json")?;
    fs::write(&path, json).with_context(|| format!("write {}", path.display()))?;
    Ok(about)
}

fn write_history(schema: &EventSchema, history: &Sequences, path: &Path) -> anyhow::Result<()> {
    let actions = &history.actions;
    let users: Vec<usize> =
        (0..history.n_users()).flat_map(|user| history.range(user).map(move |_| user)).collect();
    let places: Vec<usize> = (0..history.n_users()).flat_map(|user| history.range(user).rev()).collect();
    let at = || places.iter().copied();
    let user_ids = users.iter().map(|&user| history.users.get(user));
    let item_ids = at().map(|at| history.items.ids().get(actions.item[at] as usize));
    let action_types = at().map(|at| schema.actions[usize::from(actions.action_type[at])].as_str());
    let mut columns: Vec<Column<'_>> = vec![
        ("user_id", Arc::new(StringArray::from_iter_values(user_ids)), false),
        ("item_id", Arc::new(StringArray::from_iter_values(item_ids)), false),
        ("action", Arc::new(StringArray::from_iter_values(action_types)), false),
        ("timestamp", Arc::new(Int64Array::from_iter_values(at().map(|at| actions.timestamp[at]))), false),
        ("positive", Arc::new(BooleanArray::from_iter(at().map(|at| Some(actions.positive[at])))), false),
    ];
    if !actions.surface.is_empty() {
        let surface = |at| usize::from(actions.surface[at]).checked_sub(1).map(|row| &history.surfaces[row]);
        columns.push(("surface", Arc::new(StringArray::from_iter(at().map(surface))), true));
    }
    if !actions.duration_s.is_empty() {
        let duration = |at| Some(actions.duration_s[at]).filter(|seconds: &f32| !seconds.is_nan());
        columns.push(("duration_s", Arc::new(Float32Array::from_iter(at().map(duration))), true));
    }
    write_columns(path, columns)
}

/// Every user with events to learn from; returns their number.
fn write_users(data: &ModelData, truth: &Truth, path: &Path) -> anyhow::Result<usize> {
    let history = &data.history;
    let users: Vec<usize> = (0..history.n_users()).filter(|&user| !history.range(user).is_empty()).collect();
    let ids = users.iter().map(|&user| history.users.get(user));
    let tested = users.iter().map(|user| Some(truth.users.binary_search(user).is_ok()));
    let held_out = users.iter().map(|&user| Some(data.is_held_out(user)));
    let columns: [Column<'_>; 3] = [
        ("user_id", Arc::new(StringArray::from_iter_values(ids)), false),
        ("tested", Arc::new(BooleanArray::from_iter(tested)), false),
        ("held_out", Arc::new(BooleanArray::from_iter(held_out)), false),
    ];
    write_columns(path, columns)?;
    Ok(users.len())
}
