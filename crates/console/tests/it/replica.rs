//! A lookup replica as the page meets it: it serves one snapshot, in which every user with a number for an id is.

use std::net::SocketAddr;
use std::ops::Range;

use bytes::Bytes;
use dayvec_core::{Day, bucket_of};
use dayvec_proto::Encoded;
use dayvec_proto::lookup::server::embedding_lookup_server::{EmbeddingLookup, EmbeddingLookupServer};
use dayvec_proto::lookup::v1::{
    BatchGetUserEmbeddingsRequest, BucketRange, GetItemEmbeddingsRequest, GetServingStatusRequest,
    GetServingStatusResponse, GetUserEmbeddingRequest, Snapshot,
};
use dayvec_snapshot::{Layout, newest_announcement};
use tokio_util::sync::CancellationToken;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use crate::world::{N_BUCKETS, World};

pub(crate) struct Replica {
    address: SocketAddr,
    shutdown: CancellationToken,
}

struct Service {
    day: Day,
    snapshot_id: String,
    /// Buckets of users that it serves.
    buckets: Range<u32>,
    /// The token that every call needs; empty for none.
    token: &'static str,
}

impl Replica {
    /// Serve what is announced in `world` as the snapshot of `day`.
    pub(crate) async fn start(day: &str, world: &World) -> Self {
        Self::start_with(day, world, 0..N_BUCKETS, "").await
    }

    /// The same, for the users of some buckets, and only to those who have the token.
    pub(crate) async fn start_with(
        day: &str,
        world: &World,
        buckets: Range<u32>,
        token: &'static str,
    ) -> Self {
        let newest = newest_announcement(&world.bucket).await.unwrap().unwrap();
        let layout = Layout::of_manifest(&newest.manifest).unwrap();
        let (day, snapshot_id) = (day.parse().unwrap(), layout.snapshot_id().to_owned());
        let service = Service { day, snapshot_id, buckets, token };
        let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let address = incoming.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let server = tonic::transport::Server::builder().add_service(EmbeddingLookupServer::new(service));
        tokio::spawn(server.serve_with_incoming_shutdown(incoming, shutdown.clone().cancelled_owned()));
        Self { address, shutdown }
    }

    pub(crate) fn url(&self) -> url::Url {
        format!("http://{}", self.address).parse().unwrap()
    }

    pub(crate) fn stop(self) {
        self.shutdown.cancel();
    }
}

/// A field of bytes on the wire: its number, its length, itself. Everything here is shorter than 128 bytes.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2, u8::try_from(bytes.len()).unwrap()], bytes].concat()
}

/// A field that holds a number.
fn number(field: u8, mut value: u64) -> Vec<u8> {
    let mut wire = vec![field << 3];
    while value > 0x7f {
        wire.push(value as u8 | 0x80);
        value >>= 7;
    }
    wire.push(value as u8);
    wire
}

impl Service {
    fn check<T>(&self, request: &Request<T>) -> Result<(), Status> {
        let sent = request.metadata().get("authorization").map_or("", |value| value.to_str().unwrap());
        let is_allowed = self.token.is_empty() || sent.strip_prefix("Bearer ") == Some(self.token);
        if is_allowed { Ok(()) } else { Err(Status::unauthenticated("no token")) }
    }
}

#[tonic::async_trait]
impl EmbeddingLookup for Service {
    async fn get_user_embedding(
        &self,
        request: Request<GetUserEmbeddingRequest>,
    ) -> Result<Response<Encoded>, Status> {
        self.check(&request)?;
        let user_id = &request.get_ref().user_id;
        let status = match user_id.parse::<u32>() {
            Ok(_) if !self.buckets.contains(&bucket_of(user_id, N_BUCKETS)) => 5,
            Ok(_) => 1,
            Err(_) => 2,
        };
        let found = || {
            let numbers: Vec<u8> = [1.0_f32, 0.0].into_iter().flat_map(f32::to_le_bytes).collect();
            let embedding = field(3, &[number(1, 1), field(2, &numbers)].concat());
            let computed_at = field(4, &number(1, self.day.end_s() as u64));
            [number(1, 1), number(2, 1), embedding, computed_at].concat()
        };
        let user = field(1, &if status == 1 { found() } else { number(1, status) });
        let snapshot = field(2, &field(1, self.snapshot_id.as_bytes()));
        Ok(Response::new(Encoded(Bytes::from([user, snapshot].concat()))))
    }

    async fn batch_get_user_embeddings(
        &self,
        _request: Request<BatchGetUserEmbeddingsRequest>,
    ) -> Result<Response<Encoded>, Status> {
        Err(Status::unimplemented("the page asks for one user"))
    }

    async fn get_item_embeddings(
        &self,
        _request: Request<GetItemEmbeddingsRequest>,
    ) -> Result<Response<Encoded>, Status> {
        Err(Status::unimplemented("the page has the items from the bucket"))
    }

    async fn get_serving_status(
        &self,
        request: Request<GetServingStatusRequest>,
    ) -> Result<Response<GetServingStatusResponse>, Status> {
        self.check(&request)?;
        let snapshot = Snapshot { snapshot_id: self.snapshot_id.clone(), ..Snapshot::default() };
        Ok(Response::new(GetServingStatusResponse {
            snapshot: Some(snapshot),
            n_users: 10,
            n_items: 3,
            announcement: 2,
            buckets: Some(BucketRange { first: self.buckets.start, end: self.buckets.end, of: N_BUCKETS }),
            ..GetServingStatusResponse::default()
        }))
    }
}
