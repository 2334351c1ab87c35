//! The training of the parts, in two stages: a full softmax, which finds the way, then recall itself, made smooth.
//!
//! A step takes rows of one cut-off and one fold of users: items have one set of statistics then, and the basis is the one
//! that was fitted without these users. Serving has the basis of all users under the same weights.

use std::sync::mpsc;

use dayvec_core::PartsSpec;
use dayvec_model::{AdamW, OptimizerConfig, ParameterList, Parameters};
use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;
use tch::{Device, Kind, Tensor};

use crate::basis::{Basis, FoldBases};
use crate::batch::{Standard, UserInput};
use crate::candidates::Candidates;
use crate::error::PartsError;
use crate::history::Histories;
use crate::item_counts::ITEM_STATISTICS;
use crate::loss::{LIST, Labels, smooth_recall, softmax_loss};
use crate::network::Network;
use crate::parts::Parts;
use crate::rows::{Group, TrainingRows};

/// Peak learning rates of the two stages.
const SOFTMAX_RATE: f64 = 2e-3;
const RECALL_RATE: f64 = 5e-3;
const WEIGHT_DECAY: f64 = 0.01;
const CLIP_NORM: f64 = 5.0;
const WARM_UP_SHARE: f64 = 0.05;
/// Best columns of a row over which its threshold is found; the others have no share in it.
const TOP: i64 = 1000;
/// Score of an item that was not met before the cut-off.
const NOT_A_CANDIDATE: f64 = -1e4;
/// Rows from which statistics of users are standardised, and the first scale of the co-occurrence is found.
const SAMPLE_ROWS: usize = 2048;
const SCALE_ROWS: i64 = 64;
/// Mean score of the ten best items of a block of the co-occurrence at the start.
const FIRST_SCORE: f64 = 4.0;
/// Batches made ahead.
const AHEAD: usize = 2;

/// How to train.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FitOptions {
    /// The parts.
    pub parts: PartsSpec,
    /// Seed of every draw.
    pub seed: u64,
    /// Most rows of a step.
    pub rows: usize,
    /// Steps of the softmax.
    pub softmax_steps: u64,
    /// Steps of the smooth recall.
    pub recall_steps: u64,
    /// Weight of the recall of items that are new to the user, beside the recall of all.
    pub unseen_weight: f64,
}

impl FitOptions {
    /// Steps of both stages.
    #[must_use]
    pub const fn steps(&self) -> u64 {
        self.softmax_steps + self.recall_steps
    }

    const fn optimizer(&self, learning_rate: f64, steps: u64) -> OptimizerConfig {
        OptimizerConfig {
            learning_rate,
            warm_up_share: WARM_UP_SHARE,
            weight_decay: WEIGHT_DECAY,
            clip_norm: CLIP_NORM,
            beta1: 0.9,
            beta2: 0.999,
            dropout: 0.0,
            seed: self.seed,
            rank: 0,
            steps,
        }
    }
}

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FitProgress {
    /// Steps done, of [`FitOptions::steps`].
    pub step: u64,
    /// Loss of the step: cross-entropy, then minus the smooth recall.
    pub loss: f64,
    /// Rows of the step.
    pub n_rows: usize,
    /// Pairs of a row and an item that they had read.
    pub n_pairs: usize,
}

/// Called after each step; [`PartsError::Stopped`] when it says `false`.
pub type OnStep<'a> = &'a mut dyn FnMut(FitProgress) -> bool;

/// A batch, on its way into tensors.
struct Batch {
    group: Group,
    histories: Histories,
    candidates: Candidates,
    label_rows: Vec<i64>,
    label_columns: Vec<i64>,
    /// Which labels are on items that are new to the row.
    unseen: Vec<bool>,
    /// Row and column of each item that a row has acted on.
    own_rows: Vec<i64>,
    own_columns: Vec<i64>,
}

impl Batch {
    fn new(rows: &TrainingRows<'_>, group: Group, rng: &mut Pcg64Mcg) -> Self {
        let users = rows.rows(&group);
        let histories = Histories::of(rows.by_item, &users);
        let labels: Vec<Vec<u32>> = users.iter().map(|&row| rows.labels(row)).collect();
        let wanted = labels.iter().flatten().copied().chain(histories.items.iter().map(|&item| item as u32));
        let candidates = Candidates::of(&rows.cut_offs[group.cut_off].lately, wanted, rng);
        let mut batch = Self {
            group,
            histories,
            candidates,
            label_rows: Vec::new(),
            label_columns: Vec::new(),
            unseen: Vec::new(),
            own_rows: Vec::new(),
            own_columns: Vec::new(),
        };
        for (row, labels) in labels.iter().enumerate() {
            let own = batch.histories.items_of(row); // ascending
            for &item in labels {
                let Some(column) = batch.candidates.column(item) else { continue };
                batch.label_rows.push(row as i64);
                batch.label_columns.push(column);
                batch.unseen.push(own.binary_search(&i64::from(item)).is_err());
            }
            let columns = own.iter().filter_map(|&item| batch.candidates.column(item as u32));
            batch.own_columns.extend(columns);
            batch.own_rows.resize(batch.own_columns.len(), row as i64);
        }
        batch
    }

