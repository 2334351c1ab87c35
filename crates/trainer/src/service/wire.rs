//! Runs and promotions as messages of gRPC.

use dayvec_proto::trainer::v1::{self as proto, RunState};
use dayvec_registry::Promotion;
use jiff::Timestamp;

use super::record::{RunStatus, TrainingRun};
use super::run_board::LiveProgress;

pub(super) fn run(run: TrainingRun, live: &LiveProgress) -> proto::Run {
    let is_live = live.number == run.number && !run.has_ended() && run.attempts > 0;
    proto::Run {
        number: run.number,
        state: state(run.status).into(),
        requested_by: run.request.by,
        requested_at: Some(timestamp(run.request.at)),
        settings: run.request.settings.into_iter().collect(),
        promote: run.request.promote,
        started_at: run.started_at.map(timestamp),
        ended_at: run.ended_at.map(timestamp),
        attempts: run.attempts,
        cut_off: run.cut_off.map(|day| day.to_string()).unwrap_or_default(),
        model_id: run.model_id.unwrap_or_default(),
        recall_at_10: run.recall.seen_allowed.into_iter().collect(),
        reason: run.reason.unwrap_or_default(),
        gates: run.gates.into_iter().map(gate).collect(),
        progress: is_live.then(|| progress(live)),
    }
}

const fn state(status: RunStatus) -> RunState {
    match status {
        RunStatus::Queued => RunState::Queued,
        RunStatus::Running => RunState::Running,
        RunStatus::Trained => RunState::Trained,
        RunStatus::Promoted => RunState::Promoted,
        RunStatus::Refused => RunState::Refused,
        RunStatus::Failed => RunState::Failed,
        RunStatus::Cancelled => RunState::Cancelled,
    }
}

fn progress(live: &LiveProgress) -> proto::Progress {
    let LiveProgress { stage, step: progress, .. } = live;
    proto::Progress {
        stage: (*stage).to_owned(),
        step: progress.step,
        steps: progress.steps,
        loss: progress.loss,
        users_per_second: progress.users_per_s,
        tokens_per_second: progress.tokens_per_s,
    }
}

fn gate(gate: dayvec_core::Gate) -> proto::Gate {
    let dayvec_core::Gate { name, value, at_least, at_most, passed } = gate;
    proto::Gate { name, value, at_least, at_most, passed }
}

pub(super) fn promotion(promotion: Promotion) -> proto::PromoteModelResponse {
    proto::PromoteModelResponse {
        sequence: promotion.sequence,
        model_id: promotion.model_id,
        previous: promotion.previous.unwrap_or_default(),
        gates: promotion.gates.into_iter().map(gate).collect(),
    }
}

fn timestamp(at: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: at.as_second(), nanos: 0 }
}
