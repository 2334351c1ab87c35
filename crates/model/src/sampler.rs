//! Training batches: which users, which input window, which pairs, which negatives; a pure function of seed and step.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use dayvec_core::{ModelSpec, Sequences};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64Mcg;

use crate::ModelError;
use crate::objective::{Labels, PairSampler, Timeline, objective_sampler};
use crate::tokens::{TokenGroup, Window, group_by_length};

/// Tokens of a group in training, padding included.
const TRAIN_TOKENS: usize = 4_096;

/// Negatives of a batch, all in one pool (the paper, section 5.2 of its loss).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NegativeConfig {
    /// Uniform from the items that training has events for.
    pub random: usize,
    /// Labels of other pairs, at most this many, drawn without replacement.
    pub in_batch: usize,
}

/// What is subtracted from a positive's logit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PositiveCorrection {
    /// `log P(item is drawn | user is in the batch)`, the paper's `Q_i(p_i)`.
    Conditional,
    /// The same `log Q` as the item would have among the negatives.
    Marginal,
    /// No logQ at all, neither on positives nor on negatives (an ablation of the paper).
    Off,
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
    /// Share of input windows that end at the newest action with a label after it; the others end anywhere.
    pub newest_share: f64,
    /// Negatives.
    pub negatives: NegativeConfig,
    /// logQ correction.
    pub correction: PositiveCorrection,
}

/// Sequences of like length with the positions that are trained in them.
#[derive(Debug, Clone)]
pub(crate) struct QueryGroup {
    pub(crate) tokens: TokenGroup,
    /// Slot in [`TrainBatch::items`] of each token, `[B * T]`; empty when the model does not need it.
    pub(crate) token_slot: Vec<i64>,
    /// Time steps, `[B, S]`, padded with 0.
    pub(crate) queries: Vec<i64>,
    /// S.
    pub(crate) n_queries: usize,
    /// Which of `queries` are real: flat indices, one a pair of this group.
    pub(crate) valid: Vec<i64>,
}

/// Everything that one training step needs, drawn ahead of it.
#[derive(Debug, Clone)]
pub struct TrainBatch {
    pub(crate) groups: Vec<QueryGroup>,
    /// Items that the step meets, each once: rows of the item table.
    pub(crate) items: Vec<i64>,
    /// Slot of each pair's label, `[P]`, in the order of the groups' `valid`.
    pub(crate) label: Vec<i64>,
    /// Row of each pair's user in the training sequences, `[P]`.
    pub(crate) user: Vec<usize>,
    /// Weight of each pair: every user of the batch weighs the same, and all weights sum to 1.
    pub(crate) weight: Vec<f32>,
    /// Slots of the negative pool, `[C]`: the in-batch ones, then the random ones.
    pub(crate) pool: Vec<i64>,
    /// The pairs that the in-batch part of the pool comes from, in the order of its columns.
    pub(crate) pool_pairs: Vec<usize>,
    /// How many items random negatives are drawn from.
    pub(crate) n_eligible: usize,
    /// Cells `pair * C + column` of the logits that are no negatives (same item, or same user), by rising pair.
    pub(crate) masked: Vec<i64>,
    pub(crate) correction: PositiveCorrection,
    n_users: usize,
}

impl TrainBatch {
    /// Users with at least one pair.
    #[must_use]
    pub const fn n_users(&self) -> usize {
        self.n_users
    }

    /// (position, label) pairs.
    #[must_use]
    pub const fn n_pairs(&self) -> usize {
        self.label.len()
    }

    /// Real actions in the input, without padding.
    #[must_use]
    pub fn n_tokens(&self) -> usize {
        self.groups.iter().map(|group| group.tokens.n_tokens()).sum()
    }
}

/// Draws batches.
#[derive(Debug)]
pub struct Sampler {
    sequences: Arc<Sequences>,
    spec: ModelSpec,
    config: SamplerConfig,
    objective: Box<dyn PairSampler>,
    labels: Labels,
    /// Users that have a pair, and the columns at which an input of theirs may end.
    users: Vec<usize>,
    ends: Vec<std::ops::Range<usize>>,
    end_places: Vec<usize>,
    eligible: Vec<u32>,
    order: Mutex<(u64, Vec<u32>)>,
}

