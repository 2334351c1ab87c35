//! The service's life: listen, refresh, serve, and leave in good order.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use dayvec_proto::lookup::server::embedding_lookup_server::{EmbeddingLookupServer, SERVICE_NAME};
use dayvec_runtime::admin::{self, Readiness};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::{Router, TcpIncoming};
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::config::{Config, Limits};
use crate::meter;
use crate::refresh::Refresher;
use crate::service::Lookup;
use crate::serving::Serving;

/// Bound sockets. A test binds port 0 and asks for the address.
#[derive(Debug)]
pub struct Listeners {
    /// For gRPC.
    pub grpc: TcpListener,
    /// For the admin port.
    pub admin: TcpListener,
}

impl Listeners {
    /// Bind the addresses of the settings.
    ///
    /// # Errors
    /// When an address is taken or not this machine's.
    pub async fn bind(config: &Config) -> anyhow::Result<Self> {
        let bind = |address: SocketAddr| async move {
            TcpListener::bind(address).await.with_context(|| format!("listen on {address}"))
        };
        Ok(Self { grpc: bind(config.listen).await?, admin: bind(config.admin_listen).await? })
    }
}

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
/// With exit code 69 when the bucket can't be reached and nothing is cached, 64 for a bucket that can't be opened, 75
/// when another process uses the cache folder.
pub async fn run(config: Config, listeners: Listeners, shutdown: CancellationToken) -> anyhow::Result<()> {
    admin::install_metrics();
    meter::describe();
    admin::watch_disk(&config.cache_dir);
    dayvec_runtime::config::log(&config);
    let address = listeners.grpc.local_addr().context("read the address of the gRPC port")?;
    let admin_address = listeners.admin.local_addr().context("read the address of the admin port")?;
    let serving = Arc::new(Serving::default());
    let health = Health { reporter: HealthReporter::new(), readiness: Readiness::default() };
    health.set(false).await;

    let mut refresher = Refresher::new(&config, Arc::clone(&serving), health.clone())?;
    // Health turns first, and the sockets close only after the notice; so there are two tokens.
    let close = CancellationToken::new();
    let admin = tokio::spawn(admin::serve(listeners.admin, health.readiness.clone(), close.clone()));
    let router = router(&serving, &config.limits, &health)?;
    let incoming = TcpIncoming::from(listeners.grpc).with_nodelay(Some(true));
    let grpc = tokio::spawn(router.serve_with_incoming_shutdown(incoming, close.clone().cancelled_owned()));
    tracing::info!(%address, %admin_address, bucket = %config.bucket, "listening");

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

async fn within(
    deadline: std::time::Duration,
    drained: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    if let Ok(drained) = tokio::time::timeout(deadline, drained).await {
        drained?;
        tracing::info!("drained");
    } else {
        tracing::warn!(?deadline, "calls under way outlast the deadline; leaving");
    }
    Ok(())
}

fn router(serving: &Arc<Serving>, limits: &Limits, health: &Health) -> anyhow::Result<Router> {
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
    Ok(tonic::transport::Server::builder()
        .max_concurrent_streams(limits.max_concurrent_streams)
        .http2_keepalive_interval(Some(std::time::Duration::from_secs(30)))
        .add_service(lookup)
        .add_service(tonic_health::pb::health_server::HealthServer::new(service))
        .add_service(reflection().build_v1().map_err(fault)?)
        .add_service(reflection().build_v1alpha().map_err(fault)?))
}