    /// The labels, all or only those on new items.
    fn labels(&self, unseen_only: bool, device: Device) -> Result<Labels, PartsError> {
        let pick = |values: &[i64]| {
            let kept: Vec<i64> = values
                .iter()
                .zip(&self.unseen)
                .filter(|(_, unseen)| !unseen_only || **unseen)
                .map(|(&value, _)| value)
                .collect();
            Ok::<_, PartsError>(Tensor::f_from_slice(&kept)?.f_to_device(device)?)
        };
        Ok(Labels { rows: pick(&self.label_rows)?, columns: pick(&self.label_columns)? })
    }

    /// Whether each row has acted on the item of each column, bool `[B, K]`.
    fn own(&self, scores: &Tensor) -> Result<Tensor, PartsError> {
        let device = scores.device();
        let at =
            |places: &[i64]| Ok::<_, PartsError>(Some(Tensor::f_from_slice(places)?.f_to_device(device)?));
        let mut own = Tensor::f_zeros(scores.size(), (Kind::Bool, device))?;
        let yes = Tensor::f_ones([1], (Kind::Bool, device))?;
        let _ = own.f_index_put_(&[at(&self.own_rows)?, at(&self.own_columns)?], &yes, false)?;
        Ok(own)
    }
}

/// Parts in training.
pub struct Fit<'a> {
    rows: &'a TrainingRows<'a>,
    bases: FoldBases,
    options: FitOptions,
    network: Network,
    parameters: Parameters,
    standard: Standard,
    device: Device,
}

impl<'a> Fit<'a> {
    /// Train parts on `rows` over `bases`, whose widths are those of the options.
    ///
    /// # Errors
    /// [`PartsError::Stopped`], [`PartsError::Diverged`], or when libtorch fails.
    pub fn run(
        rows: &'a TrainingRows<'a>,
        bases: FoldBases,
        options: FitOptions,
        device: Device,
        on_step: OnStep<'_>,
    ) -> Result<Parts, PartsError> {
        let mut rng = Pcg64Mcg::seed_from_u64(options.seed);
        let groups = rows.shuffled(options.rows, options.steps() as usize, &mut rng);
        let mut list = ParameterList::default();
        let network = Network::new(&mut list, options.parts);
        let parameters = Parameters::new(list, device, options.seed);
        tch::no_grad(|| network.start(&parameters.weights()));
        let standard = standard(rows, &groups);
        let mut fit = Self { rows, bases, options, network, parameters, standard, device };
        fit.scale_cooccurrence(&groups)?;
        std::thread::scope(|scope| {
            let (send, batches) = mpsc::sync_channel(AHEAD);
            scope.spawn(move || {
                for group in groups {
                    if send.send(Batch::new(rows, group, &mut rng)).is_err() {
                        return; // stopped
                    }
                }
            });
            fit.steps(batches, on_step)
        })?;
        let Self { bases, options, network, parameters, standard, device, .. } = fit;
        Ok(Parts {
            spec: options.parts,
            network,
            parameters,
            basis: bases.all,
            standard,
            rotations: Vec::new(),
            device,
        })
    }

    fn steps(&mut self, batches: mpsc::Receiver<Batch>, on_step: OnStep<'_>) -> Result<(), PartsError> {
        let FitOptions { softmax_steps, recall_steps, .. } = self.options;
        let stages = [
            self.options.optimizer(SOFTMAX_RATE, softmax_steps),
            self.options.optimizer(RECALL_RATE, recall_steps),
        ];
        let mut adam = AdamW::new(&self.parameters);
        for (step, batch) in (0..).zip(batches) {
            let in_recall = step >= softmax_steps;
            if step == softmax_steps {
                adam = AdamW::new(&self.parameters);
            }
            if !batch.label_rows.is_empty() {
                let loss = self.loss(&batch, in_recall)?;
                let value = loss.double_value(&[]);
                loss.backward();
                let step_of_stage = if in_recall { step - softmax_steps } else { step };
                let norm = adam.step(&mut self.parameters, &stages[usize::from(in_recall)], step_of_stage);
                if !value.is_finite() || !norm.is_finite() {
                    return Err(PartsError::Diverged { step, loss: value });
                }
                let (n_rows, n_pairs) = (batch.histories.n_rows(), batch.histories.items.len());
                if !on_step(FitProgress { step: step + 1, loss: value, n_rows, n_pairs }) {
                    return Err(PartsError::Stopped);
                }
            }
        }
        Ok(())
    }

