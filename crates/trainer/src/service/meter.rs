//! The metrics of the service; docs/metrics.md describes each.

use dayvec_experiment::{Contest, StepProgress};
use dayvec_registry::Promotion;
use metrics::{counter, gauge};

use super::record::RunChange;

/// Create every series at the start, so that a rate over it is right when it first moves.
pub(crate) fn describe() {
    for outcome in ["trained", "cancelled", "failed"] {
        counter!("training_run_total", "outcome" => outcome).absolute(0);
    }
    for outcome in ["promoted", "refused", "failed"] {
        counter!("model_promotion_total", "outcome" => outcome).absolute(0);
    }
    counter!("training_foreign_record_total").absolute(0);
    queue(false, 0);
    step(&StepProgress::default());
}

/// Another service wrote a record to this bucket.
pub(crate) fn foreign_record() {
    counter!("training_foreign_record_total").increment(1);
}

/// Whether a run is being trained, and how many wait.
pub(crate) fn queue(is_active: bool, n_queued: usize) {
    gauge!("training_run_active").set(f64::from(u8::from(is_active)));
    gauge!("training_runs_queued").set(n_queued as f64);
}

/// The progress of the run that is being trained.
pub(crate) fn step(progress: &StepProgress) {
    gauge!("training_run_step").set(progress.step as f64);
    gauge!("training_run_steps").set(progress.steps as f64);
    gauge!("training_run_loss").set(progress.loss);
    gauge!("training_run_tokens_per_second").set(progress.tokens_per_s);
}

/// Count the end of a run.
pub(crate) fn ended(change: &RunChange) {
    let outcome = match change {
        RunChange::Trained { .. } => "trained",
        RunChange::Cancelled => "cancelled",
        RunChange::Failed { .. } => "failed",
        _ => return,
    };
    counter!("training_run_total", "outcome" => outcome).increment(1);
}

/// Count the outcome of a promotion, and show what was measured of both models.
pub(crate) fn promotion(outcome: &'static str, contest: Option<&Contest>) {
    counter!("model_promotion_total", "outcome" => outcome).increment(1);
    let Some(contest) = contest else { return };
    gauge!("model_recall_at_10", "of" => "candidate").set(contest.candidate);
    // NaN where the serving model was not measured, so that the figure of an earlier contest does not stay.
    let serving = contest.serving.and_then(|serving| serving.recall);
    gauge!("model_recall_at_10", "of" => "serving").set(serving.unwrap_or(f64::NAN));
}

/// Show which model serves.
pub(crate) fn promoted(promotion: &Promotion) {
    if let Some(previous) = &promotion.previous {
        gauge!("model_promoted_info", "model" => previous.clone()).set(0.0);
    }
    gauge!("model_promoted_info", "model" => promotion.model_id.clone()).set(1.0);
    gauge!("model_promoted_timestamp_seconds").set(promotion.at.as_second() as f64);
}

#[cfg(test)]
mod tests {
    use dayvec_experiment::ServingModel;
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    #[test]
    fn a_contest_shows_what_was_measured_of_both_models_and_nothing_else() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let cut_off = "2024-03-01".parse().unwrap();
        let contest = |candidate, serving: Option<f64>| Contest {
            candidate,
            cut_off,
            popularity: 0.02,
            serving: serving.map(|recall| ServingModel { cut_off, recall: Some(recall), cosine: None }),
        };
        let shown = |outcome, contest: Option<Contest>| {
            metrics::with_local_recorder(&recorder, || promotion(outcome, contest.as_ref()));
            recorder.handle().render()
        };
        let text = shown("refused", Some(contest(0.0, Some(0.05))));
        for line in [
            r#"model_promotion_total{outcome="refused"} 1"#,
            r#"model_recall_at_10{of="candidate"} 0"#,
            r#"model_recall_at_10{of="serving"} 0.05"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing from\n{text}");
        }
        let text = shown("failed", None);
        assert!(text.contains(r#"model_recall_at_10{of="serving"} 0.05"#), "{text}");
        let text = shown("promoted", Some(contest(0.06, None)));
        assert!(text.contains(r#"model_recall_at_10{of="candidate"} 0.06"#), "{text}");
        assert!(text.contains(r#"model_recall_at_10{of="serving"} NaN"#), "{text}");
    }
}
