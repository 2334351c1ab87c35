//! The split of published tables: each user's last positive is tested, what came before it is trained on.

use dayvec_core::Sequences;

/// Split a log into history and future, for [`crate::Truth::build`]. Users and items keep their rows.
///
/// The future of a user with two positives or more is the last one; the history, the actions before it. Later actions
/// that are not positive are in neither. Other users keep all their actions in the history and are not tested. "Last" and
/// "before" follow the order of the sequences, which is the same every time where timestamps are equal.
#[must_use]
pub fn leave_one_out(log: &Sequences) -> (Sequences, Sequences) {
    let (mut history, mut future) = (Vec::new(), Vec::new());
    let (mut history_offsets, mut future_offsets) = (vec![0], vec![0]);
    for user in 0..log.n_users() {
        let mut positives = log.range(user).filter(|&at| log.actions.positive[at]);
        let mut range = log.range(user);
        if let (Some(last), Some(_)) = (positives.next(), positives.next()) {
            future.push(last);
            range.start = last + 1;
        }
        history.extend(range);
        history_offsets.push(history.len());
        future_offsets.push(future.len());
    }
    let part = |offsets: Vec<usize>, places: &[usize]| Sequences {
        users: log.users.clone(),
        offsets,
        actions: log.actions.gather(places),
        items: log.items.clone(),
        surfaces: log.surfaces.clone(),
    };
    (part(history_offsets, &history), part(future_offsets, &future))
}
