//! Runs and promotions in the words of the wire.

use dayvec_proto::trainer::v1::{self as proto, RunState};
use dayvec_registry::Promotion;
use jiff::Timestamp;

use super::board::Live;
use super::record::{Run, State};

pub(super) fn run(run: Run, live: &Live) -> proto::Run {
    let is_live = live.number == run.number && !run.has_ended() && run.attempts > 0;
    proto::Run {
        number: run.number,
        state: state(run.state).into(),
        requested_by: run.request.by,
        requested_at: Some(timestamp(run.request.at)),
        settings: run.request.settings.into_iter().collect(),
        promote: run.request.promote,
        started_at: run.started_at.map(timestamp),
        ended_at: run.ended_at.map(timestamp),
        attempts: run.attempts,
        cut_off: run.cut_off.map(|day| day.to_string()).unwrap_or_default(),
        model_id: run.model_id.unwrap_or_default(),
        recall_at_10: run.recall_at_10.into_iter().collect(),
        reason: run.reason.unwrap_or_default(),
        gates: run.gates.into_iter().map(gate).collect(),
        progress: is_live.then(|| progress(live)),
    }
}

const fn state(state: State) -> RunState {
    match state {
        State::Queued => RunState::Queued,
        State::Running => RunState::Running,
        State::Trained => RunState::Trained,
        State::Promoted => RunState::Promoted,
        State::Refused => RunState::Refused,
        State::Failed => RunState::Failed,
        State::Cancelled => RunState::Cancelled,
    }
}

fn progress(live: &Live) -> proto::Progress {
    let standing = &live.standing;
    proto::Progress {
        stage: live.stage.to_owned(),
        step: standing.step,
        steps: standing.steps,
        loss: standing.loss,
        users_per_second: standing.users_per_s,
        tokens_per_second: standing.tokens_per_s,
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
