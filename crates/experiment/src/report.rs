//! The report of a model on the data it was measured on.

use dayvec_parts::Embedder;
use dayvec_report::{Evaluation, RecallByScorer, Report, StageSeconds};

use crate::config::SplitProtocol;
use crate::data::ModelData;

/// Everything but the statistics of a training.
pub(crate) fn report(
    model: &Embedder,
    data: &ModelData,
    evaluation: Evaluation,
    checkpoint: String,
) -> Report {
    let spec = model.spec();
    let has_actions = |&user: &usize| !data.history.range(user).is_empty();
    Report {
        model_id: spec.model_id.clone(),
        tower_pair_id: spec.tower_pair_id.clone(),
        items_version: spec.items_version.clone(),
        checkpoint,
        cut_off: data.split.cut_off,
        test_days: data.split.n_days,
        leave_one_out: data.protocol == SplitProtocol::LeaveOneOut,
        users: (0..data.history.n_users()).filter(has_actions).count(),
        actions: data.history.n_actions(),
        actions_without_features: data.without_features,
        recall_by_scorer: RecallByScorer::of(&evaluation.all_users),
        evaluation,
        events: serde_json::Value::Null,
        stray_days: data.stray_days.clone(),
        parts: None,
        alignment: None,
        training: None,
        stages: StageSeconds::default(),
    }
}
