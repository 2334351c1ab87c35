//! The calls of the trainer service.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use dayvec_experiment::{Config, NoSuchCheckpoint, Store};
use dayvec_proto::trainer::v1::trainer_server::Trainer;
use dayvec_proto::trainer::v1::{
    CancelRunRequest, CancelRunResponse, GetRunRequest, GetRunResponse, ListRunsRequest, ListRunsResponse,
    Progress, PromoteModelRequest, PromoteModelResponse, StartRunRequest, StartRunResponse, WatchRunRequest,
    WatchRunResponse,
};
use dayvec_registry::RegistryError;
use dayvec_runtime::authentication::Caller;
use dayvec_runtime::fault;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_stream::Stream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::current_run::CurrentRun;
use super::promotion::{self, PromotionDecision};
use super::record::{RunChange, RunStatus, TrainingRequest, TrainingRun};
use super::run_board::{RunBoard, now};
use super::{meter, wire};

/// Length of a list where the request has no limit.
const LISTED: u32 = 20;
/// Least time between two messages to a watcher that differ in their step alone.
const BETWEEN_STEPS: Duration = Duration::from_secs(1);
/// Longest text in one field of a request.
const MAX_TEXT_BYTES: usize = 4_096;

/// The implementation of the calls.
pub(super) struct Rpc {
    pub(super) config: Config,
    pub(super) store: Store,
    pub(super) board: Arc<RunBoard>,
    pub(super) current: CurrentRun,
    pub(super) shutdown: CancellationToken,
}

impl Rpc {
    fn run(&self, number: u64) -> Result<TrainingRun, Status> {
        self.board.get(number).ok_or_else(|| Status::not_found(format!("number: there is no run {number}")))
    }

    fn wire(&self, run: TrainingRun) -> Option<dayvec_proto::trainer::v1::Run> {
        Some(wire::run(run, &self.board.live()))
    }
}

/// The status of an error; a model that the caller names and that does not exist is the caller's to fix.
fn status(error: &anyhow::Error) -> Status {
    let no_such_model = matches!(error.downcast_ref(), Some(RegistryError::NoSuchModel { .. }));
    if no_such_model || error.is::<NoSuchCheckpoint>() {
        return Status::not_found(format!("{error:#}"));
    }
    fault::status(error)
}

fn check_text(field: &str, text: &str) -> Result<(), Status> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(Status::invalid_argument(format!("{field}: must be at most {MAX_TEXT_BYTES} bytes")));
    }
    Ok(())
}

/// Sections of the configuration that a client may change for a run: what decides the model. Places, ports and
/// credentials are the operator's.
const CLIENT_SECTIONS: [&str; 8] =
    ["model", "objective", "batch", "negatives", "optimizer", "run", "split", "evaluation"];

fn check_settings(settings: &BTreeMap<String, String>) -> Result<(), Status> {
    for name in settings.keys() {
        let section = name.split('.').next().unwrap_or_default();
        if !CLIENT_SECTIONS.contains(&section) {
            let sections = CLIENT_SECTIONS.join(", ");
            return Err(Status::invalid_argument(format!(
                "settings: {name} can only be set by the operator, in the service's configuration; a run may change \
                 settings of {sections}"
            )));
        }
    }
    Ok(())
}

/// Who sent a request: the name that it gives, and the name of its token.
fn named(by: String, caller: Option<&Caller>) -> String {
    match caller {
        Some(Caller::Client(name)) if by.is_empty() => name.to_string(),
        Some(Caller::Client(name)) => format!("{by}, as {name}"),
        _ if by.is_empty() => "an unnamed client".into(),
        _ => by,
    }
}

/// The client as the guard knows it.
fn caller<T>(request: &Request<T>) -> Option<Caller> {
    request.extensions().get().cloned()
}

#[tonic::async_trait]
impl Trainer for Rpc {
    async fn start_run(
        &self,
        request: Request<StartRunRequest>,
    ) -> Result<Response<StartRunResponse>, Status> {
        let caller = caller(&request);
        let StartRunRequest { requested_by, settings, do_not_promote } = request.into_inner();
        check_text("requested_by", &requested_by)?;
        let settings: BTreeMap<String, String> = settings.into_iter().collect();
        check_settings(&settings)?;
        self.config
            .with_settings(&settings)
            .map_err(|error| Status::invalid_argument(format!("settings: {error}")))?;
        let (by, promote) = (named(requested_by, caller.as_ref()), !do_not_promote);
        let request = TrainingRequest { by, at: now(), settings, promote, log_day: None };
        let run = self.board.request(request).await.map_err(|error| status(&error))?;
        tracing::info!(run = run.number, by = run.request.by, "run requested");
        Ok(Response::new(StartRunResponse { run: self.wire(run) }))
    }

    async fn get_run(&self, request: Request<GetRunRequest>) -> Result<Response<GetRunResponse>, Status> {
        let run = self.run(request.into_inner().number)?;
        Ok(Response::new(GetRunResponse { run: self.wire(run) }))
    }

