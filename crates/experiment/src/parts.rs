//! The parts of a model: a few settled candidates are trained up to an earlier cut-off, and the best of them there is trained
//! again up to the real one. **Nothing is chosen on the test days.**

use anyhow::Context;
use dayvec_core::{PartsSpec, Sequences};
use dayvec_evaluation::{Embeddings, EvalOptions, EvaluationError, TimeSplit, Truth, retrieve};
use dayvec_parts::{
    BasisWidths, ByItem, Fit, FitOptions, FitProgress, FoldBases, Horizon, ItemCounts, Parts, PartsError,
    TrainingRows,
};
use dayvec_report::{PartsChoice, PartsTrial};
use dayvec_runtime::fault::OrFault as _;
use tch::Device;

use crate::config::{Config, PartWidths};
use crate::data::ModelData;

/// Called after each step; says whether to go on.
pub(crate) type OnStep<'a> = dyn FnMut(FitProgress) -> bool + 'a;

/// Parts that may be chosen, and the weight of unseen items in their loss.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Candidate {
    parts: PartsSpec,
    unseen_weight: f64,
}

/// The parts of a configuration, to be trained.
pub(crate) struct PartsTraining<'a> {
    pub(crate) config: &'a Config,
    pub(crate) data: &'a ModelData,
    /// Asked between two bases.
    pub(crate) stop: &'a dyn Fn() -> bool,
}

/// What a training of parts gave.
pub(crate) struct TrainedParts {
    pub(crate) parts: Parts,
    /// Users that the weights were learned from, at one cut-off or at many.
    pub(crate) n_users: usize,
    /// What was tried; `None` where there was nothing to choose, or nothing to choose by.
    pub(crate) choice: Option<PartsChoice>,
}

/// Whether an error of [`PartsTraining::run`] says that it was stopped.
pub(crate) fn is_stop(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(PartsError::Stopped))
}

