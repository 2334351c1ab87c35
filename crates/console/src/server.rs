//! The page's life: listen, answer, count, and leave in good order.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use dayvec_bucket::Bucket;
use dayvec_runtime::admin::{self, Readiness};
use dayvec_runtime::authentication::{Guard, Token};
use dayvec_runtime::{Exit, Listeners, OrExit as _};
use metrics::counter;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::config::Config;
use crate::fresh::Fresh;
use crate::outage::Outage;
use crate::pages;
use crate::people::People;
use crate::published::Reader;
use crate::replicas::Replicas;
use crate::scrape::{Scrape, Scraper};
use crate::training::Trainer;

/// How long pages under way may take once the program is to end.
const DEADLINE: Duration = Duration::from_secs(5);

/// What browsers are asked for: any name, and the token as the password (RFC 7617).
const CHALLENGE: &str = r#"Basic realm="dayvec: any name, and your token", charset="UTF-8""#;

/// Nothing but our own style and icon is loaded, no script runs, no other site may frame the page, and what users did is
/// stored nowhere on the way.
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

/// Everything that pages are made from.
#[derive(Debug)]
pub(crate) struct Sources {
    pub(crate) reader: Reader,
    pub(crate) people: People,
    pub(crate) replicas: Replicas,
    pub(crate) trainer: Option<Trainer>,
    pub(crate) schedule: Option<Schedule>,
}

/// The metrics page of `inference schedule`.
#[derive(Debug)]
pub(crate) struct Schedule {
    url: Url,
    scraper: Scraper,
    fresh: Fresh<Result<Arc<Scrape>, Outage>>,
}

impl Schedule {
    /// What it says, as of two seconds ago at most.
    pub(crate) async fn scrape(&self) -> Result<Arc<Scrape>, Outage> {
        self.fresh.get(async { Ok(Arc::new(self.scraper.fetch(&self.url).await?)) }).await
    }
}

impl Sources {
    fn new(config: &Config) -> anyhow::Result<Self> {
        let bucket = Bucket::open(&config.bucket)?;
        let scraper = Scraper::new(config.timeout)?;
        let schedule =
            |url: &Url| Schedule { url: url.clone(), scraper: scraper.clone(), fresh: Fresh::default() };
        let token = Token::of_file(config.token_file.as_deref())?;
        let trainer = |url: &Url| Trainer::new(url, token.clone(), config.timeout, config.show_runs);
        Ok(Self {
            reader: Reader::new(&bucket, config.bucket_timeout, config.show_runs),
            people: People::new(&bucket, config.max_read_bytes),
            replicas: Replicas::new(&config.lookups, &token, &scraper, config.timeout)?,
            trainer: config.trainer.as_ref().map(trainer).transpose()?,
            schedule: config.inference_metrics.as_ref().map(schedule),
        })
    }
}

/// Serve until `shutdown`.
///
/// It is ready at once: a bucket or a service that does not answer is what the page is there to say.
///
/// # Errors
/// With exit code 64 for a bucket or a file of tokens that can't be opened; when a listener fails.
pub async fn run(config: Config, listeners: Listeners, shutdown: CancellationToken) -> anyhow::Result<()> {
    admin::install_metrics();
    let sources = Arc::new(Sources::new(&config).or_exit(Exit::BadConfig)?);
    let guard = Guard::open(config.tokens_file.as_deref()).or_exit(Exit::BadConfig)?;
    let (address, admin_address) = listeners.addresses()?;
    tokio::spawn(guard.clone().follow(shutdown.clone()));
    tracing::info!(%address, %admin_address, bucket = %config.bucket, tokens = guard.asks(), "listening");
    let readiness = Readiness::default();
    readiness.set(true);
    let admin = tokio::spawn(admin::serve(listeners.admin, readiness, shutdown.clone()));
    let page = axum::serve(listeners.traffic, router(sources, guard));
    let page = tokio::spawn(page.with_graceful_shutdown(shutdown.clone().cancelled_owned()).into_future());
    shutdown.cancelled().await;
    let drained = async {
        page.await.context("join the page")?.context("serve the page")?;
        admin.await.context("join the admin port")?.context("serve the admin port")
    };
    match tokio::time::timeout(DEADLINE, drained).await {
        Ok(drained) => drained,
        Err(_) => Ok(()),
    }
}

fn router(sources: Arc<Sources>, guard: Guard) -> Router {
    Router::new()
        .route("/", get(pages::overview))
        .route("/user", get(pages::user))
        .route("/models/{model_id}", get(pages::model))
        .route("/style.css", get(pages::style))
        .route("/icon.svg", get(pages::icon))
        .fallback(pages::not_found)
        .layer(middleware::from_fn_with_state(guard, let_in))
        .layer(middleware::from_fn(finish))
        .with_state(sources)
}

/// Answer only those who may call. Browsers ask people for a name and a password, and send both from then on.
async fn let_in(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let authorization = request.headers().get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
    match guard.admit(authorization) {
        Ok(_) => next.run(request).await,
        Err(refused) => {
            let challenge = [(header::WWW_AUTHENTICATE, CHALLENGE)];
            (StatusCode::UNAUTHORIZED, challenge, format!("{refused}\n")).into_response()
        }
    }
}

/// Add the headers, and count.
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

/// The route of a path; few, so that a stranger's paths do not become labels.
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
