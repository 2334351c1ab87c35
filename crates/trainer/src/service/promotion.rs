//! Promotion: a model serves only if it is no worse than the one that serves, on the same users and days.

use anyhow::Context as _;
use dayvec_bucket::BucketError;
use dayvec_core::{Day, Gate};
use dayvec_registry::{NewPromotion, Promotion, RegistryError};
use dayvec_runtime::{Exit, OrExit as _};

use crate::config::Config;
use crate::evaluate::{Contender, contend};
use crate::service::meter;
use crate::store::Store;

/// Names of the gates whose numbers are told as metrics too.
pub(crate) const RECALL: &str = "recall@10";
pub(crate) const AGAINST_SERVING: &str = "recall@10 against the serving model";

/// How a promotion ended.
#[derive(Debug)]
pub(crate) enum Promoted {
    /// The record is written.
    Yes(Promotion),
    /// Gates failed.
    Refused { reason: String, gates: Vec<Gate> },
}

/// Measure a model against the one that serves, and promote it if it passes its gates, or in spite of them.
///
/// It blocks for as long as two models take to encode the test users.
///
/// # Errors
/// With the exit code that says what the caller can do; 64 when there is no such model.
pub(crate) fn promote(config: &Config, model_id: &str, by: &str, force: bool) -> anyhow::Result<Promoted> {
    let promoted = judge_and_promote(config, model_id, by, force);
    match &promoted {
        Ok(Promoted::Yes(promotion)) => meter::promotion("promoted", &promotion.gates),
        Ok(Promoted::Refused { gates, .. }) => meter::promotion("refused", gates),
        Err(_) => meter::promotion("failed", &[]),
    }
    promoted
}

fn judge_and_promote(config: &Config, model_id: &str, by: &str, force: bool) -> anyhow::Result<Promoted> {
    let store = Store::open(&config.bucket, config.raw.single_publisher)?;
    let serving = serving(&store)?.filter(|serving| serving != model_id);
    let contenders = contend(config, model_id, serving.as_deref())?;
    let gates = judge(config, &contenders);
    let failed: Vec<String> = gates.iter().filter(|gate| !gate.passed).map(|gate| gate.to_string()).collect();
    if !failed.is_empty() && !force {
        let against = serving.map_or_else(|| "popularity".to_owned(), |serving| format!("model {serving}"));
        let reason = format!("{model_id} is not promoted: judged against {against}, {}", failed.join("; "));
        return Ok(Promoted::Refused { reason, gates });
    }
    let new = NewPromotion { model_id: model_id.into(), by: by.into(), forced: !failed.is_empty(), gates };
    let promotion = registry(store.block_on(dayvec_registry::promote(store.bucket(), new)))?;
    tracing::info!(model_id, sequence = promotion.sequence, forced = promotion.forced, "promoted");
    Ok(Promoted::Yes(promotion))
}

/// The model that was promoted last. One that serves only because nothing was ever promoted is not defended.
fn serving(store: &Store) -> anyhow::Result<Option<String>> {
    let newest = registry(store.block_on(dayvec_registry::newest_promotion(store.bucket())))?;
    Ok(newest.map(|promotion| promotion.model_id))
}

/// What was measured of both.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Contest {
    /// The model that wants to serve.
    pub(crate) candidate: Contender,
    /// Recall@10 of popularity on the same users.
    pub(crate) popularity: f64,
    /// The model that serves, measured on the same users; absent where there is none, or where it has seen the test.
    pub(crate) serving: Option<f64>,
    /// Where the training of the serving model ended.
    pub(crate) serving_cut_off: Option<Day>,
}

fn judge(config: &Config, contest: &Contest) -> Vec<Gate> {
    let limits = &config.raw.promotion;
    let recall = contest.candidate.recall_at_10;
    let ratio = |other: f64| if other > 0.0 { recall / other } else { f64::INFINITY };
    let over_popularity = ratio(contest.popularity);
    let mut gates = vec![
        Gate::new(RECALL, recall, None, None),
        Gate::new("recall@10 against popularity", over_popularity, Some(limits.min_popularity_ratio), None),
    ];
    if let Some(serving_cut_off) = contest.serving_cut_off {
        let ahead = f64::from(serving_cut_off.days_since(contest.candidate.cut_off).max(0));
        gates.push(Gate::new(
            "days that the serving model's training reaches further",
            ahead,
            None,
            Some(0.0),
        ));
    }
    if let Some(serving) = contest.serving {
        gates.push(Gate::new(AGAINST_SERVING, ratio(serving), Some(limits.min_recall_ratio), None));
    }
    gates
}

fn registry<T>(result: Result<T, RegistryError>) -> anyhow::Result<T> {
    let exit = match &result {
        Err(RegistryError::NoSuchModel { .. }) => Exit::BadConfig,
        Err(RegistryError::LostRace { .. }) => Exit::LostRace,
        Err(RegistryError::Bucket(BucketError::Damaged { .. }) | RegistryError::PromotedModelGone { .. }) => {
            Exit::BadData
        }
        _ => Exit::Unavailable,
    };
    result.or_exit(exit).context("promote a model")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(recall: f64, popularity: f64, serving: Option<(f64, &str)>) -> Vec<String> {
        let day = |text: &str| text.parse::<Day>().unwrap();
        let contest = Contest {
            candidate: Contender { recall_at_10: recall, cut_off: day("2024-03-01") },
            popularity,
            serving: serving
                .filter(|(_, cut_off)| day(cut_off) <= day("2024-03-01"))
                .map(|(recall, _)| recall),
            serving_cut_off: serving.map(|(_, cut_off)| day(cut_off)),
        };
        let gates = judge(&Config::load(None).unwrap(), &contest);
        gates.into_iter().filter(|gate| !gate.passed).map(|gate| gate.name).collect()
    }

    #[test]
    fn a_model_must_be_as_good_as_the_serving_one_and_better_than_popularity() {
        assert!(failed(0.05, 0.02, None).is_empty());
        assert!(failed(0.05, 0.0, Some((0.0, "2024-02-01"))).is_empty());
        assert!(failed(0.0476, 0.02, Some((0.05, "2024-03-01"))).is_empty());
        assert_eq!(failed(0.047, 0.02, Some((0.05, "2024-02-01"))), [AGAINST_SERVING]);
        assert_eq!(failed(0.01, 0.02, None), ["recall@10 against popularity"]);
        let older = failed(0.05, 0.02, Some((0.01, "2024-03-08")));
        assert_eq!(older, ["days that the serving model's training reaches further"]);
        assert_eq!(failed(f64::NAN, 0.02, None), ["recall@10", "recall@10 against popularity"]);
    }
}
