//! Buckets of users: yesterday's sequences and rows, and today's events, become today's sequences and rows.
//! Nothing is read or written here, and no clock is asked.

use anyhow::Context as _;
use dayvec_core::{Actions, Day, EmbeddingBlock, IdColumn, IdInterner, Sequences};
use dayvec_parts::ItemCounts;
use dayvec_sequences::{Keep, state};

use crate::checkpoint::Checkpoint;
use dayvec_report::SnapshotStatistics;

/// What is known of a bucket before today.
#[derive(Default)]
pub(crate) struct BucketBefore {
    /// The state that the run starts from; `None` when it starts from the whole log.
    pub(crate) state: Option<Sequences>,
    /// The rows that the same model made of exactly that state; `None` when every user is to be encoded.
    pub(crate) rows: Option<EmbeddingBlock>,
}

/// What a bucket becomes.
pub(crate) struct BucketAfter {
    /// The newest actions of each user, unknown items included.
    pub(crate) state: Sequences,
    /// The users' embeddings, in the order of the state.
    pub(crate) rows: EmbeddingBlock,
    /// What they are like.
    pub(crate) statistics: SnapshotStatistics,
    /// What the model reads of the items, over the bucket's users.
    pub(crate) item_counts: ItemCounts,
}

/// Merge events into some buckets, encode the users that changed, carry the others.
///
/// All buckets go through the model together, so that users of like length meet in one batch; the same buckets give
/// the same bits. A user whose newest actions are all on unknown items keeps the row that it has.
pub(crate) fn encode_buckets(
    checkpoint: &Checkpoint,
    day: Day,
    buckets: Vec<(BucketBefore, Sequences)>,
) -> anyhow::Result<Vec<BucketAfter>> {
    let spec = checkpoint.model.spec();
    let merged: Vec<MergedBucket> = buckets
        .into_iter()
        .map(|(yesterday, events)| MergedBucket::new(checkpoint, yesterday, events))
        .collect();
    let to_encode = join(merged.iter().map(|bucket| bucket.input.select(&bucket.to_encode)));
    let users: Vec<usize> = (0..to_encode.n_users()).collect();
    let encoded = checkpoint.model.encode_users(&to_encode, &users).context("encode users")?;
    let dim = spec.embedding_dim();
    let mut rest = &encoded[..];
    let mut finished = Vec::with_capacity(merged.len());
    for bucket in merged {
        let (values, others) = rest.split_at(bucket.to_encode.len() * dim);
        let item_counts = checkpoint.model.item_counts(&bucket.input, day.end_s());
        finished.push(bucket.finish(values, dim, day, item_counts));
        rest = others;
    }
    Ok(finished)
}

/// A bucket before its users are encoded.
struct MergedBucket {
    state: Sequences,
    /// The state, with items and surfaces as the model counts them.
    input: Sequences,
    unknown_item_actions: usize,
    /// Whether a user has an action that yesterday lacked.
    changed: Vec<bool>,
    /// How many of these users yesterday had.
    active_known: usize,
    last: PreviousRows,
    /// Users to encode, ascending.
    to_encode: Vec<usize>,
}

impl MergedBucket {
    fn new(checkpoint: &Checkpoint, yesterday: BucketBefore, events: Sequences) -> Self {
        let spec = checkpoint.model.spec();
        let keep = Keep { newest: Some(spec.history_len()), look_back_days: None };
        let (state, changed, active_known) = match &yesterday.state {
            Some(before) => {
                let (state, changed) = state::merge(before, &events, keep);
                let known = known(&state.users, &before.users);
                let active_known = known.zip(&changed).filter(|&(known, &changed)| known && changed).count();
                (state, changed, active_known)
            }
            None => {
                let n_users = events.n_users();
                (events, vec![true; n_users], n_users)
            }
        };
        let (input, unknown_item_actions) = state.resolve(&checkpoint.items.ids, &spec.surfaces);
        let last = PreviousRows::new(yesterday.rows);
        let to_encode = (0..input.n_users())
            .filter(|&user| !input.range(user).is_empty())
            .filter(|&user| changed[user] || last.find(input.users.get(user)).is_none())
            .collect();
        Self { state, input, unknown_item_actions, changed, active_known, last, to_encode }
    }

