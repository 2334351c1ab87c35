//! Some test users, with what they did and what the model finds for them.

use anyhow::Context;
use dayvec_core::{Day, SECONDS_PER_DAY};
use dayvec_evaluation::{Scorer, Truth, top};
use dayvec_report::{ExampleUser, NearItem, ShownAction};
use dayvec_runtime::fault::OrFault as _;

use crate::checkpoint::Checkpoint;

/// Users by their place among the test users, from least to most active, and why they are shown.
const PLACES: [(f64, &str); 3] = [
    (0.1, "A tenth of the test users had done less"),
    (0.5, "Half of the test users had done less"),
    (0.9, "Nine tenths of the test users had done less"),
];
/// Newest actions of a user.
const N_ACTIONS: usize = 10;
/// Nearest items of a user.
const N_NEIGHBOURS: usize = 10;

/// The users of [`PLACES`], each once.
pub(super) fn users(
    loaded: &Checkpoint,
    truth: &Truth,
    scorer: &dyn Scorer,
) -> anyhow::Result<Vec<ExampleUser>> {
    let history = &loaded.data.history;
    let mut by_activity: Vec<usize> = (0..truth.users.len()).collect();
    by_activity.sort_by_key(|&at| history.range(truth.users[at]).len());
    let last = by_activity.len().saturating_sub(1);
    let mut chosen: Vec<(usize, &str)> = PLACES
        .iter()
        .map(|(share, why)| (by_activity[(share * last as f64).round() as usize], *why))
        .collect();
    chosen.dedup_by_key(|(at, _)| *at);
    chosen.into_iter().map(|(at, why)| user(loaded, truth, scorer, (at, why))).collect()
}

/// The user at a place of the truth.
fn user(
    loaded: &Checkpoint,
    truth: &Truth,
    scorer: &dyn Scorer,
    (at, why): (usize, &str),
) -> anyhow::Result<ExampleUser> {
    let (history, items, schema) = (&loaded.data.history, &loaded.items, &loaded.model.spec().events);
    let (user, relevant) = (truth.users[at], &truth.relevant[at]);
    let range = history.range(user);
    let shown = |at: usize| {
        let action = history.action(at);
        ShownAction {
            time: moment(action.timestamp),
            action: schema.actions.get(usize::from(action.action_type)).cloned().unwrap_or_default(),
            item: items.title(action.item).to_owned(),
        }
    };
    let nearest = top(scorer, &[user], &truth.eligible, N_NEIGHBOURS).or_fault();
    let nearest = nearest.context("find the nearest items of an example user")?;
    let near = |(&item, &score): (&u32, &f32)| NearItem {
        item: items.title(item).to_owned(),
        score,
        is_seen: history.actions.item[range.clone()].contains(&item),
        is_relevant: relevant.binary_search(&item).is_ok(),
    };
    Ok(ExampleUser {
        user_id: history.users.get(user).to_owned(),
        why: why.to_owned(),
        is_held_out: loaded.data.is_held_out(user),
        n_actions: range.len(),
        actions: range.clone().take(N_ACTIONS).map(shown).collect(),
        neighbours: nearest.item.iter().zip(&nearest.score).map(near).collect(),
        n_relevant: relevant.len(),
    })
}

/// `2011-11-24 13:05`, UTC.
fn moment(timestamp: i64) -> String {
    let minutes = timestamp.rem_euclid(SECONDS_PER_DAY) / 60;
    format!("{} {:02}:{:02}", Day::of_timestamp(timestamp), minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_utc() {
        assert_eq!(moment(1_322_139_959), "2011-11-24 13:05");
        assert_eq!(moment(-60), "1969-12-31 23:59");
    }
}
