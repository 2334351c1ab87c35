//! What the transport refuses, and what a client can make a replica hold.

use bytes::{Buf as _, BufMut as _, Bytes};
use dayvec_proto::lookup::v1::{BatchGetUserEmbeddingsRequest, GetUserEmbeddingRequest};
use prost::Message as _;
use std::time::Duration;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status, Streaming};

use crate::world::{N_USERS, Service, World, ask, day, serve};

/// Messages as the bytes that they are.
#[derive(Debug, Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, into: &mut EncodeBuf<'_>) -> Result<(), Status> {
        into.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

fn path(method: &str) -> PathAndQuery {
    format!("/dayvec.lookup.v1.EmbeddingLookup/{method}").parse().unwrap()
}

async fn channel(service: &Service) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://{}", service.address)).unwrap();
    // Less than a reply: what is not read stays at the service.
    endpoint.initial_stream_window_size(Some(1024)).connect().await.unwrap()
}

/// Call a method with any bytes; the reply is not read.
async fn call(channel: &Channel, method: &str, request: Bytes) -> Result<Response<Streaming<Bytes>>, Status> {
    let mut grpc = Grpc::new(channel.clone());
    grpc.ready().await.map_err(|error| Status::unavailable(error.to_string()))?;
    grpc.server_streaming(Request::new(request), path(method), Raw).await
}

async fn serving(change: impl FnOnce(&mut dayvec_lookup::Config)) -> (World, Service) {
    let world = World::new();
    let manifest = world.publish(day(1)).await;
    let mut config = world.config();
    change(&mut config);
    let service = serve(config).await;
    service.until_serving(&manifest).await;
    (world, service)
}

/// How often the transport refused something for a reason, in all services of this process.
async fn refused(service: &Service, reason: &str) -> u64 {
    let metrics = service.admin("/metrics").await;
    let series = format!("rpc_server_refused_total{{reason=\"{reason}\"}} ");
    let line = metrics.lines().find_map(|line| line.strip_prefix(&series));
    line.unwrap_or_else(|| panic!("{series} is missing from\n{metrics}")).parse().unwrap()
}

#[tokio::test]
async fn a_request_that_is_too_large_or_malformed_is_the_callers_fault_and_counted() {
    let (_world, service) = serving(|config| config.limits.max_request_bytes = 10_000).await;
    let channel = channel(&service).await;
    let user_ids = vec!["a".repeat(500); 30];
    let large = BatchGetUserEmbeddingsRequest { user_ids, options: None }.encode_to_vec();
    let n_bytes = large.len().to_string();
    // A user id of two bytes that are no UTF-8; a field that ends too early; no message at all.
    let odd: [&'static [u8]; 2] = [b"\x0a\x02\xff\xfe", b"\x0a\x09ab"];
    let (size, encoding) =
        (refused(&service, "request_size").await, refused(&service, "request_encoding").await);
    let status = call(&channel, "BatchGetUserEmbeddings", large.into()).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    for part in [n_bytes.as_str(), "max_request_bytes = 10000", "split"] {
        assert!(status.message().contains(part), "{status}");
    }
    for bytes in odd {
        let status = call(&channel, "GetUserEmbedding", Bytes::from_static(bytes)).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    }
    assert!(refused(&service, "request_size").await > size);
    assert!(refused(&service, "request_encoding").await >= encoding + 2);
    service.stop().await.unwrap();
}

#[tokio::test]
async fn large_metadata_pass_up_to_a_limit_that_the_refusal_names() {
    let (_world, service) = serving(|_| {}).await;
    let mut client = service.client().await;
    let with = |n_bytes: usize| {
        let mut request = Request::new(ask("5"));
        let baggage: MetadataValue<_> = "a".repeat(n_bytes).parse().unwrap();
        request.metadata_mut().insert("baggage", baggage);
        request
    };
    client.get_user_embedding(with(20_000)).await.unwrap();
    let before = refused(&service, "metadata").await;
    let status = client.get_user_embedding(with(40_000)).await.unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted, "{status}");
    assert!(status.message().contains("max_metadata_bytes = 32768"), "{status}");
    assert!(refused(&service, "metadata").await > before);
    client.get_user_embedding(with(1)).await.unwrap();
    service.stop().await.unwrap();
}

#[tokio::test]
async fn a_client_that_does_not_read_its_replies_is_refused_more_and_costs_others_nothing() {
    let (_world, service) = serving(|config| {
        config.limits.max_buffered_bytes = 8 * 64 * 1024; // 64 KiB a connection: a few replies
        config.limits.stalled_after = Duration::from_millis(300);
    })
    .await;
    let user_ids: Vec<String> = (0..100).map(|user| (user % N_USERS).to_string()).collect();
    let request: Bytes = BatchGetUserEmbeddingsRequest { user_ids, options: None }.encode_to_vec().into();
    let greedy = channel(&service).await;
    let mut unread = Vec::new();
    let refusal = loop {
        match call(&greedy, "BatchGetUserEmbeddings", request.clone()).await {
            Ok(reply) => unread.push(reply),
            Err(status) => break status,
        }
        assert!(unread.len() < 64, "{} replies are held for one client", unread.len());
    };
    // The call waited for the others, or the connection was closed first, because nothing is taken of it.
    let is_limit = refusal.message().contains("max_buffered_bytes");
    assert!(is_limit || refused(&service, "stalled").await > 0, "{refusal}");
    assert!(unread.len() > 3);
    service.client().await.get_user_embedding(ask("5")).await.unwrap();
    // Whatever it held is free again once it is gone.
    drop((unread, greedy));
    let again = channel(&service).await;
    let mut reply = call(&again, "BatchGetUserEmbeddings", request).await.unwrap().into_inner();
    assert!(reply.message().await.unwrap().is_some());
    service.stop().await.unwrap();
}

#[tokio::test]
async fn a_call_that_never_sends_its_request_is_ended() {
    let (_world, service) = serving(|config| config.limits.call_timeout = Duration::from_millis(100)).await;
    let mut grpc = Grpc::new(channel(&service).await);
    grpc.ready().await.unwrap();
    let before = refused(&service, "request_time").await;
    let never = futures::stream::pending::<Bytes>();
    let status = grpc.client_streaming(Request::new(never), path("GetUserEmbedding"), Raw).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
    assert!(status.message().contains("call_timeout"), "{status}");
    assert!(refused(&service, "request_time").await > before);
    service.stop().await.unwrap();
}

#[tokio::test]
async fn connections_beyond_the_limit_are_closed_and_a_free_place_is_used_again() {
    let (_world, service) = serving(|config| config.limits.max_connections = 1).await;
    let request: Bytes =
        GetUserEmbeddingRequest { user_id: "5".into(), options: None }.encode_to_vec().into();
    // The connection that asked for the status may still be on its way out.
    let only = loop {
        let channel = channel(&service).await;
        if call(&channel, "GetUserEmbedding", request.clone()).await.is_ok() {
            break channel;
        }
    };
    let before = refused(&service, "connections").await;
    let endpoint = Endpoint::from_shared(format!("http://{}", service.address)).unwrap();
    let further = match endpoint.connect().await {
        Ok(channel) => call(&channel, "GetUserEmbedding", request.clone()).await.map(drop).is_ok(),
        Err(_) => false,
    };
    assert!(!further && refused(&service, "connections").await > before);
    call(&only, "GetUserEmbedding", request.clone()).await.unwrap();
    drop(only);
    loop {
        if let Ok(channel) = endpoint.connect().await
            && call(&channel, "GetUserEmbedding", request.clone()).await.is_ok()
        {
            break;
        }
    }
    service.stop().await.unwrap();
}
