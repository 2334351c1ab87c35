//! Training batches: which users, which input range, which pairs, which negatives; a pure function of seed and step.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use dayvec_core::{ModelSpec, Sequences};
use rand::RngExt;
use rand::seq::{IndexedRandom, SliceRandom, index};
use rand_pcg::Pcg64Mcg;

use crate::batch::{Correction, QueryGroup, TrainBatch};
use crate::error::ModelError;
use crate::objective::{Pair, PairSampler, PositiveActions, Tasks, Timeline, pair_sampler};
use crate::random::{Purpose, generator};
use crate::tokens::{InputRange, TokenGroup, group_by_length};

/// Tokens of a group in training, padding included.
const TRAIN_TOKENS: usize = 4_096;

/// Negatives of a batch, all in one pool (the paper, section 5.2 of its loss).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NegativeConfig {
    /// Uniform from the items that training has events for.
    pub random: usize,
    /// Labels of other pairs, at most this many in a step, drawn without replacement.
    pub in_batch: usize,
}

/// How batches are drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SamplerConfig {
    /// Seed of every draw.
    pub seed: u64,
    /// Users in a batch.
    pub users: usize,
    /// Positions drawn from a sequence, at most.
    pub positions: usize,
    /// Share of inputs that end at the newest action with a label after it; the others end anywhere.
    pub newest_share: f64,
    /// Negatives.
    pub negatives: NegativeConfig,
    /// logQ correction.
    pub correction: Correction,
}

/// An input sequence of a batch, with the pairs that are trained in it.
struct DrawnInput {
    /// Row in the training sequences.
    user: usize,
    input: InputRange,
    pairs: Vec<Pair>,
}

/// Draws batches.
#[derive(Debug)]
pub struct Sampler {
    sequences: Arc<Sequences>,
    spec: ModelSpec,
    config: SamplerConfig,
    objective: Box<dyn PairSampler>,
    positives: PositiveActions,
    /// Users that have a pair, and for each the part of `end_actions` that is theirs.
    users: Vec<usize>,
    ends: Vec<std::ops::Range<usize>>,
    /// Actions at which an input may end: indices into the columns.
    end_actions: Vec<usize>,
    eligible: Vec<u32>,
    /// The users in the order of an epoch.
    order: Mutex<(u64, Vec<u32>)>,
}

impl Sampler {
    /// A sampler over training sequences, which must be resolved against the spec's items and hold neither held-out
    /// users nor anything after the cut-off.
    ///
    /// # Errors
    /// When the spec's objective is unknown or has wrong settings, or no user has a pair under it.
    pub fn new(
        sequences: Arc<Sequences>,
        spec: &ModelSpec,
        config: SamplerConfig,
    ) -> Result<Self, ModelError> {
        let (objective, tasks) = (pair_sampler(&spec.objective)?, Tasks::of(&spec.objective, &spec.events)?);
        let positives = PositiveActions::new(&sequences, &tasks);
        let (mut users, mut ends, mut end_actions) = (Vec::new(), Vec::new(), Vec::new());
        for user in 0..sequences.n_users() {
            let first = end_actions.len();
            let timeline = Timeline { sequences: &sequences, positives: &positives, user };
            end_actions.extend(sequences.range(user).filter(|&at| objective.can_end_at(timeline, at)));
            if end_actions.len() > first {
                users.push(user);
                ends.push(first..end_actions.len());
            }
        }
        if users.is_empty() {
            return Err(ModelError::NoPairs(format!(
                "none of {} users with {} actions has a positive action that objective {:?} could pair with an \
                 earlier one; check `positives` and the time range",
                sequences.n_users(),
                sequences.n_actions(),
                spec.objective.name
            )));
        }
        let mut eligible = sequences.actions.item.clone();
        eligible.sort_unstable();
        eligible.dedup();
        let order = Mutex::new((u64::MAX, Vec::new()));
        Ok(Self {
            sequences,
            spec: spec.clone(),
            config,
            objective,
            positives,
            users,
            ends,
            end_actions,
            eligible,
            order,
        })
    }

