//! The contest between a new model and the serving one: both measured on the same users and days, and judged by gates.

use std::collections::HashSet;

use anyhow::Context;
use dayvec_core::{Day, FaultKind, Gate, IdColumn};
use dayvec_evaluation::baselines::popularity;
use dayvec_evaluation::{EvalOptions, Outcomes, Scorer, retrieve};
use dayvec_runtime::fault::{OrFault as _, WithFault as _};

use crate::alignment::Both;
use crate::checkpoint::{Checkpoint, NoSuchCheckpoint, fetch, trained_until};
use crate::config::{Config, PromotionSettings};
use crate::evaluate::{baseline_input, model_scorer, truth};
use crate::store::Store;

/// What was measured of two models and of popularity: recall@10, micro, seen items allowed, on the test days of the
/// candidate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Contest {
    /// Recall of the model that is to serve.
    pub candidate: f64,
    /// Where its training ended.
    pub cut_off: Day,
    /// Recall of popularity on the same users.
    pub popularity: f64,
    /// The model that serves; absent where there is none.
    pub serving: Option<ServingModel>,
}

/// What was measured of the model that serves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ServingModel {
    /// Where its training ended.
    pub cut_off: Day,
    /// Its recall on the users that both models can encode; absent where its training has seen the test days.
    pub recall: Option<f64>,
    /// Mean cosine of users' embeddings under both models, where both have parts of the same widths; else the two spaces have
    /// nothing in common.
    pub cosine: Option<f64>,
}

/// The checkpoint of the model that serves is gone from the bucket, so no other can be compared with it.
#[derive(Debug, thiserror::Error)]
#[error(
    "the checkpoint of the serving model {model_id} is missing; restore it, or promote with force, which then compares \
     with popularity alone"
)]
pub struct ServingModelMissing {
    model_id: String,
}

impl Contest {
    /// Measure a model, popularity and the serving model (where there is one) on the test days of the first, over the
    /// users that both models can encode.
    ///
    /// # Errors
    /// With their kind of fault; [`NoSuchCheckpoint`] when there is no such candidate, [`ServingModelMissing`] when the
    /// serving model has no checkpoint any more.
    pub fn run(
        config: &Config,
        store: &Store,
        candidate: &str,
        serving: Option<&str>,
    ) -> anyhow::Result<Self> {
        let mut config = config.clone();
        config.raw.split.cut_off = None;
        let candidate = Checkpoint::load(&config, store, candidate)?;
        let cut_off = candidate.data.split.cut_off;
        let ours = candidate.outcomes(&config)?;
        let everyone = |_: usize| true;
        let mut contest = Self {
            candidate: recall(&ours.model, &everyone),
            cut_off,
            popularity: recall(&ours.popularity, &everyone),
            serving: None,
        };
        let Some(serving) = serving else { return Ok(contest) };
        let folder = fetch(store, serving, &config.work_dir).or_else(|error| {
            match error.is::<NoSuchCheckpoint>() {
                true => Err(ServingModelMissing { model_id: serving.to_owned() }).fault(FaultKind::Data),
                false => Err(error),
            }
        })?;
        let serving_cut_off = trained_until(&folder)?;
        contest.serving = Some(ServingModel { cut_off: serving_cut_off, recall: None, cosine: None });
        if serving_cut_off > cut_off {
            return Ok(contest);
        }
        config.raw.split.cut_off = Some(cut_off);
        let serving = Checkpoint::load(&config, store, serving)?;
        let theirs = serving.outcomes(&config)?;
        let (our_ids, their_ids) = (&candidate.data.history.users, &serving.data.history.users);
        let (our_users, their_users) = (ours.user_ids(our_ids), theirs.user_ids(their_ids));
        let is_theirs = |user: usize| their_users.contains(our_ids.get(user));
        contest.candidate = recall(&ours.model, &is_theirs);
        contest.popularity = recall(&ours.popularity, &is_theirs);
        let serving_recall = recall(&theirs.model, &|user| our_users.contains(their_ids.get(user)));
        let cosine = mean_cosine(&candidate, &serving)?;
        contest.serving =
            Some(ServingModel { cut_off: serving_cut_off, recall: Some(serving_recall), cosine });
        Ok(contest)
    }

