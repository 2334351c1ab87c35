//! The trainer as a service: a queue of runs in the bucket, one thread that trains, gRPC to start and watch runs.
//!
//! ```text
//! StartRun ──▶ RunBoard ──queue──▶ worker ──train──▶ checkpoint ──promotion (gates)──▶ registry
//!                 ▲ every change is a record in the bucket   └─ progress ─▶ RunBoard ──▶ WatchRun
//!                                                queue empty ──▶ all baselines ──▶ evaluations/ in the bucket
//! ```
//!
//! A service that was killed finds its runs in the bucket and the resumable checkpoint in its work folder, and resumes.
//! One service per bucket is meant; two do the same work twice, and either goes on when the other is gone. **It never promotes a model that its gates refused, unless a client forces it.**

mod current_run;
mod full_evaluation;
mod meter;
mod promotion;
mod record;
mod rpc;
mod run_board;
mod schedule;
mod wire;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use dayvec_experiment::Store;
use dayvec_proto::trainer::v1::trainer_server::{SERVICE_NAME, TrainerServer};
use dayvec_runtime::fault::OrFault as _;
use dayvec_runtime::service::{ClientLimits, Service};
use dayvec_runtime::{Listeners, admin};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;

use crate::config::Config;
use current_run::CurrentRun;
use rpc::Rpc;
use run_board::RunBoard;
use worker::Worker;

/// Time for open calls to finish after the shutdown signal; streams of watchers are closed at once.
const DEADLINE: Duration = Duration::from_secs(5);

/// Serve until `shutdown`: then the current run saves a resumable checkpoint, and the service ends.
///
/// # Errors
/// With exit code 69 when the bucket is unavailable, 64 when it or the tokens file cannot be opened.
pub async fn serve(config: Config, listeners: Listeners, shutdown: CancellationToken) -> anyhow::Result<()> {
    let Config { experiment, service: settings } = &config;
    let service = Service::open(listeners, settings.tokens_file.as_deref(), shutdown.clone())?;
    admin::watch_disk(&experiment.work_dir);
    meter::describe();
    let store = Store::open(experiment, &Handle::current())?;
    let bucket = store.bucket();
    let probed = bucket.probe_create().await;
    probed.or_fault().with_context(|| format!("probe bucket {}", experiment.bucket))?;
    let board = Arc::new(RunBoard::open(bucket).await?);
    if let Ok(Some(promotion)) = dayvec_registry::newest_promotion(bucket).await {
        meter::promoted(&promotion);
    }
    let current = CurrentRun::default();
    let rpc = Rpc {
        config: experiment.clone(),
        store: store.clone(),
        board: Arc::clone(&board),
        current: current.clone(),
        shutdown: shutdown.clone(),
    };
    let health = service.health(SERVICE_NAME).await;
    let routes = service.routes(&health, dayvec_proto::TRAINER_DESCRIPTORS)?;
    let routes = routes.add_service(TrainerServer::with_interceptor(rpc, service.guard()));
    let running = service.start_grpc(Server::builder(), routes, ClientLimits::default())?;
    health.set(true).await;
    let worker = Worker { config, store, board, current, shutdown: shutdown.clone() };
    let worker = std::thread::Builder::new().name("trainer".into()).spawn(|| worker.work());
    let worker = worker.context("start the training thread")?;
    tokio::task::spawn_blocking(|| worker.join())
        .await?
        .map_err(|_| anyhow::anyhow!("the training thread panicked; its message is in the log"))?;
    running.drain(DEADLINE).await
}
