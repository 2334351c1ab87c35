//! Promotion: a model serves only if it is no worse than the one that serves, on the same users and days.

use anyhow::Context as _;
use dayvec_core::Gate;
use dayvec_experiment::{Config, Contest, ServingModelMissing, Store};
use dayvec_registry::{NewPromotion, Promotion, newest_promotion};
use dayvec_runtime::fault::OrFault as _;

use super::meter;

/// The outcome of a promotion.
#[derive(Debug)]
pub(crate) enum PromotionDecision {
    /// The record is written.
    Promoted(Promotion),
    /// Gates failed.
    Refused { reason: String, gates: Vec<Gate> },
}

/// Measure a model against the one that serves, and promote it if it passes its gates, or by `force`.
///
/// It blocks for as long as two models take to encode the test users.
///
/// # Errors
/// With their kind of fault; configuration when there is no such model.
pub(crate) fn promote(
    config: &Config,
    store: &Store,
    model_id: &str,
    by: &str,
    force: bool,
) -> anyhow::Result<PromotionDecision> {
    let promoted = measure_and_promote(config, store, model_id, by, force);
    match &promoted {
        Ok((PromotionDecision::Promoted(_), contest)) => meter::promotion("promoted", Some(contest)),
        Ok((PromotionDecision::Refused { .. }, contest)) => meter::promotion("refused", Some(contest)),
        Err(_) => meter::promotion("failed", None),
    }
    promoted.map(|(decision, _)| decision)
}

fn measure_and_promote(
    config: &Config,
    store: &Store,
    model_id: &str,
    by: &str,
    force: bool,
) -> anyhow::Result<(PromotionDecision, Contest)> {
    // A model that serves only because none was ever promoted need not be beaten.
    let newest = store.block_on(newest_promotion(store.bucket()));
    let newest = newest.or_fault().context("find the serving model")?;
    let serving = newest.map(|promotion| promotion.model_id).filter(|serving| serving != model_id);
    let contest = match Contest::run(config, store, model_id, serving.as_deref()) {
        Err(error) if force && error.is::<ServingModelMissing>() => {
            tracing::warn!(error = format!("{error:#}"), "the serving model is not compared with");
            Contest::run(config, store, model_id, None)?
        }
        contest => contest?,
    };
    let gates = contest.gates(&config.raw.promotion);
    let failed: Vec<String> = gates.iter().filter(|gate| !gate.passed).map(Gate::to_string).collect();
    if !failed.is_empty() && !force {
        let against = serving.map_or_else(|| "popularity".to_owned(), |serving| format!("model {serving}"));
        let reason = format!("{model_id} is not promoted: compared with {against}, {}", failed.join("; "));
        return Ok((PromotionDecision::Refused { reason, gates }, contest));
    }
    let new = NewPromotion { model_id: model_id.into(), by: by.into(), forced: !failed.is_empty(), gates };
    let promotion = store.block_on(dayvec_registry::promote(store.bucket(), new));
    let promotion = promotion.or_fault().context("promote a model")?;
    tracing::info!(model_id, sequence = promotion.sequence, forced = promotion.forced, "promoted");
    Ok((PromotionDecision::Promoted(promotion), contest))
}
