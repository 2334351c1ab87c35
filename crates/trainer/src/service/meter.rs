//! What the service tells its metrics; docs/metrics.md says what each means.

use dayvec_registry::Promotion;
use metrics::{counter, gauge};

use super::promotion::{AGAINST_SERVING, RECALL};
use super::record::What;
use crate::told::Standing;

/// Make every series exist from the start, so that a rate over it is right when it first moves.
pub(crate) fn describe() {
    for outcome in ["trained", "cancelled", "failed"] {
        counter!("training_run_total", "outcome" => outcome).absolute(0);
    }
    for outcome in ["promoted", "refused", "failed"] {
        counter!("model_promotion_total", "outcome" => outcome).absolute(0);
    }
    queue(false, 0);
    step(&Standing::default());
}

/// Whether a run is under way, and how many wait.
pub(crate) fn queue(is_active: bool, n_queued: usize) {
    gauge!("training_run_active").set(f64::from(u8::from(is_active)));
    gauge!("training_runs_queued").set(n_queued as f64);
}

/// How far the run under way is.
pub(crate) fn step(standing: &Standing) {
    gauge!("training_run_step").set(standing.step as f64);
    gauge!("training_run_steps").set(standing.steps as f64);
    gauge!("training_run_loss").set(standing.loss);
    gauge!("training_run_tokens_per_second").set(standing.tokens_per_s);
}

/// Something happened to a run.
pub(crate) fn ended(what: &What) {
    let outcome = match what {
        What::Trained { .. } => "trained",
        What::Cancelled => "cancelled",
        What::Failed { .. } => "failed",
        _ => return,
    };
    counter!("training_run_total", "outcome" => outcome).increment(1);
}

/// How a promotion ended.
pub(crate) fn promotion(outcome: &'static str, gates: &[dayvec_core::Gate]) {
    counter!("model_promotion_total", "outcome" => outcome).increment(1);
    let value = |name: &str| gates.iter().find(|gate| gate.name == name).map(|gate| gate.value);
    if let Some(candidate) = value(RECALL) {
        gauge!("model_recall_at_10", "of" => "candidate").set(candidate);
        if let Some(ratio) = value(AGAINST_SERVING).filter(|&ratio| ratio > 0.0) {
            gauge!("model_recall_at_10", "of" => "serving").set(candidate / ratio);
        }
    }
}

/// This model serves.
pub(crate) fn promoted(promotion: &Promotion) {
    if let Some(previous) = &promotion.previous {
        gauge!("model_promoted_info", "model" => previous.clone()).set(0.0);
    }
    gauge!("model_promoted_info", "model" => promotion.model_id.clone()).set(1.0);
    gauge!("model_promoted_timestamp_seconds").set(promotion.at.as_second() as f64);
}