    /// Users that can be drawn.
    #[must_use]
    pub const fn n_users(&self) -> usize {
        self.users.len()
    }

    /// The batch of a step; it does not depend on when or in which order batches are drawn.
    #[must_use]
    pub fn batch(&self, step: u64) -> TrainBatch {
        let mut rng = generator(self.config.seed, Purpose::Batch, step);
        let mut drawn = Vec::new();
        let mut users = self.users_of(step);
        users.sort_unstable(); // columns are read forward
        users.dedup();
        for idx in users {
            let user = self.users[idx];
            let ends = &self.end_actions[self.ends[idx].clone()];
            let newest = rng.random_bool(self.config.newest_share);
            let end = if newest { ends[0] } else { ends[rng.random_range(0..ends.len())] };
            let input = InputRange::ending_at(&self.sequences, &self.spec, user, end);
            let timeline = Timeline { sequences: &self.sequences, positives: &self.positives, user };
            let pairs = self.objective.pairs(timeline, &input, self.config.positions, &mut rng);
            if !pairs.is_empty() {
                drawn.push(DrawnInput { user, input, pairs });
            }
        }
        self.assemble(&drawn, step, &mut rng)
    }

    /// Indices into `users`: each epoch is a permutation of its own.
    fn users_of(&self, step: u64) -> Vec<usize> {
        let n = self.users.len() as u64;
        let first = step * self.config.users as u64;
        let mut order = self.order.lock().expect("no holder of the lock panics");
        (first..first + self.config.users as u64)
            .map(|number| {
                let (epoch, at) = (number / n, (number % n) as usize);
                if order.0 != epoch {
                    let mut rng = generator(self.config.seed, Purpose::UserOrder, epoch);
                    let mut shuffled: Vec<u32> = (0..n as u32).collect();
                    shuffled.shuffle(&mut rng);
                    *order = (epoch, shuffled);
                }
                order.1[at] as usize
            })
            .collect()
    }

    fn assemble(&self, drawn: &[DrawnInput], step: u64, rng: &mut Pcg64Mcg) -> TrainBatch {
        let inputs: Vec<InputRange> = drawn.iter().map(|drawn| drawn.input.clone()).collect();
        let mut items = DistinctItems::default();
        let mut batch = TrainBatch {
            groups: Vec::new(),
            items: Vec::new(),
            label: Vec::new(),
            user: Vec::new(),
            weight: Vec::new(),
            pool: Vec::new(),
            pool_pairs: Vec::new(),
            n_eligible: self.eligible.len(),
            masked: Vec::new(),
            correction: self.config.correction,
            loss: self.objective.loss(),
            n_users: drawn.len(),
        };
        for members in group_by_length(&inputs, TRAIN_TOKENS) {
            let tokens = TokenGroup::new(&self.sequences, &self.spec, &inputs, &members);
            let n_queries = members.iter().map(|&idx| drawn[idx].pairs.len()).max().unwrap_or(0);
            let (mut queries, mut valid) = (vec![0; members.len() * n_queries], Vec::new());
            for (row, &idx) in members.iter().enumerate() {
                let DrawnInput { user, input, pairs } = &drawn[idx];
                let of_user = pairs.iter().map(|pair| pair.weight).sum::<f32>() * drawn.len() as f32;
                for (column, &Pair { position, label, weight }) in pairs.iter().enumerate() {
                    let cell = row * n_queries + column;
                    queries[cell] = (input.len() - 1 - position) as i64;
                    valid.push(cell as i64);
                    batch.label.push(items.index_of(self.sequences.actions.item[label]));
                    batch.user.push(*user);
                    batch.weight.push(weight / of_user);
                }
            }
            let token_item = if self.spec.history_bag.is_some() {
                tokens.item.iter().map(|&item| items.index_of(item as u32)).collect()
            } else {
                Vec::new()
            };
            batch.groups.push(QueryGroup { tokens, token_item, queries, n_queries, valid });
        }
        let n_in_batch = self.config.negatives.in_batch.min(batch.label.len());
        batch.pool_pairs = index::sample(rng, batch.label.len(), n_in_batch).into_vec();
        batch.pool = batch.pool_pairs.iter().map(|&pair| batch.label[pair]).collect();
        // From draws of their own, so that the same seed gives the same random negatives under every objective.
        let mut rng = generator(self.config.seed, Purpose::RandomNegatives, step);
        for _ in 0..self.config.negatives.random {
            let item = self.eligible.choose(&mut rng).expect("users with pairs have items");
            batch.pool.push(items.index_of(*item));
        }
        batch.items = items.rows;
        batch.mask_own_columns();
        batch
    }
}

