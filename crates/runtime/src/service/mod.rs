//! What every service does the same way: two ports, tokens, health, reflection, and a graceful shutdown.
//!
//! ```text
//! Service::open    metrics, tokens           (the ports are bound: Listeners)
//!   .health        grpc.health.v1 and /readyz, NOT_SERVING at first
//!   .routes        health and reflection; the program adds its own gRPC service
//!   .start_grpc    both ports are answered until `close`       (.start for anything but gRPC)
//! Running::drain   `close`, then calls in progress end, or the deadline passes
//! ```
//!
//! What clients may take of a gRPC service is bounded by its [`ClientLimits`]: `connection` is the socket, `peer` its
//! account of memory, `transport` what surrounds each call.

mod connection;
mod limits;
mod peer;
mod transport;

use std::future::{Future, IntoFuture as _};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use std::{fmt, io};

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Server;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::HealthServer;
use tonic_health::server::{HealthReporter, HealthService};

use crate::admin::{self, Readiness};
use crate::authentication::Guard;
use crate::service::connection::incoming;
use crate::service::transport::TransportLayer;
use crate::{FaultKind, Listeners, WithFault as _};

pub use limits::ClientLimits;
pub use peer::{Peer, Reserved};

/// Calls of one connection that were cancelled before the service saw them. After a pause, of a throttled container for
/// example, all that waited for it and gave up are there at once, and h2's 20 would end the connection for the others
/// (GOAWAY, too_many_resets). So many need some megabytes.
const MAX_PENDING_RESETS: usize = 4096;

/// Metadata that are read, against those that are allowed: what exceeds the limit by less than this is refused by name, and
/// only what exceeds it by more with HTTP's 431.
const METADATA_HEADROOM: u32 = 4;

/// A connection without traffic is probed after this long, so that a client that vanished does not keep one open.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// A service before it answers.
#[derive(Debug)]
pub struct Service {
    listeners: Listeners,
    guard: Guard,
    readiness: Readiness,
    close: CancellationToken,
}

/// A service that answers.
#[derive(Debug)]
pub struct Running {
    traffic: JoinHandle<anyhow::Result<()>>,
    admin: JoinHandle<io::Result<()>>,
    close: CancellationToken,
}

/// Whether a gRPC service can do its work, in both places where it is asked: `grpc.health.v1` and `/readyz`.
#[derive(Clone)]
pub struct Health {
    reporter: HealthReporter,
    readiness: Readiness,
    service: &'static str,
}

impl Service {
    /// Record metrics and read the tokens. Both ports are closed when `close` is cancelled.
    ///
    /// # Errors
    /// With exit code 64 for a file of tokens that can't be used.
    pub fn open(
        listeners: Listeners,
        tokens_file: Option<&Path>,
        close: CancellationToken,
    ) -> anyhow::Result<Self> {
        admin::install_metrics();
        let guard = Guard::open(tokens_file).fault(FaultKind::Configuration)?;
        Ok(Self { listeners, guard, readiness: Readiness::default(), close })
    }

    /// Who may call. What is not added behind it is open to any caller.
    #[must_use]
    pub fn guard(&self) -> Guard {
        self.guard.clone()
    }

    /// What `/readyz` answers; not ready at first.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        self.readiness.clone()
    }

    /// Health of the gRPC service of this name; NOT_SERVING at first.
    pub async fn health(&self, service: &'static str) -> Health {
        let health = Health { reporter: HealthReporter::new(), readiness: self.readiness(), service };
        health.set(false).await;
        health
    }

    /// Health, and reflection (v1 and v1alpha) over `descriptors`. Reflection is behind the guard; health is not, because
    /// those who probe have no token.
    ///
    /// # Errors
    /// When `descriptors` is not an encoded set of file descriptors.
    pub fn routes(&self, health: &Health, descriptors: &[u8]) -> anyhow::Result<Routes> {
        let reflection = || {
            tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(descriptors)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        };
        let (v1, v1alpha) = (reflection().build_v1(), reflection().build_v1alpha());
        let health = HealthService::from_health_reporter(health.reporter.clone());
        Ok(Routes::new(HealthServer::new(health))
            .add_service(InterceptedService::new(v1.context("read the descriptors")?, self.guard()))
            .add_service(InterceptedService::new(v1alpha.context("read the descriptors")?, self.guard())))
    }

    /// Answer gRPC and the admin port.
    ///
    /// # Errors
    /// When the system does not say where the ports are.
    pub fn start_grpc(self, server: Server, routes: Routes, limits: ClientLimits) -> anyhow::Result<Running> {
        limits::describe();
        let mut server = server
            .http2_keepalive_interval(Some(KEEPALIVE))
            .http2_max_pending_accept_reset_streams(Some(MAX_PENDING_RESETS))
            .http2_max_header_list_size(limits.max_metadata_bytes.saturating_mul(METADATA_HEADROOM))
            .layer(TransportLayer { limits, close: self.close.clone() });
        let router = server.add_routes(routes);
        self.start(move |listener, close| async move {
            let incoming = incoming(listener, limits);
            router.serve_with_incoming_shutdown(incoming, close.cancelled_owned()).await.context("serve gRPC")
        })
    }

    /// Answer traffic as `serve` does it until its token is cancelled, and the admin port.
    ///
    /// # Errors
    /// When the system does not say where the ports are.
    pub fn start<F>(self, serve: impl FnOnce(TcpListener, CancellationToken) -> F) -> anyhow::Result<Running>
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let (address, admin_address): (SocketAddr, SocketAddr) = self.listeners.addresses()?;
        let Self { listeners, guard, readiness, close } = self;
        tracing::info!(%address, %admin_address, tokens = guard.asks(), "listening");
        tokio::spawn(guard.follow(close.clone()));
        let traffic = tokio::spawn(serve(listeners.traffic, close.clone()).into_future());
        let admin = tokio::spawn(admin::serve(listeners.admin, readiness, close.clone()));
        Ok(Running { traffic, admin, close })
    }
}

impl Running {
    /// Close both ports, and wait until calls in progress have ended, or `deadline` has passed.
    ///
    /// # Errors
    /// When a port could not be served.
    pub async fn drain(self, deadline: Duration) -> anyhow::Result<()> {
        self.close.cancel();
        let drained = async {
            self.traffic.await.context("join the traffic port")??;
            self.admin.await.context("join the admin port")?.context("serve the admin port")
        };
        match tokio::time::timeout(deadline, drained).await {
            Ok(drained) => {
                drained?;
                tracing::info!("drained");
            }
            Err(_) => {
                tracing::warn!(?deadline, "calls are still open at the deadline; stopping without them")
            }
        }
        Ok(())
    }
}

impl Health {
    /// Report whether calls are answered.
    pub async fn set(&self, is_serving: bool) {
        let status = if is_serving { ServingStatus::Serving } else { ServingStatus::NotServing };
        for service in ["", self.service] {
            self.reporter.set_service_status(service, status).await;
        }
        self.readiness.set(is_serving);
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("Health").field("service", &self.service).field("readiness", &self.readiness).finish()
    }
}
