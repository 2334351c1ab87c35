//! The admin port and the skeleton of a service, as programs use them.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod service;

use dayvec_runtime::admin::{self, Readiness};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

async fn get(address: std::net::SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn the_admin_port_reports_readiness_and_metrics_and_stops() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (readiness, shutdown) = (Readiness::default(), CancellationToken::new());
    admin::install_metrics();
    let served = tokio::spawn(admin::serve(listener, readiness.clone(), shutdown.clone()));

    assert!(get(address, "/livez").await.starts_with("HTTP/1.1 200"));
    assert!(get(address, "/readyz").await.starts_with("HTTP/1.1 503"));
    readiness.set(true);
    assert!(get(address, "/readyz").await.starts_with("HTTP/1.1 200"));

    metrics::counter!("test_total", "result" => "hit").increment(3);
    metrics::histogram!("test_duration_seconds").record(0.000_3);
    let text = get(address, "/metrics").await;
    for line in ["test_total{result=\"hit\"} 3", "test_duration_seconds_bucket{le=\"0.0005\"} 1"] {
        assert!(text.contains(line), "{line} is missing from\n{text}");
    }

    metrics::gauge!("build_info", "program" => "test").set(1.0);
    let text = get(address, "/metrics").await;
    let help = "# HELP build_info always 1; says which version runs\n# TYPE build_info gauge\n";
    assert!(text.contains(help), "{text}");

    shutdown.cancel();
    served.await.unwrap().unwrap();
}
