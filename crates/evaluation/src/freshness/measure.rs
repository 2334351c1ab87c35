//! Recall under every protocol, over the same labels.

use dayvec_core::{Day, Sequences};
use dayvec_report::{AgedRecall, Interval, RelativeLoss};

use super::aged::Aged;
use super::labels::{Label, Labels};
use super::protocol::Protocol;
use crate::bootstrap::{Sums, intervals};
use crate::outcomes::RECALL_K;
use crate::retrieve::{block_outcomes, block_users, masked_scores};
use crate::scores::without_seen;
use crate::{EvaluationError, Scorer};

/// What to measure.
#[derive(Debug, Clone, Copy)]
pub struct FreshnessOptions {
    /// Days until a daily embedding is used (the paper: about one).
    pub delay_days: i32,
    /// Largest age of the curves in days.
    pub max_age_days: i32,
    /// Bootstrap resamples of the users.
    pub n_resamples: usize,
    /// Seed of the bootstrap.
    pub seed: u64,
}

impl FreshnessOptions {
    /// Every protocol that [`measure`] runs, for [`Labels::of`].
    #[must_use]
    pub fn protocols(&self) -> Vec<Protocol> {
        let ages = |of: fn(i32) -> Protocol| (0..=self.max_age_days).map(of);
        let [once, daily, realtime] = self.main();
        [once, daily, realtime].into_iter().chain(ages(users_aged)).chain(ages(items_aged)).collect()
    }

    const fn main(&self) -> [Protocol; 3] {
        [Protocol::Once, Protocol::Daily { delay_days: self.delay_days }, Protocol::Realtime]
    }
}

const fn users_aged(users_days: i32) -> Protocol {
    Protocol::Age { users_days, items_days: 0 }
}

const fn items_aged(items_days: i32) -> Protocol {
    Protocol::Age { users_days: 0, items_days }
}

/// A user's labels and hits under one protocol.
#[derive(Debug, Clone, Copy, Default)]
struct UserHits {
    allowed: Sums,
    filtered: Sums,
}

/// Measure a scorer on `labels` of `log`: the three protocols, and recall by age.
///
/// # Errors
/// When the scorer fails, or gives another shape or NaN.
pub fn measure(
    scorer: &dyn Aged,
    log: &Sequences,
    labels: &Labels,
    options: &FreshnessOptions,
) -> Result<AgedRecall, EvaluationError> {
    let run = |protocol| hits_by_user(scorer, log, labels, protocol);
    let [once, daily, realtime] = options.main();
    let (once, daily, realtime) = (run(once)?, run(daily)?, run(realtime)?);
    let recall = |users: &[UserHits], of: fn(&UserHits) -> Sums| {
        let sums: Vec<[Sums; 1]> = users.iter().map(|user| [of(user)]).collect();
        let [interval] = intervals(&sums, options.n_resamples, options.seed);
        interval
    };
    let allowed = |users: &[UserHits]| recall(users, |user| user.allowed);
    let filtered = |users: &[UserHits]| recall(users, |user| user.filtered);
    // The labels are the same, so the ratio of recalls is that of hits.
    let change = |stale: &[UserHits]| -> Interval {
        let ratio = |(stale, fresh): (&UserHits, &UserHits)| {
            [Sums { over: stale.allowed.over, under: fresh.allowed.over }]
        };
        let sums: Vec<[Sums; 1]> = stale.iter().zip(&realtime).map(ratio).collect();
        let [Interval { value, low, high }] = intervals(&sums, options.n_resamples, options.seed);
        Interval { value: value - 1.0, low: low - 1.0, high: high - 1.0 }
    };
    let curve = |of: fn(i32) -> Protocol| -> Result<Vec<Interval>, EvaluationError> {
        (0..=options.max_age_days).map(|age| Ok(allowed(&run(of(age))?))).collect()
    };
    Ok(AgedRecall {
        scorer: scorer.name().to_owned(),
        k: RECALL_K,
        once: allowed(&once),
        daily: allowed(&daily),
        realtime: allowed(&realtime),
        once_unseen: filtered(&once),
        daily_unseen: filtered(&daily),
        realtime_unseen: filtered(&realtime),
        change_from_realtime: RelativeLoss { daily: change(&daily), once: change(&once) },
        by_user_age_days: curve(users_aged)?,
        by_item_age_days: if scorer.items_change() { Some(curve(items_aged)?) } else { None },
    })
}

