//! The web server of the page: who may look, the headers and the count of every answer, a graceful stop.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use dayvec_runtime::authentication::Guard;
use dayvec_runtime::service::Service;
use dayvec_runtime::{FaultKind, Listeners, WithFault as _};
use metrics::counter;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::pages;
use crate::sources::Sources;

/// How long requests in progress may take after a shutdown began.
const DEADLINE: Duration = Duration::from_secs(5);

/// Browsers ask for any name, and the token as the password (RFC 7617).
const CHALLENGE: &str = r#"Basic realm="dayvec: any name, and your token", charset="UTF-8""#;

/// Only our own style and icon are loaded, no script runs, no other site may frame the page, and no cache on the way
/// stores what users did.
const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        ),
    ),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// Serve until `shutdown`.
///
/// It is ready at once: reporting a bucket or a service that does not answer is what the page is for.
///
/// # Errors
/// With exit code 64 for a bucket or a token file that cannot be opened; when a listener fails.
pub async fn run(config: Config, listeners: Listeners, shutdown: CancellationToken) -> anyhow::Result<()> {
    let service = Service::open(listeners, config.tokens_file.as_deref(), shutdown.clone())?;
    let sources = Arc::new(Sources::new(&config).fault(FaultKind::Configuration)?);
    let router = router(sources, service.guard());
    service.readiness().set(true);
    let running = service.start(|listener, close| async move {
        let page = axum::serve(listener, router).with_graceful_shutdown(close.cancelled_owned());
        page.await.context("serve the page")
    })?;
    shutdown.cancelled().await;
    running.drain(DEADLINE).await
}

fn router(sources: Arc<Sources>, guard: Guard) -> Router {
    Router::new()
        .route("/", get(pages::overview))
        .route("/user", get(pages::user))
        .route("/models/{model_id}", get(pages::model))
        .route("/style.css", get(pages::style))
        .route("/icon.svg", get(pages::icon))
        .fallback(pages::not_found)
        .layer(middleware::from_fn_with_state(guard, authenticate))
        .layer(middleware::from_fn(finish))
        .with_state(sources)
}

/// Answer only callers with a token, where tokens are configured. Browsers ask people for a name and a password once, and
/// send both from then on.
async fn authenticate(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let authorization = request.headers().get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
    match guard.admit(authorization) {
        Ok(_) => next.run(request).await,
        Err(refused) => {
            let challenge = [(header::WWW_AUTHENTICATE, CHALLENGE)];
            (StatusCode::UNAUTHORIZED, challenge, format!("{refused}\n")).into_response()
        }
    }
}

/// Add the headers, and count the answer.
async fn finish(request: Request, next: Next) -> Response {
    let route = route(request.uri().path());
    let mut response = next.run(request).await;
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(value);
    }
    let status = response.status().as_u16().to_string();
    counter!("console_request_total", "route" => route, "status" => status).increment(1);
    response
}

/// The route of a path as a metric label; paths that do not exist share one, so that labels stay few.
fn route(path: &str) -> &'static str {
    match path {
        "/" => "/",
        "/user" => "/user",
        "/style.css" => "/style.css",
        "/icon.svg" => "/icon.svg",
        path if path.starts_with("/models/") => "/models",
        _ => "other",
    }
}
