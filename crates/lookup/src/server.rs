//! The service's life: listen, refresh, serve, and leave in good order.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use dayvec_proto::lookup::server::embedding_lookup_server::{EmbeddingLookupServer, SERVICE_NAME};
use dayvec_runtime::admin::{self, Readiness};
use dayvec_runtime::authentication::Guard;
use dayvec_runtime::{Exit, Listeners, OrExit as _};
use tokio_util::sync::CancellationToken;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::server::{Router, TcpIncoming};
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::config::{Config, Limits};
use crate::meter;
use crate::refresh::Refresher;
use crate::service::Lookup;
use crate::serving::Serving;

/// Who must know whether a snapshot is loaded.
#[derive(Debug, Clone)]
pub(crate) struct Health {
    reporter: HealthReporter,
    readiness: Readiness,
}

impl Health {
    /// Say whether calls are answered. A stale snapshot is still an answer: only having none is not serving.
    pub(crate) async fn set(&self, is_serving: bool) {
        let status = if is_serving { ServingStatus::Serving } else { ServingStatus::NotServing };
        for service in ["", SERVICE_NAME] {
            self.reporter.set_service_status(service, status).await;
        }
        self.readiness.set(is_serving);
    }
}

/// Serve until `shutdown`, then drain.
///
/// Calls are refused with UNAVAILABLE until the first snapshot is loaded. An index that an earlier run left in the
/// cache folder is served at once, before the bucket has answered.
///
/// # Errors
/// With exit code 69 when the bucket can't be reached and nothing is cached, 64 for a bucket or a file
/// of tokens that can't be opened, 75 when another process uses the cache folder.
pub async fn run(config: Config, listeners: Listeners, shutdown: CancellationToken) -> anyhow::Result<()> {
    admin::install_metrics();
    meter::describe();
    admin::watch_disk(&config.cache_dir);
    let (address, admin_address) = listeners.addresses()?;
    let guard = Guard::open(config.tokens_file.as_deref()).or_exit(Exit::BadConfig)?;
    let serving = Arc::new(Serving::default());
    let health = Health { reporter: HealthReporter::new(), readiness: Readiness::default() };
    health.set(false).await;

    let mut refresher = Refresher::new(&config, Arc::clone(&serving), health.clone())?;
    // Health turns first, and the sockets close only after the notice; so there are two tokens.
    let close = CancellationToken::new();
    let admin = tokio::spawn(admin::serve(listeners.admin, health.readiness.clone(), close.clone()));
    tokio::spawn(guard.clone().follow(close.clone()));
    let router = router(&serving, &config.limits, &health, &guard)?;
    let incoming = TcpIncoming::from(listeners.traffic).with_nodelay(Some(true));
    let grpc = tokio::spawn(router.serve_with_incoming_shutdown(incoming, close.clone().cancelled_owned()));
    let (shard, tokens) = (config.shard, guard.asks());
    tracing::info!(%address, %admin_address, bucket = %config.bucket, %shard, tokens, "listening");

    let refreshed = tokio::select! {
        refreshed = refresher.run() => refreshed,
        () = shutdown.cancelled() => Ok(()),
    };
    health.set(false).await;
    if refreshed.is_ok() {
        tokio::time::sleep(config.drain.notice).await;
    }
    close.cancel();
    let drained = async {
        grpc.await.context("join the gRPC server")?.context("serve gRPC")?;
        admin.await.context("join the admin port")?.context("serve the admin port")
    };
    within(config.drain.deadline, drained).await?;
    refreshed
}

async fn within(deadline: Duration, drained: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    if let Ok(drained) = tokio::time::timeout(deadline, drained).await {
        drained?;
        tracing::info!("drained");
    } else {
        tracing::warn!(?deadline, "calls under way outlast the deadline; leaving");
    }
    Ok(())
}

/// Calls and reflection are behind the guard; health is not, because those who probe have no token.
fn router(serving: &Arc<Serving>, limits: &Limits, health: &Health, guard: &Guard) -> anyhow::Result<Router> {
    let lookup = EmbeddingLookupServer::new(Lookup::new(Arc::clone(serving), *limits))
        .max_decoding_message_size(limits.max_request_bytes)
        .max_encoding_message_size(limits.max_reply_bytes);
    let service = tonic_health::server::HealthService::from_health_reporter(health.reporter.clone());
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(dayvec_proto::LOOKUP_DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let fault = |error| io::Error::other(format!("the descriptors can't be read: {error}"));
    let mut server = tonic::transport::Server::builder()
        .max_concurrent_streams(limits.max_concurrent_streams)
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .max_connection_age(limits.max_connection_age);
    // Where nobody is asked, calls go past the guard: looking at their headers costs each some 2 %.
    let router = if guard.asks() {
        server.add_service(InterceptedService::new(lookup, guard.clone()))
    } else {
        server.add_service(lookup)
    };
    Ok(router
        .add_service(tonic_health::pb::health_server::HealthServer::new(service))
        .add_service(InterceptedService::new(reflection().build_v1().map_err(fault)?, guard.clone()))
        .add_service(InterceptedService::new(reflection().build_v1alpha().map_err(fault)?, guard.clone())))
}
