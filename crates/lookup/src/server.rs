//! The life of the service: listen, refresh, serve, and shut down gracefully.

use std::sync::Arc;

use dayvec_proto::lookup::server::embedding_lookup_server::{EmbeddingLookupServer, SERVICE_NAME};
use dayvec_runtime::service::Service;
use dayvec_runtime::{Listeners, admin};
use tokio_util::sync::CancellationToken;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Server;

use crate::config::Config;
use crate::meter;
use crate::refresh::Refresher;
use crate::service::Lookup;
use crate::serving::Serving;

/// Serve until `shutdown`, then drain.
///
/// Calls are refused with UNAVAILABLE until the first snapshot is loaded. An index that an earlier run left in the
/// cache folder is served at once, before the bucket has answered. A stale snapshot is still an answer: health is
/// NOT_SERVING only without one.
///
/// # Errors
/// With the exit code of what failed (docs/runbook.md): 69 when the bucket can't be reached and nothing is cached, 64 for
/// a bucket or a file of tokens that can't be opened, 75 when another process uses the cache folder.
pub async fn run(config: Config, listeners: Listeners, shutdown: CancellationToken) -> anyhow::Result<()> {
    // Health turns first, and the sockets close only after the notice; so there are two tokens.
    let close = CancellationToken::new();
    let service = Service::open(listeners, config.tokens_file.as_deref(), close.clone())?;
    meter::describe();
    admin::watch_disk(&config.cache_dir);
    let health = service.health(SERVICE_NAME).await;
    let serving = Arc::new(Serving::default());
    let mut refresher = Refresher::new(&config, Arc::clone(&serving), health.clone())?;

    let limits = config.limits;
    let lookup = EmbeddingLookupServer::new(Lookup::new(serving, limits))
        .max_decoding_message_size(limits.max_request_bytes)
        .max_encoding_message_size(limits.max_reply_bytes);
    let server = Server::builder()
        .max_concurrent_streams(limits.max_concurrent_streams)
        .max_connection_age(limits.max_connection_age);
    let routes = service.routes(&health, dayvec_proto::LOOKUP_DESCRIPTORS)?;
    // Without `tokens_file`, calls bypass the guard: checking the headers costs each of them about 2 %.
    let guard = service.guard();
    let routes = if guard.asks() {
        routes.add_service(InterceptedService::new(lookup, guard))
    } else {
        routes.add_service(lookup)
    };
    let running = service.start_grpc(server, routes, limits.of_clients())?;

    let refreshed = refresher.run(&shutdown).await;
    health.set(false).await;
    if refreshed.is_ok() {
        tokio::time::sleep(config.drain.notice).await;
    }
    running.drain(config.drain.deadline).await?;
    refreshed
}
