//! A service from its ports to its end, asked by a client.

use std::time::Duration;

use dayvec_runtime::authentication::Token;
use dayvec_runtime::client::{Target, explain};
use dayvec_runtime::service::Service;
use dayvec_runtime::{Listeners, exit};
use tokio_util::sync::CancellationToken;
use tonic::Code;
use tonic::transport::Server;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;

const NAME: &str = "test.Service";
const DEADLINE: Duration = Duration::from_secs(30);

async fn listeners() -> Listeners {
    let any = "127.0.0.1:0".parse().unwrap();
    Listeners::bind(any, any).await.unwrap()
}

#[tokio::test]
async fn health_is_open_reflection_is_guarded_and_the_end_is_drained() {
    let tokens = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(tokens.path(), "someone 0123456789abcdef\n").unwrap();
    let listeners = listeners().await;
    let (address, admin) = listeners.addresses().unwrap();
    let service = Service::open(listeners, Some(tokens.path()), CancellationToken::new()).unwrap();
    let health = service.health(NAME).await;
    let router = service.router(Server::builder(), &health, &[]).unwrap();
    let running = service.start_grpc(router).unwrap();

    let target = Target::new(&address.to_string()).unwrap();
    let mut client = HealthClient::new(target.connect(Token::None).await.unwrap());
    let mut check = async || {
        let request = HealthCheckRequest { service: NAME.to_owned() };
        client.check(request).await.unwrap().into_inner().status()
    };
    assert_eq!(check().await, ServingStatus::NotServing);
    health.set(true).await;
    assert_eq!(check().await, ServingStatus::Serving);
    assert!(super::get(admin, "/readyz").await.starts_with("HTTP/1.1 200"));

    let reflect = async |token: Token| {
        let mut client = ServerReflectionClient::new(target.connect(token).await.unwrap());
        let asked = futures::stream::iter([ServerReflectionRequest::default()]);
        client.server_reflection_info(asked).await.map(|_| ())
    };
    let refused = reflect(Token::None).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    assert!(explain(&refused, "give --token-file").ends_with("; give --token-file"));
    reflect(Token::given("0123456789abcdef", "test").unwrap()).await.unwrap();

    drop(client);
    running.drain(DEADLINE).await.unwrap();
    let error = target.connect(Token::None).await.unwrap_err();
    assert_eq!(exit::code(&error), 69, "{error:#}");
    assert!(format!("{error:#}").contains(&format!("connect to {address}")), "{error:#}");
}

#[tokio::test]
async fn a_bad_file_of_tokens_is_bad_configuration() {
    let missing = std::path::Path::new("/no/such/file");
    let error = Service::open(listeners().await, Some(missing), CancellationToken::new()).unwrap_err();
    assert_eq!(exit::code(&error), 64, "{error:#}");
}
