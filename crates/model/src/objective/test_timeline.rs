//! Timelines for the tests of the objectives.

use dayvec_core::{Actions, Sequences};

use super::pairs::{PositiveActions, Timeline};
use super::tasks::Tasks;

/// One user's actions, newest first: (seconds, whether positive).
fn sequences(actions: &[(i64, bool)]) -> Sequences {
    let columns = Actions {
        item: vec![0; actions.len()],
        action_type: vec![0; actions.len()],
        timestamp: actions.iter().map(|&(timestamp, _)| timestamp).collect(),
        positive: actions.iter().map(|&(_, positive)| positive).collect(),
        ..Actions::default()
    };
    Sequences {
        users: ["other", "user"].into_iter().collect(),
        offsets: vec![0, 0, actions.len()],
        actions: columns,
        ..Sequences::default()
    }
}

/// Call `check` with the timeline of [`sequences`].
pub(super) fn with_timeline<T>(actions: &[(i64, bool)], check: impl FnOnce(Timeline<'_>) -> T) -> T {
    let sequences = sequences(actions);
    let positives = PositiveActions::new(&sequences, &Tasks::All);
    check(Timeline { sequences: &sequences, positives: &positives, user: 1 })
}