impl PartsTraining<'_> {
    /// Steps of the whole training, the choice included.
    pub(crate) fn steps(&self) -> u64 {
        let settings = &self.config.raw.parts;
        let tried = match (self.config.parts.len(), settings.unseen_weights.len()) {
            (1, 0..=1) => 0,
            (candidates, weights) => (candidates + weights.saturating_sub(1)) as u64,
        };
        (settings.softmax_steps + settings.recall_steps) * (tried + 1)
    }

    /// Choose and train.
    ///
    /// # Errors
    /// One for which [`is_stop`] holds, once `on_step` said to stop.
    pub(crate) fn run(&self, on_step: &mut OnStep<'_>) -> anyhow::Result<TrainedParts> {
        let (candidate, choice) = self.choose(on_step)?;
        let PartsSpec { memory, cooccurrence, trend, .. } = candidate.parts;
        tracing::info!(memory, cooccurrence, trend, candidate.unseen_weight, "training the parts");
        let history = &self.data.history;
        let by_item = ByItem::of(history);
        let rows = self.rows(&by_item, self.data.split)?;
        let bases = self.bases(history, &[candidate])?;
        let parts = self.fit(&rows, &bases, candidate, on_step)?;
        Ok(TrainedParts { parts, n_users: rows.n_users(), choice })
    }

    /// The candidate with the best recall on the days before the test days.
    fn choose(&self, on_step: &mut OnStep<'_>) -> anyhow::Result<(Candidate, Option<PartsChoice>)> {
        let settings = &self.config.raw.parts;
        let candidates = self.candidates();
        let first = candidates[0];
        if candidates.len() == 1 && settings.unseen_weights.len() <= 1 {
            return Ok((first, None));
        }
        let split = self.data.split.earlier();
        let history = split.history(&self.data.history);
        let by_item = ByItem::of(&history);
        let measurable = self.measurable(&by_item, split)?;
        let Some((rows, truth)) = measurable else {
            tracing::warn!(
                "the log is too short to choose the parts on earlier days: taking the first candidate"
            );
            return Ok((first, None));
        };
        let bases = self.bases(&history, &candidates)?;
        let mut tried: Vec<(Candidate, PartsTrial)> = Vec::new();
        let mut measure = |candidate: Candidate| -> anyhow::Result<PartsTrial> {
            let parts = self.fit(&rows, &bases, candidate, on_step)?;
            let trial = trial(&parts, candidate, &by_item, split, &truth)?;
            tracing::info!(%trial, "candidate parts");
            Ok(trial)
        };
        for candidate in candidates {
            tried.push((candidate, measure(candidate)?));
        }
        for &unseen_weight in settings.unseen_weights.iter().skip(1) {
            let candidate = Candidate { unseen_weight, ..best(&tried).0 };
            tried.push((candidate, measure(candidate)?));
        }
        let (candidate, chosen) = best(&tried);
        let choice = PartsChoice {
            from: split.cut_off,
            n_days: split.n_days,
            n_users: truth.users.len(),
            chosen,
            tried: tried.into_iter().map(|(_, trial)| trial).collect(),
        };
        Ok((candidate, Some(choice)))
    }

    fn candidates(&self) -> Vec<Candidate> {
        let settings = &self.config.raw.parts;
        let unseen_weight = settings.unseen_weights.first().copied().unwrap_or(0.0);
        let candidate = |&PartWidths { memory, cooccurrence, trend }: &PartWidths| Candidate {
            parts: PartsSpec { memory, cooccurrence, trend, history_len: settings.history_len },
            unseen_weight,
        };
        self.config.parts.iter().map(candidate).collect()
    }

    /// Rows up to an earlier cut-off, and what is relevant after it; `None` where there is nothing to train or measure on.
    fn measurable<'b>(
        &self,
        by_item: &'b ByItem<'b>,
        split: TimeSplit,
    ) -> anyhow::Result<Option<(TrainingRows<'b>, Truth)>> {
        let truth = match Truth::build(by_item.sequences(), &split.future(&self.data.history)) {
            Err(EvaluationError::NoUsers) => return Ok(None),
            truth => truth.or_fault().context("find users to choose the parts by")?,
        };
        match self.rows(by_item, split) {
            Err(error) if matches!(error.downcast_ref(), Some(PartsError::NoRows(_))) => Ok(None),
            rows => Ok(Some((rows?, truth))),
        }
    }

    /// The training rows up to a cut-off, without held-out users.
    fn rows<'b>(&self, by_item: &'b ByItem<'b>, split: TimeSplit) -> anyhow::Result<TrainingRows<'b>> {
        let horizon = Horizon { until_s: split.cut_off.start_s(), n_days: split.n_days };
        let history_len = self.config.raw.parts.history_len;
        let rows = TrainingRows::of(by_item, horizon, history_len, |user| !self.data.is_held_out(user));
        rows.or_fault().context("find what to train the parts on")
    }

    /// Bases as wide as the widest of the candidates.
    fn bases(&self, history: &Sequences, candidates: &[Candidate]) -> anyhow::Result<FoldBases> {
        let widest = |width: fn(&PartsSpec) -> usize| {
            candidates.iter().map(|candidate| width(&candidate.parts)).max().unwrap_or(0)
        };
        let widths = BasisWidths {
            memory: widest(|parts| parts.memory),
            cooccurrence: widest(|parts| parts.cooccurrence),
        };
        let bases = FoldBases::of(history, widths, self.config.raw.run.seed, self.stop);
        bases.or_fault().context("build the bases of the parts")
    }

    fn fit(
        &self,
        rows: &TrainingRows<'_>,
        bases: &FoldBases,
        candidate: Candidate,
        on_step: &mut OnStep<'_>,
    ) -> anyhow::Result<Parts> {
        let settings = &self.config.raw.parts;
        let options = FitOptions {
            parts: candidate.parts,
            seed: self.config.raw.run.seed,
            rows: settings.rows,
            softmax_steps: settings.softmax_steps,
            recall_steps: settings.recall_steps,
            unseen_weight: candidate.unseen_weight,
        };
        let PartsSpec { memory, cooccurrence, .. } = candidate.parts;
        let bases = bases.narrow(BasisWidths { memory, cooccurrence });
        Fit::run(rows, bases, options, Device::cuda_if_available(), on_step)
            .or_fault()
            .context("train the parts")
    }
}

/// Recall of parts on the days of `split`.
fn trial(
    parts: &Parts,
    candidate: Candidate,
    by_item: &ByItem<'_>,
    split: TimeSplit,
    truth: &Truth,
) -> anyhow::Result<PartsTrial> {
    let history = by_item.sequences();
    let counts = ItemCounts::of(by_item, split.cut_off.start_s(), candidate.parts.history_len);
    let users = parts.encode_users(history, &truth.users).or_fault()?;
    let items = parts.encode_items(&counts).or_fault()?;
    let n_items = history.items.ids().len();
    let scorer = Embeddings::new("parts", &truth.users, &users, n_items, &items).or_fault()?;
    let options = EvalOptions { interests: None, n_resamples: 1, ..EvalOptions::default() };
    let metrics = retrieve(&scorer, history, truth, &options).or_fault().context("measure the parts")?;
    let metrics = metrics.metrics(&|_| true);
    let PartsSpec { memory, cooccurrence, trend, .. } = candidate.parts;
    Ok(PartsTrial {
        memory,
        cooccurrence,
        trend,
        unseen_weight: candidate.unseen_weight,
        recall: metrics.seen_allowed.recall.micro.value,
        unseen_recall: metrics.seen_filtered.recall.micro.value,
    })
}

/// The best of those tried; the first of equal ones.
fn best(tried: &[(Candidate, PartsTrial)]) -> (Candidate, PartsTrial) {
    let better = |best: (Candidate, PartsTrial), other: &(Candidate, PartsTrial)| {
        if other.1.merit() > best.1.merit() { *other } else { best }
    };
    tried.iter().fold(tried[0], better)
}