/// Hits and labels of each of the labels' users, ascending, under one protocol.
fn hits_by_user(
    scorer: &dyn Aged,
    log: &Sequences,
    labels: &Labels,
    protocol: Protocol,
) -> Result<Vec<UserHits>, EvaluationError> {
    let users = labels.users();
    let mut by_user = vec![UserHits::default(); users.len()];
    let cut_off = labels.cut_off;
    let same_day = |a: &Label, b: &Label| Day::of_timestamp(a.timestamp) == Day::of_timestamp(b.timestamp);
    for day in labels.labels.chunk_by(same_day) {
        let items_until_s = protocol.items_until_s(cut_off, day[0].timestamp);
        let state = |label: &Label| (label.user, protocol.users_until_s(cut_off, label.timestamp));
        let same_state: Vec<&[Label]> = day.chunk_by(|a, b| state(a) == state(b)).collect();
        for block in same_state.chunks(block_users(labels.eligible.len())) {
            let states: Vec<(usize, i64)> = block.iter().map(|labels| state(&labels[0])).collect();
            let rows: Vec<usize> = (0..states.len()).collect();
            let states = log.as_of(&states);
            let of_states = scorer.scorer(&states, items_until_s)?;
            let scores = masked_scores(&*of_states, &rows, &labels.eligible)?; // [b, n]
            let seen: Vec<Vec<u32>> =
                block.iter().map(|labels| seen_before(log, labels[0].user, cut_off.start_s())).collect();
            let items = |labels: &&[Label]| labels.iter().map(|label| label.item).collect::<Vec<u32>>();
            let all: Vec<Vec<u32>> = block.iter().map(items).collect();
            let is_unseen = |seen: &[u32], item: &u32| seen.binary_search(item).is_err();
            let unseen: Vec<Vec<u32>> = all
                .iter()
                .zip(&seen)
                .map(|(items, seen)| items.iter().copied().filter(|item| is_unseen(seen, item)).collect())
                .collect();
            let allowed = hits(&scores, &*of_states, &rows, &all)?;
            let filtered = hits(&without_seen(&scores, &seen)?, &*of_states, &rows, &unseen)?;
            for row in rows {
                let Ok(at) = users.binary_search(&block[row][0].user) else { continue };
                let add = |sums: &mut Sums, hits: u32, labels: &[u32]| {
                    sums.over += f64::from(hits);
                    sums.under += labels.len() as f64;
                };
                add(&mut by_user[at].allowed, allowed[row], &all[row]);
                add(&mut by_user[at].filtered, filtered[row], &unseen[row]);
            }
        }
    }
    Ok(by_user)
}

/// Distinct items that a user acted upon before a time, ascending.
fn seen_before(log: &Sequences, user: usize, until_s: i64) -> Vec<u32> {
    let actions = &log.actions;
    let before = log.range(user).filter(|&at| actions.timestamp[at] < until_s);
    let mut seen: Vec<u32> = before.map(|at| actions.item[at]).collect();
    seen.sort_unstable();
    seen.dedup();
    seen
}

/// Hits of a block, from its scores `[b, n]`.
fn hits(
    scores: &tch::Tensor,
    scorer: &dyn Scorer,
    rows: &[usize],
    relevant: &[Vec<u32>],
) -> Result<Vec<u32>, EvaluationError> {
    let outcomes = block_outcomes(scores, scorer, rows, relevant, None)?;
    Ok(outcomes.into_iter().map(|outcome| outcome.hits.len() as u32).collect())
}