    fn loss(&self, batch: &Batch, in_recall: bool) -> Result<Tensor, PartsError> {
        let scores = self.scores(batch)?; // [B, K]
        let labels = batch.labels(false, self.device)?;
        if !in_recall {
            return softmax_loss(&scores, &labels);
        }
        let columns = scores.size()[1];
        let top = tch::no_grad(|| scores.detach().f_topk(TOP.min(columns), 1, true, false))?.1; // [B, T]
        let recall = smooth_recall(&scores, &top, &labels)?;
        let unseen = batch.labels(true, self.device)?;
        if self.options.unseen_weight == 0.0 || unseen.is_empty() {
            return Ok(-recall);
        }
        let others = scores.f_masked_fill(&batch.own(&scores)?, NOT_A_CANDIDATE)?;
        Ok(-(recall + smooth_recall(&others, &top, &unseen)? * self.options.unseen_weight))
    }

    /// Scores of a batch, `[B, K]`.
    fn scores(&self, batch: &Batch) -> Result<Tensor, PartsError> {
        let w = self.parameters.weights();
        let cut_off = &self.rows.cut_offs[batch.group.cut_off];
        let basis = &self.bases.without[batch.group.fold];
        let input = UserInput::new(&batch.histories, &self.standard, self.device)?;
        let users = self.network.users(&w, &input, basis); // [B, D]
        let statistics = batch.candidates.pick(&cut_off.statistics, ITEM_STATISTICS);
        let statistics = self.standard.items(&statistics, self.device)?;
        let items = match &batch.candidates {
            Candidates::All(_) => self.network.items(&w, &statistics, basis),
            Candidates::Some(items) => self.network.items(&w, &statistics, &basis.rows(items)?),
        }; // [K, D]
        let first = |item: u32| self.rows.first_s[item as usize] >= cut_off.at_s;
        let unborn: Vec<bool> = batch.candidates.items().map(first).collect();
        let unborn = Tensor::f_from_slice(&unborn)?.f_to_device(self.device)?;
        Ok(users.f_matmul(&items.f_transpose(0, 1)?)?.f_masked_fill(&unborn, NOT_A_CANDIDATE)?)
    }

    /// Let the co-occurrence begin where the ten best items of each of its blocks have a mean score of 4: large enough to
    /// tell items apart, small enough to learn from.
    fn scale_cooccurrence(&self, groups: &[Group]) -> Result<(), PartsError> {
        let columns = self.network.cooccurrence_columns();
        let Some(group) = groups.first().filter(|_| !columns.is_empty()) else { return Ok(()) };
        let _no_grad = tch::no_grad_guard();
        let w = self.parameters.weights();
        let mut rows = self.rows.rows(group);
        rows.truncate(SCALE_ROWS as usize);
        let histories = Histories::of(self.rows.by_item, &rows);
        let basis = &self.bases.without[group.fold];
        let input = UserInput::new(&histories, &self.standard, self.device)?;
        let users = self.network.users(&w, &input, basis);
        let mut factors = Vec::with_capacity(columns.len());
        let mut first_target = 0;
        for (first, width) in columns {
            let of_block = users.f_narrow(1, first, width)?;
            let targets = basis.target.f_narrow(1, first_target, width)?;
            first_target += width;
            let scores = of_block.f_matmul(&targets.f_transpose(0, 1)?)?;
            let k = (LIST as i64).min(scores.size()[1]);
            let mean = scores.f_topk(k, 1, true, false)?.0.f_mean(Kind::Double)?.double_value(&[]);
            factors.push(if mean > 1e-6 { FIRST_SCORE / mean } else { 1.0 });
        }
        self.network.scale_cooccurrence(&w, &factors);
        Ok(())
    }
}

/// Means and deviations over some rows, and over the items of the newest cut-off that had positives lately.
fn standard(rows: &TrainingRows<'_>, groups: &[Group]) -> Standard {
    let sample: Vec<_> = groups.iter().flat_map(|group| rows.rows(group)).take(SAMPLE_ROWS).collect();
    let newest = &rows.cut_offs[0];
    let of_items = newest.statistics.chunks_exact(ITEM_STATISTICS).zip(&newest.lately);
    let items: Vec<f32> =
        of_items.filter(|(_, positives)| **positives > 0).flat_map(|(row, _)| row).copied().collect();
    Standard::of(&Histories::of(rows.by_item, &sample).users, &items)
}

impl Basis {
    /// The vectors of some items.
    fn rows(&self, items: &[u32]) -> Result<Self, PartsError> {
        let rows: Vec<i64> = items.iter().map(|&item| i64::from(item)).collect();
        let rows = Tensor::f_from_slice(&rows)?.f_to_device(self.memory.device())?;
        let pick = |vectors: &Tensor| vectors.f_index_select(0, &rows);
        Ok(Self { memory: pick(&self.memory)?, source: pick(&self.source)?, target: pick(&self.target)? })
    }
}
