//! The admin port, apart from traffic: `/metrics` (Prometheus text), `/livez` and `/readyz`.
//!
//! Any code may record with the `metrics` crate once [`install_metrics`] has run; before that, recording is a no-op.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::{io, time::Duration};

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use metrics::gauge;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::metrics_help;

/// Upper edges of duration histograms in seconds: one lookup takes tens of microseconds, a day's run minutes.
const SECONDS_BUCKETS: [f64; 18] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0,
    10.0, 60.0, 600.0, 3600.0,
];

/// Upper edges of histograms that count things, such as the keys of a batch.
const SIZE_BUCKETS: [f64; 10] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0];

/// How often recorded samples are folded into histograms between scrapes; without it they would accumulate.
const UPKEEP: Duration = Duration::from_secs(5);

static METRICS: OnceLock<PrometheusHandle> = OnceLock::new();

/// Folders whose disk is watched.
static DISKS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Whether the program can do its work, shared between the program and its admin port. Starts as not ready.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// Say whether the program is ready.
    pub fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::Relaxed);
    }

    /// Whether the program is ready.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Install the recorder of metrics; a second call returns the handle of the same recorder.
pub fn install_metrics() -> &'static PrometheusHandle {
    METRICS.get_or_init(|| {
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS_BUCKETS)
            .and_then(|builder| {
                builder.set_buckets_for_metric(Matcher::Suffix("_size".to_owned()), &SIZE_BUCKETS)
            })
            .expect("the edges are not empty")
            .build_recorder();
        let handle = recorder.handle();
        if metrics::set_global_recorder(recorder).is_err() {
            tracing::warn!("another metrics recorder is installed; /metrics will stay empty");
        }
        metrics_help::describe_all();
        handle
    })
}

/// Report the free space and the size of the disk of `folder`, as long as the admin port is served.
pub fn watch_disk(folder: &Path) {
    DISKS.lock().unwrap_or_else(PoisonError::into_inner).push(folder.to_owned());
    measure_disks();
}

fn measure_disks() {
    for folder in DISKS.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        // A folder that does not exist yet is on the disk of its nearest existing ancestor.
        let measured = folder.ancestors().find_map(|above| rustix::fs::statvfs(above).ok());
        let Some(disk) = measured else { continue };
        let label = folder.display().to_string();
        gauge!("disk_free_bytes", "folder" => label.clone()).set((disk.f_bavail * disk.f_frsize) as f64);
        gauge!("disk_size_bytes", "folder" => label).set((disk.f_blocks * disk.f_frsize) as f64);
    }
}

fn report_build() {
    let program = std::env::current_exe().ok();
    let program = program
        .as_deref()
        .and_then(Path::file_name)
        .map_or_else(String::new, |name| name.to_string_lossy().into());
    gauge!("build_info", "program" => program, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
}

/// Answer the admin port on `listener` until `shutdown`.
///
/// `/livez` is 200 while the process runs; `/readyz` is 200 or 503 as `readiness` says; `/metrics` is the Prometheus
/// text of everything recorded so far.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    readiness: Readiness,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let metrics = install_metrics();
    report_build();
    let routes = axum::Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(|| async { metrics.render() }))
        .with_state(readiness);
    let upkeep = tokio::spawn(async {
        let mut tick = tokio::time::interval(UPKEEP);
        loop {
            tick.tick().await;
            metrics.run_upkeep();
            measure_disks();
        }
    });
    let served = axum::serve(listener, routes).with_graceful_shutdown(shutdown.cancelled_owned()).await;
    upkeep.abort();
    served
}

async fn ready(State(readiness): State<Readiness>) -> (StatusCode, &'static str) {
    if readiness.is_ready() {
        (StatusCode::OK, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
    }
}