impl Sampler {
    /// A sampler over training sequences, which must be resolved against the spec's items and hold neither held-out
    /// users nor anything after the cut-off.
    ///
    /// # Errors
    /// When no user has a pair under the spec's objective.
    pub fn new(
        sequences: Arc<Sequences>,
        spec: &ModelSpec,
        config: SamplerConfig,
    ) -> Result<Self, ModelError> {
        let objective = objective_sampler(spec, config.positions);
        let labels = Labels::new(&sequences);
        let (mut users, mut ends, mut end_places) = (Vec::new(), Vec::new(), Vec::new());
        for user in 0..sequences.n_users() {
            let first = end_places.len();
            let timeline = Timeline { sequences: &sequences, labels: &labels, user };
            end_places.extend(sequences.range(user).filter(|&at| objective.can_end_at(timeline, at)));
            if end_places.len() > first {
                users.push(user);
                ends.push(first..end_places.len());
            }
        }
        if users.is_empty() {
            return Err(ModelError::NoPairs(format!(
                "of {} users with {} actions none has a positive action after another one within the objective's \
                 window ({:?}); look at `positives` and at the time range",
                sequences.n_users(),
                sequences.n_actions(),
                spec.objective
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
            labels,
            users,
            ends,
            end_places,
            eligible,
            order,
        })
    }

    /// Users that can be drawn.
    #[must_use]
    pub const fn n_users(&self) -> usize {
        self.users.len()
    }

    /// The batch of a step; the same whenever and in whatever order it is asked for.
    #[must_use]
    pub fn batch(&self, step: u64) -> TrainBatch {
        let mut rng = self.rng(1, step);
        let (mut windows, mut window_pairs, mut window_users) = (Vec::new(), Vec::new(), Vec::new());
        let mut drawn = self.users_of(step);
        drawn.sort_unstable(); // columns are read forward
        drawn.dedup();
        for idx in drawn {
            let user = self.users[idx];
            let ends = &self.end_places[self.ends[idx].clone()];
            let newest = rng.random_bool(self.config.newest_share);
            let end = if newest { ends[0] } else { ends[rng.random_range(0..ends.len())] };
            let window = Window::ending_at(&self.sequences, &self.spec, user, end);
            let timeline = Timeline { sequences: &self.sequences, labels: &self.labels, user };
            let pairs = self.objective.pairs(timeline, &window, &mut rng);
            if !pairs.is_empty() {
                windows.push(window);
                window_pairs.push(pairs);
                window_users.push(user);
            }
        }
        self.assemble(&windows, &window_pairs, &window_users, &mut rng)
    }

    fn rng(&self, stream: u64, number: u64) -> Pcg64Mcg {
        let key = [self.config.seed.to_le_bytes(), stream.to_le_bytes(), number.to_le_bytes()].concat();
        Pcg64Mcg::seed_from_u64(xxhash_rust::xxh3::xxh3_64(&key))
    }

    /// Indices into `users`: each epoch is a permutation of its own.
    fn users_of(&self, step: u64) -> Vec<usize> {
        let n = self.users.len() as u64;
        let first = step * self.config.users as u64;
        let mut order = self.order.lock().expect("no holder of the lock panics");
        (first..first + self.config.users as u64)
            .map(|number| {
                let (epoch, place) = (number / n, (number % n) as usize);
                if order.0 != epoch {
                    let mut rng = self.rng(0, epoch);
                    let mut shuffled: Vec<u32> = (0..n as u32).collect();
                    for last in (1..shuffled.len()).rev() {
                        shuffled.swap(last, rng.random_range(0..=last));
                    }
                    *order = (epoch, shuffled);
                }
                order.1[place] as usize
            })
            .collect()
    }

    fn assemble(
        &self,
        windows: &[Window],
        pairs: &[Vec<(usize, usize)>],
        users: &[usize],
        rng: &mut Pcg64Mcg,
    ) -> TrainBatch {
        let mut slots = Slots::default();
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
            n_users: windows.len(),
        };
        for members in group_by_length(windows, TRAIN_TOKENS) {
            let tokens = TokenGroup::new(&self.sequences, &self.spec, windows, &members);
            let n_queries = members.iter().map(|&idx| pairs[idx].len()).max().unwrap_or(0);
            let (mut queries, mut valid) = (vec![0; members.len() * n_queries], Vec::new());
            for (row, &idx) in members.iter().enumerate() {
                let weight = 1.0 / (pairs[idx].len() * windows.len()) as f32;
                for (column, &(position, label)) in pairs[idx].iter().enumerate() {
                    let cell = row * n_queries + column;
                    queries[cell] = (windows[idx].len() - 1 - position) as i64;
                    valid.push(cell as i64);
                    batch.label.push(slots.of(self.sequences.actions.item[label]));
                    batch.user.push(users[idx]);
                    batch.weight.push(weight);
                }
            }
            let token_slot = if self.spec.history_bag.is_some() {
                tokens.item.iter().map(|&item| slots.of(item as u32)).collect()
            } else {
                Vec::new()
            };
            batch.groups.push(QueryGroup { tokens, token_slot, queries, n_queries, valid });
        }
        batch.pool_pairs = draw_without_replacement(batch.label.len(), self.config.negatives.in_batch, rng);
        batch.pool = batch.pool_pairs.iter().map(|&pair| batch.label[pair]).collect();
        for _ in 0..self.config.negatives.random {
            batch.pool.push(slots.of(self.eligible[rng.random_range(0..self.eligible.len())]));
        }
        batch.items = slots.items;
        mask(&mut batch);
        batch
    }
}

/// Find, for each pair, the columns of the pool that hold its own label or come from its own user.
fn mask(batch: &mut TrainBatch) {
    let (mut of_item, mut of_user) = (HashMap::<i64, Vec<i64>>::new(), HashMap::<usize, Vec<i64>>::new());
    for (column, &slot) in batch.pool.iter().enumerate() {
        of_item.entry(slot).or_default().push(column as i64);
    }
    for (column, &pair) in batch.pool_pairs.iter().enumerate() {
        of_user.entry(batch.user[pair]).or_default().push(column as i64);
    }
    let n_columns = batch.pool.len() as i64;
    for (pair, (slot, user)) in batch.label.iter().zip(&batch.user).enumerate() {
        let columns = [of_item.get(slot), of_user.get(user)];
        let cells = columns.into_iter().flatten().flatten().map(|column| pair as i64 * n_columns + column);
        batch.masked.extend(cells);
    }
}

/// At most `count` of `0..n`, without replacement.
fn draw_without_replacement(n: usize, count: usize, rng: &mut Pcg64Mcg) -> Vec<usize> {
    let mut all: Vec<usize> = (0..n).collect();
    let count = count.min(n);
    for drawn in 0..count {
        let other = rng.random_range(drawn..n);
        all.swap(drawn, other);
    }
    all.truncate(count);
    all
}

/// Items of a batch, each once.
#[derive(Default)]
struct Slots {
    items: Vec<i64>,
    of_item: HashMap<u32, i64>,
}

impl Slots {
    fn of(&mut self, item: u32) -> i64 {
        *self.of_item.entry(item).or_insert_with(|| {
            self.items.push(i64::from(item));
            self.items.len() as i64 - 1
        })
    }
}