    /// Put the encoded rows, `[to_encode, dim]`, among the carried ones.
    fn finish(self, encoded: &[f32], dim: usize, day: Day, item_counts: ItemCounts) -> BucketAfter {
        let Self { state, input, last, changed, .. } = self;
        let mut statistics = SnapshotStatistics {
            active: changed.iter().filter(|&&changed| changed).count() as u64,
            active_known: self.active_known as u64,
            actions: state.n_actions() as u64,
            unknown_item_actions: self.unknown_item_actions as u64,
            ..SnapshotStatistics::default()
        };
        let mut rows = EmbeddingBlock::new(dim);
        let mut fresh = self.to_encode.iter().zip(encoded.chunks_exact(dim)).peekable();
        for (user, id) in input.users.iter().enumerate() {
            let before = last.find(id);
            if let Some((_, new)) = fresh.next_if(|&(&encoded_user, _)| encoded_user == user) {
                let newest = input.actions.timestamp[input.range(user).start];
                rows.push(id, new, newest, day.end_s());
                statistics.encoded += 1;
                statistics.active_encoded += u64::from(changed[user]);
                if let Some(row_idx) = before {
                    statistics.compare(new, last.rows.embedding(row_idx));
                }
            } else if let Some(row_idx) = before {
                let (last_action_at, computed_at) =
                    (last.rows.last_action_at[row_idx], last.rows.computed_at[row_idx]);
                rows.push(id, last.rows.embedding(row_idx), last_action_at, computed_at);
                statistics.carried += 1;
            } else {
                statistics.without_embedding += 1;
            }
        }
        statistics.look_at(&rows);
        BucketAfter { state, rows, statistics, item_counts }
    }
}

/// For each of `users`, whether it is one of `before`. Both are in the order of a state, and nobody of `before` is missing.
fn known<'a>(users: &'a IdColumn, before: &'a IdColumn) -> impl Iterator<Item = bool> + 'a {
    let mut before = before.iter().peekable();
    users.iter().map(move |user| before.next_if_eq(&user).is_some())
}

/// The previous snapshot's rows of a bucket, found by id.
struct PreviousRows {
    /// Without ids: `by_id` has them.
    rows: EmbeddingBlock,
    by_id: IdInterner,
}

impl PreviousRows {
    fn new(rows: Option<EmbeddingBlock>) -> Self {
        let mut rows = rows.unwrap_or_default();
        Self { by_id: IdInterner::from(::core::mem::take(&mut rows.ids)), rows }
    }

    fn find(&self, id: &str) -> Option<usize> {
        self.by_id.find(id).map(|row| row as usize)
    }
}

/// Sequences of different users, resolved for the same model, one after another; they share its dictionary of items. A
/// column that only some have is filled with "unknown".
fn join(parts: impl Iterator<Item = Sequences>) -> Sequences {
    let mut all = Sequences { offsets: vec![0], ..Sequences::default() };
    for part in parts {
        let (first, last) = (all.n_actions(), all.n_actions() + part.n_actions());
        part.users.iter().for_each(|id| all.users.push(id));
        all.offsets.extend(part.offsets.iter().skip(1).map(|end| first + end));
        let Actions { item, action_type, surface, duration_s, timestamp, positive, event_key } = part.actions;
        let actions = &mut all.actions;
        actions.item.extend(item);
        actions.action_type.extend(action_type);
        actions.timestamp.extend(timestamp);
        actions.positive.extend(positive);
        actions.event_key.extend(event_key);
        append_optional(&mut actions.surface, &surface, 0, first..last);
        append_optional(&mut actions.duration_s, &duration_s, f32::NAN, first..last);
        (all.items, all.surfaces) = (part.items, part.surfaces);
    }
    all
}

/// Append to a column that may be empty for all rows so far, rows that may have no such column.
fn append_optional<T: Copy>(column: &mut Vec<T>, more: &[T], unknown: T, rows: core::ops::Range<usize>) {
    if column.is_empty() && more.is_empty() {
        return;
    }
    column.resize(rows.start, unknown);
    column.extend_from_slice(more);
    column.resize(rows.end, unknown);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: &str, timestamps: &[i64], surface: Option<u16>) -> Sequences {
        let n = timestamps.len();
        Sequences {
            users: [id].into_iter().collect(),
            offsets: vec![0, n],
            actions: Actions {
                item: vec![0; n],
                action_type: vec![0; n],
                surface: surface.map_or(Vec::new(), |surface| vec![surface; n]),
                timestamp: timestamps.to_vec(),
                positive: vec![true; n],
                event_key: vec![0; n],
                ..Actions::default()
            },
            ..Sequences::default()
        }
    }

    #[test]
    fn joined_sequences_keep_their_users_and_fill_columns() {
        let parts =
            [user("a", &[3, 2], None), user("b", &[], None), user("c", &[9], Some(4)), user("d", &[1], None)];
        let items = parts[3].items.clone();
        let all = join(parts.into_iter());
        assert!(::core::ptr::eq(all.items.ids(), items.ids()), "the dictionary is shared, not copied");
        assert_eq!(all.users.iter().collect::<Vec<_>>(), ["a", "b", "c", "d"]);
        assert_eq!(all.offsets, [0, 2, 2, 3, 4]);
        assert_eq!(all.actions.timestamp, [3, 2, 9, 1]);
        assert_eq!(all.actions.surface, [0, 0, 4, 0]);
        assert!(all.actions.duration_s.is_empty());
    }
}
