//! The trainer as a service: a queue of runs in the bucket, one thread that trains, gRPC to ask and to watch.
//!
//! ```text
//! StartRun ──▶ board ──queue──▶ worker ──train──▶ checkpoint ──promotion (gates)──▶ registry
//!                ▲ every change is a record in the bucket       └─ Told ─▶ board ──▶ WatchRun
//! ```
//!
//! A service that is killed finds its runs in the bucket and the resumable checkpoint in its work folder, and goes on.
//! One service a bucket. **It never promotes a model that its gates refused, unless it is told to.**

mod board;
mod meter;
mod promotion;
mod record;
mod rpc;
mod schedule;
mod wire;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use dayvec_bucket::Bucket;
use dayvec_proto::trainer::v1::trainer_server::{SERVICE_NAME, TrainerServer};
use dayvec_runtime::admin::{self, Readiness};
use dayvec_runtime::authentication::Guard;
use dayvec_runtime::{Exit, Listeners, OrExit as _};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::server::{Router, TcpIncoming};
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

pub(crate) use promotion::Contest;

use crate::config::Config;
use crate::store::told;
use board::Board;
use rpc::Rpc;
use worker::{Current, Worker};

/// How long calls under way may take once the service is to end; watchers are told by the end of their stream.
const DEADLINE: Duration = Duration::from_secs(5);

/// Serve until `shutdown`: then the run under way saves a resumable checkpoint, and the service ends.
///
/// # Errors
/// With exit code 69 when the bucket can't be reached, 64 when it or a file of tokens can't be opened, 65 when its records are damaged.
pub async fn serve(config: Config, listeners: Listeners, shutdown: CancellationToken) -> anyhow::Result<()> {
    admin::install_metrics();
    admin::watch_disk(&config.work_dir);
    meter::describe();
    let guard = Guard::open(config.raw.service.tokens_file.as_deref()).or_exit(Exit::BadConfig)?;
    let bucket = told(Bucket::open(&config.bucket), || format!("open bucket {}", config.bucket))?
        .with_single_publisher(config.raw.single_publisher);
    told(bucket.probe_create().await, || format!("probe bucket {}", config.bucket))?;
    let board = Arc::new(Board::open(&bucket).await?);
    if let Ok(Some(promotion)) = dayvec_registry::newest_promotion(&bucket).await {
        meter::promoted(&promotion);
    }
    let current = Current::default();
    let rpc = Rpc {
        config: config.clone(),
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
    tracing::info!(%address, %admin_address, bucket = %config.bucket, tokens = guard.asks(), "listening");
    let worker = Worker { config, board, current, runtime: Handle::current(), shutdown: shutdown.clone() };
    let worker = std::thread::Builder::new().name("trainer".into()).spawn(|| worker.work());
    let worker = worker.context("start the thread that trains")?;
    tokio::task::spawn_blocking(|| worker.join())
        .await?
        .map_err(|_| anyhow::anyhow!("the thread that trains has panicked; its log says where"))?;
    let drained = async {
        grpc.await.context("join the gRPC server")?.context("serve gRPC")?;
        admin.await.context("join the admin port")?.context("serve the admin port")
    };
    match tokio::time::timeout(DEADLINE, drained).await {
        Ok(drained) => drained,
        Err(_) => Ok(()),
    }
}

/// Calls and reflection are behind the guard; health is not, because those who probe have no token.
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
