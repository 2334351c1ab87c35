//! Who may call when tokens are required.

use dayvec_proto::lookup::v1::embedding_lookup_client::EmbeddingLookupClient;
use dayvec_proto::lookup::v1::{GetServingStatusRequest, Status};
use dayvec_runtime::authentication::Token;
use tonic::Code;
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;

use crate::world::{World, ask, day, serve};

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

#[tokio::test]
async fn only_listed_clients_are_answered_and_probes_are_not_asked() {
    let world = World::new();
    world.publish(day(1)).await;
    let file = world.dir.path().join("tokens");
    std::fs::write(&file, format!("# clients\nranking {TOKEN}\n")).unwrap();
    let mut config = world.config();
    config.tokens_file = Some(file);
    let service = serve(config).await;
    let channel =
        Endpoint::from_shared(format!("http://{}", service.address)).unwrap().connect().await.unwrap();

    let with = |token: Token| EmbeddingLookupClient::with_interceptor(channel.clone(), token);
    let mut ranking = with(Token::given(TOKEN, "test").unwrap());
    let serving = async {
        while ranking
            .get_user_embedding(ask("7"))
            .await
            .is_err_and(|status| status.code() == Code::Unavailable)
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), serving).await.unwrap();
    let answer = ranking.get_user_embedding(ask("7")).await.unwrap().into_inner().user.unwrap();
    assert_eq!(answer.status(), Status::Found);

    for (token, said) in [
        (Token::None, "authorization: Bearer TOKEN"),
        (Token::given("fedcba9876543210fedcba9876543210", "test").unwrap(), "not known to the service"),
    ] {
        let mut stranger = with(token);
        let refused = stranger.get_user_embedding(ask("7")).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated);
        assert!(refused.message().contains(said), "{refused}");
        let refused = stranger.get_serving_status(GetServingStatusRequest {}).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated);
    }
    let asked = futures::stream::iter([ServerReflectionRequest::default()]);
    let refused =
        ServerReflectionClient::new(channel.clone()).server_reflection_info(asked).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    HealthClient::new(channel).check(HealthCheckRequest::default()).await.unwrap();
    let metrics = service.admin("/metrics").await;
    assert!(metrics.contains(r#"authentication_refused_total{reason="unknown"}"#), "{metrics}");
    service.stop().await.unwrap();
}
