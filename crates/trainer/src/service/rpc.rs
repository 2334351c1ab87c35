//! The calls of the trainer service.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use dayvec_proto::trainer::v1::trainer_server::Trainer;
use dayvec_proto::trainer::v1::{
    CancelRunRequest, CancelRunResponse, GetRunRequest, GetRunResponse, ListRunsRequest, ListRunsResponse,
    PromoteModelRequest, PromoteModelResponse, StartRunRequest, StartRunResponse, WatchRunRequest,
    WatchRunResponse,
};
use dayvec_runtime::Exit;
use dayvec_runtime::authentication::Caller;
use tokio::sync::oneshot;
use tokio_stream::Stream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use super::board::{Board, now};
use super::promotion::{self, Promoted};
use super::record::{self, Run, What};
use super::worker::Current;
use super::{meter, wire};
use crate::config::Config;

/// Runs of a list where the request names no number.
const LISTED: u32 = 20;
/// A watcher hears no more often than this, however fast steps are.
const BETWEEN_TELLINGS: Duration = Duration::from_secs(1);
/// Longest text that a request may carry in one field.
const MAX_TEXT_BYTES: usize = 4_096;

/// The service behind the calls.
pub(super) struct Rpc {
    pub(super) config: Config,
    pub(super) board: Arc<Board>,
    pub(super) current: Current,
    pub(super) shutdown: CancellationToken,
}

impl Rpc {
    fn run(&self, number: u64) -> Result<Run, Status> {
        self.board.get(number).ok_or_else(|| Status::not_found(format!("number: there is no run {number}")))
    }

    fn wire(&self, run: Run) -> Option<dayvec_proto::trainer::v1::Run> {
        Some(wire::run(run, &self.board.live()))
    }
}

/// What a call answers when the service itself could not do it. The one map from errors to codes.
fn status(error: &anyhow::Error) -> Status {
    match error.downcast_ref() {
        Some(Exit::Unavailable) => Status::unavailable(format!("{error:#}")),
        Some(Exit::LostRace) => Status::aborted(format!("{error:#}")),
        Some(Exit::BadConfig) => Status::not_found(format!("{error:#}")),
        Some(Exit::BadData) => Status::failed_precondition(format!("{error:#}")),
        None => {
            tracing::error!(error = format!("{error:#}"), "a call failed");
            Status::internal("a fault of the service; its log says more")
        }
    }
}

fn check_text(field: &str, text: &str) -> Result<(), Status> {
    if text.len() > MAX_TEXT_BYTES {
        return Err(Status::invalid_argument(format!("{field}: longer than {MAX_TEXT_BYTES} bytes")));
    }
    Ok(())
}

/// Sections of the configuration that a caller may change for a run: what decides the model, and no place, port or
/// credential, which are the operator's.
const CALLERS_SECTIONS: [&str; 8] =
    ["model", "objective", "batch", "negatives", "optimizer", "run", "split", "evaluation"];

fn check_settings(settings: &BTreeMap<String, String>) -> Result<(), Status> {
    for name in settings.keys() {
        let section = name.split('.').next().unwrap_or_default();
        if !CALLERS_SECTIONS.contains(&section) {
            let sections = CALLERS_SECTIONS.join(", ");
            return Err(Status::invalid_argument(format!(
                "settings: {name} is the operator's, in the service's configuration; a run may replace settings of \
                 {sections}"
            )));
        }
    }
    Ok(())
}

/// Who asks: the name that the request gives, and the one that its token proves.
fn named(by: String, caller: Option<&Caller>) -> String {
    match caller {
        Some(Caller::Client(name)) if by.is_empty() => name.to_string(),
        Some(Caller::Client(name)) => format!("{by}, as {name}"),
        _ if by.is_empty() => "a client that gave no name".into(),
        _ => by,
    }
}

/// Who asks, by the guard.
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
        let asked = record::Request { by, at: now(), settings, promote, log_day: None };
        let run = self.board.request(asked).await.map_err(|error| status(&error))?;
        tracing::info!(run = run.number, by = run.request.by, "run asked for");
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
        let (send, receive) = tokio::sync::mpsc::channel(4);
        tokio::spawn(async move {
            let mut changes = board.changes();
            let mut before = None;
            while let Some(run) = board.get(number) {
                let has_ended = run.has_ended();
                let run = wire::run(run, &board.live());
                if before.as_ref() != Some(&run) {
                    let response = WatchRunResponse { run: Some(run.clone()) };
                    if send.send(Ok(response)).await.is_err() {
                        return;
                    }
                    before = Some(run);
                }
                if has_ended {
                    return;
                }
                tokio::select! {
                    () = async {
                        tokio::time::sleep(BETWEEN_TELLINGS).await;
                        let _closed_only_with_the_board = changes.changed().await;
                    } => {}
                    () = send.closed() => return,
                    () = shutdown.cancelled() => {
                        let ending = Status::unavailable("the service ends; the run goes on when it is back");
                        let _watcher_may_be_gone = send.send(Err(ending)).await;
                        return;
                    }
                }
            }
        });
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
            return Err(Status::failed_precondition(format!("number: run {number} has ended already")));
        }
        if run.state == record::State::Trained {
            return Err(Status::failed_precondition(format!(
                "number: run {number} is trained, and its model is being judged, which takes seconds; promote another \
                 model if it should not serve"
            )));
        }
        let by = named(requested_by, caller.as_ref());
        let run = self.board.add(number, What::CancelAsked { by }).await.map_err(|error| status(&error))?;
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
            return Err(Status::invalid_argument("model_id: name a model of the bucket"));
        }
        // On a thread of its own: it computes for a while, and has its own way of waiting for the bucket.
        let (config, by) = (self.config.clone(), named(requested_by, caller.as_ref()));
        let (send, receive) = oneshot::channel();
        let promote = move || {
            let _caller_may_be_gone = send.send(promotion::promote(&config, &model_id, &by, force));
        };
        std::thread::Builder::new()
            .name("promotion".into())
            .spawn(promote)
            .map_err(|error| Status::internal(format!("start a thread: {error}")))?;
        match receive.await.map_err(|_| Status::internal("a fault of the service; its log says more"))? {
            Ok(Promoted::Yes(promotion)) => {
                meter::promoted(&promotion);
                Ok(Response::new(wire::promotion(promotion)))
            }
            Ok(Promoted::Refused { reason, .. }) => {
                Err(Status::failed_precondition(format!("{reason}; force promotes it all the same")))
            }
            Err(error) => Err(status(&error)),
        }
    }
}