    async fn list_runs(
        &self,
        request: Request<ListRunsRequest>,
    ) -> Result<Response<ListRunsResponse>, Status> {
        let limit = match request.into_inner().limit {
            0 => LISTED,
            limit => limit,
        };
        let live = self.board.live();
        let runs = self.board.newest(limit as usize).into_iter().map(|run| wire::run(run, &live)).collect();
        Ok(Response::new(ListRunsResponse { runs }))
    }

    type WatchRunStream = Pin<Box<dyn Stream<Item = Result<WatchRunResponse, Status>> + Send>>;

    async fn watch_run(
        &self,
        request: Request<WatchRunRequest>,
    ) -> Result<Response<Self::WatchRunStream>, Status> {
        let number = request.into_inner().number;
        self.run(number)?;
        let (board, shutdown) = (Arc::clone(&self.board), self.shutdown.clone());
        let (send, receive) = mpsc::channel(4);
        tokio::spawn(watch(board, number, shutdown, send));
        Ok(Response::new(Box::pin(tokio_stream::wrappers::ReceiverStream::new(receive))))
    }

    async fn cancel_run(
        &self,
        request: Request<CancelRunRequest>,
    ) -> Result<Response<CancelRunResponse>, Status> {
        let caller = caller(&request);
        let CancelRunRequest { number, requested_by } = request.into_inner();
        check_text("requested_by", &requested_by)?;
        let run = self.run(number)?;
        if run.has_ended() {
            return Err(Status::failed_precondition(format!("number: run {number} has already ended")));
        }
        if run.status == RunStatus::Trained {
            return Err(Status::failed_precondition(format!(
                "number: run {number} is trained and its promotion is under way, which takes seconds; promote another \
                 model if this one should not serve"
            )));
        }
        let by = named(requested_by, caller.as_ref());
        let run = self
            .board
            .record(number, RunChange::CancelRequested { by })
            .await
            .map_err(|error| status(&error))?;
        self.current.stop(number);
        Ok(Response::new(CancelRunResponse { run: self.wire(run) }))
    }

    async fn promote_model(
        &self,
        request: Request<PromoteModelRequest>,
    ) -> Result<Response<PromoteModelResponse>, Status> {
        let caller = caller(&request);
        let PromoteModelRequest { model_id, requested_by, force } = request.into_inner();
        check_text("requested_by", &requested_by)?;
        if model_id.is_empty() || model_id.contains(['/', '\\']) {
            return Err(Status::invalid_argument("model_id: must be the id of a model in the bucket"));
        }
        // On a thread of its own: it computes for a while, and the store blocks.
        let (config, store) = (self.config.clone(), self.store.clone());
        let by = named(requested_by, caller.as_ref());
        let (send, receive) = oneshot::channel();
        let promote = move || {
            let _caller_may_be_gone = send.send(promotion::promote(&config, &store, &model_id, &by, force));
        };
        std::thread::Builder::new()
            .name("promotion".into())
            .spawn(promote)
            .map_err(|error| Status::internal(format!("start a thread: {error}")))?;
        match receive.await.map_err(|_| Status::internal("an internal error; see the log of the service"))? {
            Ok(PromotionDecision::Promoted(promotion)) => {
                meter::promoted(&promotion);
                Ok(Response::new(wire::promotion(promotion)))
            }
            Ok(PromotionDecision::Refused { reason, .. }) => {
                Err(Status::failed_precondition(format!("{reason}; use force to promote it anyway")))
            }
            Err(error) => Err(status(&error)),
        }
    }
}

/// Send a run to a watcher whenever it changes, until it ends: steps once a second at most, any other change at once.
async fn watch(
    board: Arc<RunBoard>,
    number: u64,
    shutdown: CancellationToken,
    watcher: mpsc::Sender<Result<WatchRunResponse, Status>>,
) {
    let mut changes = board.changes();
    let mut sent: Option<WatchRunResponse> = None;
    let mut next_step = Instant::now();
    while let Some(run) = board.get(number) {
        let has_ended = run.has_ended();
        let message = WatchRunResponse { run: Some(wire::run(run, &board.live())) };
        let is_step = sent.as_ref().is_some_and(|sent| without_step(sent) == without_step(&message));
        let waits = is_step && Instant::now() < next_step;
        if !waits && sent.as_ref() != Some(&message) {
            if watcher.send(Ok(message.clone())).await.is_err() {
                return;
            }
            next_step = Instant::now() + BETWEEN_STEPS;
            sent = Some(message);
        }
        if has_ended {
            return;
        }
        tokio::select! {
            _ = changes.changed() => {}
            () = tokio::time::sleep_until(next_step), if waits => {}
            () = watcher.closed() => return,
            () = shutdown.cancelled() => {
                let ending =
                    Status::unavailable("the service is shutting down; the run continues after its restart");
                let _watcher_may_be_gone = watcher.send(Err(ending)).await;
                return;
            }
        }
    }
}

fn without_step(message: &WatchRunResponse) -> WatchRunResponse {
    let mut message = message.clone();
    if let Some(progress) = message.run.as_mut().and_then(|run| run.progress.as_mut()) {
        *progress = Progress { stage: std::mem::take(&mut progress.stage), ..Progress::default() };
    }
    message
}