    /// The gates that the candidate must pass to be promoted.
    #[must_use]
    pub fn gates(&self, limits: &PromotionSettings) -> Vec<Gate> {
        let ratio = |other: f64| if other > 0.0 { self.candidate / other } else { f64::INFINITY };
        let (popularity, min_popularity) = (ratio(self.popularity), limits.min_popularity_ratio);
        let mut gates = vec![
            Gate::new("recall@10", self.candidate, None, None),
            Gate::new("recall@10 against popularity", popularity, Some(min_popularity), None),
        ];
        let Some(serving) = self.serving else { return gates };
        let ahead = f64::from(serving.cut_off.days_since(self.cut_off).max(0));
        gates.push(Gate::new("days by which the serving model's training is newer", ahead, None, Some(0.0)));
        if let Some(recall) = serving.recall {
            let name = "recall@10 against the serving model";
            gates.push(Gate::new(name, ratio(recall), Some(limits.min_recall_ratio), None));
        }
        if let Some(cosine) = serving.cosine {
            let name = "mean cosine of users to the serving model's";
            gates.push(Gate::new(name, cosine, Some(limits.min_mean_cosine), None));
        }
        gates
    }
}

/// Mean cosine of users' embeddings under two models with the same log; `None` where their spaces have nothing in common.
fn mean_cosine(candidate: &Checkpoint, serving: &Checkpoint) -> anyhow::Result<Option<f64>> {
    let (Some(ours), Some(theirs)) = (candidate.model.spec().parts, serving.model.spec().parts) else {
        return Ok(None);
    };
    let (new_history, old_history) = (&candidate.data.history, &serving.data.history);
    if !ours.is_as_wide_as(&theirs) || new_history.users != old_history.users {
        return Ok(None);
    }
    let [new, old] =
        Both { new: &candidate.model, older: &serving.model, new_history, old_history }.users()?;
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum::<f64>();
    let pairs = new.chunks_exact(ours.dim()).zip(old.chunks_exact(ours.dim()));
    let cosines: Vec<f64> =
        pairs.map(|(a, b)| dot(a, b) / (dot(a, a) * dot(b, b)).sqrt().max(f64::MIN_POSITIVE)).collect();
    Ok(Some(cosines.iter().sum::<f64>() / cosines.len().max(1) as f64))
}

fn recall(outcomes: &Outcomes, keep: &dyn Fn(usize) -> bool) -> f64 {
    outcomes.metrics(keep).seen_allowed.recall.micro.value
}

/// What a model and popularity retrieved for the test users.
struct ModelOutcomes {
    users: Vec<usize>,
    model: Outcomes,
    popularity: Outcomes,
}

impl ModelOutcomes {
    fn user_ids(&self, ids: &IdColumn) -> HashSet<String> {
        self.users.iter().map(|&user| ids.get(user).to_owned()).collect()
    }
}

impl Checkpoint {
    fn outcomes(&self, config: &Config) -> anyhow::Result<ModelOutcomes> {
        let history = &self.data.history;
        let truth = truth(&self.data)?;
        let options = EvalOptions { interests: None, n_resamples: 1, ..EvalOptions::default() };
        let run = |scorer: &dyn Scorer| {
            retrieve(scorer, history, &truth, &options)
                .or_fault()
                .with_context(|| format!("evaluate {}", scorer.name()))
        };
        let model = run(&model_scorer(&self.model, &self.data, &truth.users)?)?;
        let popularity = popularity(&baseline_input(config, &self.items, &self.data)).or_fault();
        let popularity = run(&popularity.context("find the best popularity")?)?;
        Ok(ModelOutcomes { users: truth.users, model, popularity })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(candidate: f64, popularity: f64, serving: Option<(f64, &str)>) -> Vec<String> {
        let day = |text: &str| text.parse::<Day>().unwrap();
        let cut_off = day("2024-03-01");
        let serving = serving.map(|(recall, trained_until)| ServingModel {
            cut_off: day(trained_until),
            recall: (day(trained_until) <= cut_off).then_some(recall),
            cosine: None,
        });
        let limits =
            PromotionSettings { min_recall_ratio: 0.95, min_popularity_ratio: 1.0, min_mean_cosine: 0.5 };
        let gates = Contest { candidate, cut_off, popularity, serving }.gates(&limits);
        gates.into_iter().filter(|gate| !gate.passed).map(|gate| gate.name).collect()
    }

    #[test]
    fn a_model_must_be_as_good_as_the_serving_one_and_better_than_popularity() {
        assert!(failed(0.05, 0.02, None).is_empty());
        assert!(failed(0.05, 0.0, Some((0.0, "2024-02-01"))).is_empty());
        assert!(failed(0.0476, 0.02, Some((0.05, "2024-03-01"))).is_empty());
        assert_eq!(failed(0.047, 0.02, Some((0.05, "2024-02-01"))), ["recall@10 against the serving model"]);
        assert_eq!(failed(0.01, 0.02, None), ["recall@10 against popularity"]);
        let older = failed(0.05, 0.02, Some((0.01, "2024-03-08")));
        assert_eq!(older, ["days by which the serving model's training is newer"]);
        assert_eq!(failed(f64::NAN, 0.02, None), ["recall@10", "recall@10 against popularity"]);
    }
}
