//! One bucket of users: yesterday's sequences and rows, and today's events, become today's sequences and rows.
//! Nothing is read or written here, and no clock is asked.

use anyhow::Context as _;
use dayvec_core::{Day, EmbeddingBlock, IdInterner, Sequences};
use dayvec_sequences::{Keep, state};

use crate::checkpoint::Checkpoint;
use crate::statistics::Statistics;

/// What is known of a bucket before today.
#[derive(Default)]
pub(crate) struct Yesterday {
    /// The state that the run starts from; `None` when it starts from the whole log.
    pub(crate) state: Option<Sequences>,
    /// The rows that the same model made of exactly that state; `None` when every user is to be encoded.
    pub(crate) rows: Option<EmbeddingBlock>,
}

/// What a bucket becomes.
pub(crate) struct Today {
    /// The newest actions of each user, unknown items included.
    pub(crate) state: Sequences,
    /// The users' embeddings, in the order of the state.
    pub(crate) rows: EmbeddingBlock,
    /// What they are like.
    pub(crate) statistics: Statistics,
}

/// Merge, encode the users that changed, carry the others.
///
/// A user whose newest actions are all on unknown items keeps the row that it has.
pub(crate) fn encode_bucket(
    checkpoint: &Checkpoint,
    day: Day,
    yesterday: Yesterday,
    events: Sequences,
) -> anyhow::Result<Today> {
    let spec = checkpoint.model.spec();
    let (state, changed) = match &yesterday.state {
        Some(before) => {
            state::merge(before, &events, Keep { newest: Some(spec.max_len), look_back_days: None })
        }
        None => {
            let n_users = events.n_users();
            (events, vec![true; n_users])
        }
    };
    let (input, unknown_item_actions) = state.resolve(&checkpoint.items.ids, &spec.surfaces);
    let last = Last::new(yesterday.rows);
    let last_row: Vec<Option<usize>> = input.users.iter().map(|id| last.find(id)).collect();
    let to_encode: Vec<usize> = (0..input.n_users())
        .filter(|&user| !input.range(user).is_empty() && (changed[user] || last_row[user].is_none()))
        .collect();
    let encoded = checkpoint.model.encode_users(&input, &to_encode).context("encode users")?;

    let mut statistics = Statistics {
        active: changed.iter().filter(|&&changed| changed).count() as u64,
        actions: state.n_actions() as u64,
        unknown_item_actions: unknown_item_actions as u64,
        ..Statistics::default()
    };
    let mut rows = EmbeddingBlock::new(spec.dim);
    let mut fresh = to_encode.iter().zip(encoded.chunks_exact(spec.dim)).peekable();
    for user in 0..input.n_users() {
        let before = last_row[user].map(|row_idx| (&last.rows, row_idx));
        if let Some((_, new)) = fresh.next_if(|&(&encoded_user, _)| encoded_user == user) {
            let newest = input.actions.timestamp[input.range(user).start];
            rows.push(input.users.get(user), new, newest, day.end_s());
            statistics.encoded += 1;
            statistics.active_encoded += u64::from(changed[user]);
            if let Some((last, row_idx)) = before {
                statistics.compare(new, last.embedding(row_idx));
            }
        } else if let Some((last, row_idx)) = before {
            let (last_action_at, computed_at) = (last.last_action_at[row_idx], last.computed_at[row_idx]);
            rows.push(input.users.get(user), last.embedding(row_idx), last_action_at, computed_at);
            statistics.carried += 1;
        } else {
            statistics.without_embedding += 1;
        }
    }
    statistics.look_at(&rows);
    Ok(Today { state, rows, statistics })
}

/// The last snapshot's rows of a bucket, found by id.
struct Last {
    rows: EmbeddingBlock,
    by_id: IdInterner,
}

impl Last {
    fn new(rows: Option<EmbeddingBlock>) -> Self {
        let rows = rows.unwrap_or_default();
        Self { by_id: IdInterner::from(rows.ids.clone()), rows }
    }

    fn find(&self, id: &str) -> Option<usize> {
        self.by_id.find(id).map(|row| row as usize)
    }
}
