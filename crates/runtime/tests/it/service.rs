//! A service from its ports to its end, asked by a client.

use std::time::Duration;

use dayvec_runtime::authentication::Token;
use dayvec_runtime::client::{Target, explain};
use dayvec_runtime::service::{ClientLimits, Health, Running, Service};
use dayvec_runtime::{Listeners, exit};
use futures::StreamExt as _;
use tokio_util::sync::CancellationToken;
use tonic::Code;
use tonic::transport::Server;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;

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
    let routes = service.routes(&health, &[]).unwrap();
    let running = service.start_grpc(Server::builder(), routes, ClientLimits::default()).unwrap();

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

/// A service that any client may call.
async fn open_service() -> (Target, Health, Running) {
    let listeners = listeners().await;
    let target = Target::new(&listeners.addresses().unwrap().0.to_string()).unwrap();
    let service = Service::open(listeners, None, CancellationToken::new()).unwrap();
    let health = service.health(NAME).await;
    let routes = service.routes(&health, &[]).unwrap();
    let running = service.start_grpc(Server::builder(), routes, ClientLimits::default()).unwrap();
    (target, health, running)
}

#[tokio::test]
async fn open_streams_end_with_the_service() {
    let (target, health, running) = open_service().await;
    health.set(true).await;
    let connection = target.connect(Token::None).await.unwrap();
    let request = HealthCheckRequest { service: String::new() };
    let mut watch = HealthClient::new(connection.clone()).watch(request).await.unwrap().into_inner();
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::Serving);
    let list = MessageRequest::ListServices(String::new());
    let question = ServerReflectionRequest { host: String::new(), message_request: Some(list) };
    let asked = futures::stream::iter([question]).chain(futures::stream::pending());
    let mut reflection = ServerReflectionClient::new(connection);
    let mut answers = reflection.server_reflection_info(asked).await.unwrap().into_inner();
    answers.message().await.unwrap();

    health.set(false).await;
    assert_eq!(watch.message().await.unwrap().unwrap().status(), ServingStatus::NotServing);
    // No deadline helps: the drain ends because the streams do.
    let drained = running.drain(Duration::MAX);
    tokio::time::timeout(DEADLINE, drained).await.expect("open streams delay the end").unwrap();
    assert_eq!(watch.message().await.unwrap_err().code(), Code::Unavailable);
    assert!(answers.message().await.is_err());
}

#[tokio::test]
async fn many_cancelled_calls_leave_the_connection_to_the_others() {
    let (target, _health, running) = open_service().await;
    let connection = target.connect(Token::None).await.unwrap();
    let client = HealthClient::new(connection);
    let request = || HealthCheckRequest { service: String::new() };
    // On one thread the service sees nothing before all of them were sent and given up, as after a pause.
    let mut given_up = Vec::new();
    for _ in 0..200 {
        let mut client = client.clone();
        let call = tokio::spawn(async move { client.check(request()).await.map(drop) });
        tokio::task::yield_now().await;
        call.abort();
        given_up.push(call);
    }
    client.clone().check(request()).await.unwrap();
    for call in given_up {
        let _given_up_or_answered = call.await;
    }
    client.clone().check(request()).await.unwrap();
    running.drain(DEADLINE).await.unwrap();
}

#[tokio::test]
async fn a_bad_file_of_tokens_is_bad_configuration() {
    let missing = std::path::Path::new("/no/such/file");
    let error = Service::open(listeners().await, Some(missing), CancellationToken::new()).unwrap_err();
    assert_eq!(exit::code(&error), 64, "{error:#}");
}
