//! The trainer as a service: a queue of runs in the bucket, one thread that trains, gRPC to start and watch runs.
//!
//! ```text
//! StartRun ──▶ RunBoard ──queue──▶ worker ──train──▶ checkpoint ──promotion (gates)──▶ registry
//!                 ▲ every change is a record in the bucket   └─ progress ─▶ RunBoard ──▶ WatchRun
//! ```
//!
//! A service that was killed finds its runs in the bucket and the resumable checkpoint in its work folder, and resumes.
//! One service per bucket. **It never promotes a model that its gates refused, unless a client forces it.**

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
use dayvec_core::FaultKind;
use dayvec_experiment::Store;
use dayvec_proto::trainer::v1::trainer_server::{SERVICE_NAME, TrainerServer};
use dayvec_runtime::Listeners;
use dayvec_runtime::admin::{self, Readiness};
use dayvec_runtime::authentication::Guard;
use dayvec_runtime::fault::{OrFault as _, WithFault as _};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::server::{Router, TcpIncoming};
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::config::Config;
use rpc::Rpc;
use run_board::RunBoard;
use worker::{CurrentRun, Worker};

/// Time for open calls to finish after the shutdown signal; streams of watchers are closed at once.
const DEADLINE: Duration = Duration::from_secs(5);

/// Serve until `shutdown`: then the current run saves a resumable checkpoint, and the service ends.
///
/// # Errors
/// With exit code 69 when the bucket is unavailable, 64 when it or the tokens file cannot be opened, 65 when its records
/// are damaged.
pub async fn serve(config: Config, listeners: Listeners, shutdown: CancellationToken) -> anyhow::Result<()> {
    admin::install_metrics();
    let Config { experiment, service } = &config;
    admin::watch_disk(&experiment.work_dir);
    meter::describe();
    let guard = Guard::open(service.tokens_file.as_deref()).fault(FaultKind::Configuration)?;
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
    let reporter = HealthReporter::new();
    for service in ["", SERVICE_NAME] {
        reporter.set_service_status(service, ServingStatus::Serving).await;
    }
    let readiness = Readiness::default();
    readiness.set(true);
    let (address, admin_address) = listeners.addresses()?;
    tokio::spawn(guard.clone().follow(shutdown.clone()));
    let admin = tokio::spawn(admin::serve(listeners.admin, readiness, shutdown.clone()));
    let incoming = TcpIncoming::from(listeners.traffic).with_nodelay(Some(true));
    let router = router(rpc, reporter, &guard)?;
    let grpc =
        tokio::spawn(router.serve_with_incoming_shutdown(incoming, shutdown.clone().cancelled_owned()));
    tracing::info!(%address, %admin_address, bucket = %experiment.bucket, tokens = guard.asks(), "listening");
    let worker = Worker { config, store, board, current, shutdown: shutdown.clone() };
    let worker = std::thread::Builder::new().name("trainer".into()).spawn(|| worker.work());
    let worker = worker.context("start the training thread")?;
    tokio::task::spawn_blocking(|| worker.join())
        .await?
        .map_err(|_| anyhow::anyhow!("the training thread panicked; its message is in the log"))?;
    let drained = async {
        grpc.await.context("join the gRPC server")?.context("serve gRPC")?;
        admin.await.context("join the admin port")?.context("serve the admin port")
    };
    match tokio::time::timeout(DEADLINE, drained).await {
        Ok(drained) => drained,
        Err(_) => Ok(()),
    }
}

/// Calls and reflection need a token; health does not, because probes have none.
fn router(rpc: Rpc, reporter: HealthReporter, guard: &Guard) -> anyhow::Result<Router> {
    let health = tonic_health::server::HealthService::from_health_reporter(reporter);
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(dayvec_proto::TRAINER_DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    Ok(tonic::transport::Server::builder()
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .add_service(TrainerServer::with_interceptor(rpc, guard.clone()))
        .add_service(tonic_health::pb::health_server::HealthServer::new(health))
        .add_service(InterceptedService::new(
            reflection().build_v1().context("read the descriptors")?,
            guard.clone(),
        ))
        .add_service(InterceptedService::new(
            reflection().build_v1alpha().context("read the descriptors")?,
            guard.clone(),
        )))
}