/// Distinct items in the order in which they are met.
#[derive(Default)]
struct DistinctItems {
    /// Rows of the item table.
    rows: Vec<i64>,
    index_of_row: HashMap<u32, i64>,
}

impl DistinctItems {
    fn index_of(&mut self, row: u32) -> i64 {
        *self.index_of_row.entry(row).or_insert_with(|| {
            self.rows.push(i64::from(row));
            self.rows.len() as i64 - 1
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::fixture;

    const N_USERS: usize = 40;

    fn config() -> SamplerConfig {
        SamplerConfig {
            seed: 5,
            users: 7,
            positions: 4,
            newest_share: 0.5,
            negatives: NegativeConfig { random: 20, in_batch: 10 },
            correction: fixture::CORRECTION,
        }
    }

    fn sampler(config: SamplerConfig) -> Sampler {
        Sampler::new(Arc::new(fixture::sequences(N_USERS, 2)), &fixture::spec(), config).unwrap()
    }

    /// The input of each pair, as (user, newest timestamp, query timestamp), in the order of the batch's pairs.
    fn inputs(batch: &TrainBatch) -> Vec<(usize, i64, i64)> {
        let mut all = Vec::new();
        for group in &batch.groups {
            for &cell in &group.valid {
                let row = cell as usize / group.n_queries;
                let at = |step: i64| group.tokens.timestamp[row * group.tokens.n_steps + step as usize];
                let newest = at(group.tokens.length[row] - 1);
                all.push((batch.user[all.len()], newest, at(group.queries[cell as usize])));
            }
        }
        all
    }

    #[test]
    fn every_epoch_draws_every_user_once_in_an_order_of_its_own() {
        let sampler = sampler(config());
        let n = sampler.n_users();
        let numbers: Vec<usize> = (0..2 * n as u64).flat_map(|step| sampler.users_of(step)).collect();
        let epochs: Vec<&[usize]> = numbers.chunks_exact(n).collect();
        for epoch in &epochs {
            let distinct: BTreeSet<usize> = epoch.iter().copied().collect();
            assert_eq!(distinct.len(), n);
        }
        assert_ne!(epochs[0], epochs[1]);
    }

    #[test]
    fn a_batch_is_a_function_of_seed_and_step() {
        let text = |sampler: &Sampler, step| format!("{:?}", sampler.batch(step));
        let (first, second) = (sampler(config()), sampler(config()));
        let backwards: Vec<String> = (0..20).rev().map(|step| text(&second, step)).collect();
        for (step, batch) in (0..20).zip(backwards.iter().rev()) {
            assert_eq!(&text(&first, step), batch, "step {step}");
        }
        assert_ne!(backwards[0], backwards[1]);
        let other = sampler(SamplerConfig { seed: 6, ..config() });
        assert_ne!(text(&first, 0), text(&other, 0));
    }

    #[test]
    fn labels_are_later_positives_of_the_same_user() {
        let sampler = sampler(config());
        let sequences = &sampler.sequences;
        for step in 0..50 {
            let batch = sampler.batch(step);
            for ((user, newest, asked), &label) in inputs(&batch).into_iter().zip(&batch.label) {
                assert!(asked <= newest);
                let item = batch.items[label as usize];
                let is_label = |at: usize| {
                    let after = sequences.actions.timestamp[at] - asked;
                    sequences.actions.positive[at]
                        && i64::from(sequences.actions.item[at]) == item
                        && (1..=28 * 86_400).contains(&after)
                };
                assert!(sequences.range(user).any(is_label), "user {user}, item {item}, step {step}");
            }
        }
    }

    #[test]
    fn the_newest_share_decides_where_inputs_end() {
        let newest_end = |sampler: &Sampler, user: usize| {
            let idx = sampler.users.iter().position(|&other| other == user).unwrap();
            sampler.sequences.actions.timestamp[sampler.end_actions[sampler.ends[idx].start]]
        };
        for (newest_share, least, most) in [(0.0, 0.0, 0.6), (1.0, 1.0, 1.0)] {
            let sampler = sampler(SamplerConfig { newest_share, ..config() });
            let all: Vec<_> = (0..100).flat_map(|step| inputs(&sampler.batch(step))).collect();
            let at_newest =
                all.iter().filter(|&&(user, newest, _)| newest == newest_end(&sampler, user)).count();
            let share = at_newest as f64 / all.len() as f64;
            assert!((least..=most).contains(&share), "{share} of the pairs for newest_share {newest_share}");
        }
    }

    #[test]
    fn every_user_weighs_the_same_and_all_weights_sum_to_one() {
        let batch = sampler(config()).batch(3);
        let mut by_user = BTreeMap::<usize, f32>::new();
        for (&user, weight) in batch.user.iter().zip(&batch.weight) {
            *by_user.entry(user).or_default() += weight;
        }
        assert_eq!(by_user.len(), batch.n_users());
        for (user, weight) in by_user {
            assert!((weight - 1.0 / batch.n_users() as f32).abs() < 1e-6, "user {user} weighs {weight}");
        }
    }

    #[test]
    fn the_pool_is_labels_of_distinct_pairs_then_uniform_items() {
        let sampler = sampler(config());
        let (mut counts, n_steps) = (vec![0_u32; fixture::N_ITEMS], 500);
        for step in 0..n_steps {
            let batch = sampler.batch(step);
            assert_eq!(batch.pool_pairs.len(), 10.min(batch.n_pairs()));
            let distinct: BTreeSet<usize> = batch.pool_pairs.iter().copied().collect();
            assert_eq!(distinct.len(), batch.pool_pairs.len());
            for (&pair, &item) in batch.pool_pairs.iter().zip(&batch.pool) {
                assert_eq!(batch.label[pair], item);
            }
            let random = &batch.pool[batch.pool_pairs.len()..];
            assert_eq!(random.len(), 20);
            random.iter().for_each(|&item| counts[batch.items[item as usize] as usize] += 1);
        }
        let with_events: BTreeSet<u32> = sampler.sequences.actions.item.iter().copied().collect();
        let expected = 20.0 * n_steps as f64 / with_events.len() as f64;
        for (item, &count) in counts.iter().enumerate() {
            let expected = if with_events.contains(&(item as u32)) { expected } else { 0.0 };
            let difference = (f64::from(count) - expected).abs();
            assert!(difference <= 5.0 * expected.sqrt(), "item {item}: {count} times, expected {expected}");
        }
    }

    #[test]
    fn masked_cells_are_those_of_the_same_item_or_user() {
        let sampler = sampler(config());
        for step in 0..20 {
            let batch = sampler.batch(step);
            let masked: BTreeSet<i64> = batch.masked.iter().copied().collect();
            assert!(batch.masked.is_sorted_by_key(|cell| cell / batch.pool.len() as i64), "by rising pair");
            for pair in 0..batch.n_pairs() {
                for column in 0..batch.pool.len() {
                    let of_user =
                        batch.pool_pairs.get(column).is_some_and(|&p| batch.user[p] == batch.user[pair]);
                    let expected = of_user || batch.pool[column] == batch.label[pair];
                    let cell = (pair * batch.pool.len() + column) as i64;
                    assert_eq!(masked.contains(&cell), expected, "pair {pair}, column {column}");
                }
            }
        }
    }
}
