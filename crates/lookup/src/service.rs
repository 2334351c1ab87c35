//! The calls of `EmbeddingLookup`: check the request, take the served snapshot once, answer every key from it.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use dayvec_proto::Encoded;
use dayvec_proto::lookup::server::embedding_lookup_server::EmbeddingLookup;
use dayvec_proto::lookup::v1::{self, Encoding, Fallback, ReadOptions, Source, Status};
use dayvec_runtime::service::Peer;
use tonic::{Extensions, Request, Response};

use crate::config::Limits;
use crate::index::{Element, Row};
use crate::meter::{Meter, Method};
use crate::refusal::Refusal;
use crate::serving::{Served, Serving, Snapshot, duration_message, timestamp_message};
use crate::vector::Vector;
use crate::wire::{Answer, ReplyWriter, most_bytes};

/// The service; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Lookup {
    serving: Arc<Serving>,
    limits: Limits,
    meter: Arc<Meter>,
}

/// A request's options, checked against what is served.
struct Ask {
    served: Arc<Served>,
    encoding: Encoding,
    fallback: Fallback,
    age: Duration,
    is_too_old: bool,
}

impl Lookup {
    pub(crate) fn new(serving: Arc<Serving>, limits: Limits) -> Self {
        Self { serving, limits, meter: Arc::new(Meter::new()) }
    }

    fn get_user(&self, request: &v1::GetUserEmbeddingRequest) -> Result<Encoded, Refusal> {
        self.check_id("user_id", &request.user_id)?;
        let ask = self.ask(request.options.as_ref())?;
        let mut reply = self.reply(&ask, "user_id", 1)?;
        let answer = ask.user(&request.user_id);
        self.meter.answered(&answer);
        reply.user(&answer);
        Ok(ask.finish(reply))
    }

    fn get_users(&self, request: &v1::BatchGetUserEmbeddingsRequest) -> Result<Encoded, Refusal> {
        self.check_ids("user_ids", &request.user_ids)?;
        let ask = self.ask(request.options.as_ref())?;
        let mut reply = self.reply(&ask, "user_ids", request.user_ids.len())?;
        for id in &request.user_ids {
            let answer = ask.user(id);
            self.meter.answered(&answer);
            reply.user(&answer);
        }
        Ok(ask.finish(reply))
    }

    fn get_items(&self, request: &v1::GetItemEmbeddingsRequest) -> Result<Encoded, Refusal> {
        self.check_ids("item_ids", &request.item_ids)?;
        let ask = self.ask(request.options.as_ref())?;
        let mut reply = self.reply(&ask, "item_ids", request.item_ids.len())?;
        for id in &request.item_ids {
            reply.item(&ask.item(id));
        }
        Ok(ask.finish(reply))
    }

    fn check_id(&self, field: &str, id: &str) -> Result<(), Refusal> {
        if id.is_empty() {
            return Err(Refusal::bad_input(field, "is empty"));
        }
        if id.len() > self.limits.max_id_bytes {
            let reason =
                format!("is {} bytes long, but max_id_bytes = {}", id.len(), self.limits.max_id_bytes);
            return Err(Refusal::bad_input(field, reason));
        }
        Ok(())
    }

    fn check_ids(&self, field: &'static str, ids: &[String]) -> Result<(), Refusal> {
        let (count, allowed) = (ids.len(), self.limits.max_batch_keys);
        if count == 0 {
            return Err(Refusal::bad_input(field, "is empty"));
        }
        if count > allowed {
            return Err(Refusal::OverLimit { field, count, limit: "max_batch_keys", allowed });
        }
        self.meter.batch(count);
        match ids.iter().enumerate().find(|(_, id)| id.is_empty() || id.len() > self.limits.max_id_bytes) {
            Some((at, id)) => self.check_id(&format!("{field}[{at}]"), id),
            None => Ok(()),
        }
    }

    fn ask(&self, options: Option<&ReadOptions>) -> Result<Ask, Refusal> {
        let unset = ReadOptions::default();
        let options = options.unwrap_or(&unset);
        let encoding = Encoding::try_from(options.encoding).map_err(|_| {
            Refusal::bad_input("options.encoding", format!("{} is not a known encoding", options.encoding))
        })?;
        let fallback = Fallback::try_from(options.fallback).map_err(|_| {
            Refusal::bad_input("options.fallback", format!("{} is not a known fallback", options.fallback))
        })?;
        let max_age = options.max_age.map(Duration::try_from).transpose();
        let max_age = max_age.map_err(|_| Refusal::bad_input("options.max_age", "is negative"))?;

        let served = self.serving.get().clone().ok_or(Refusal::NoSnapshot)?;
        let about = &served.current.about;
        if !options.require_tower_pair.is_empty() && options.require_tower_pair != about.tower_pair_id {
            return Err(Refusal::OtherTowerPair {
                required: options.require_tower_pair.clone(),
                served: about.tower_pair_id.clone(),
                snapshot: about.snapshot_id.clone(),
            });
        }
        let age = served.current.age(SystemTime::now());
        let is_too_old = max_age.is_some_and(|most| age > most);
        Ok(Ask { served, encoding, fallback, age, is_too_old })
    }

    fn reply(&self, ask: &Ask, field: &'static str, n_rows: usize) -> Result<ReplyWriter, Refusal> {
        let snapshot = ask.snapshot();
        let count = most_bytes(n_rows, snapshot.index.dim(), ask.encoding, snapshot.encoded.len());
        let allowed = self.limits.max_reply_bytes;
        if count > allowed {
            return Err(Refusal::OverLimit { field, count, limit: "max_reply_bytes", allowed });
        }
        Ok(ReplyWriter::new(ask.encoding, count))
    }

    fn status(&self) -> v1::GetServingStatusResponse {
        let last = self.serving.last_refresh();
        let mut status = v1::GetServingStatusResponse {
            refreshed_at: last.at.map(timestamp_message),
            refresh_error: last.error,
            server_version: env!("CARGO_PKG_VERSION").to_owned(),
            ..Default::default()
        };
        if let Some(served) = self.serving.get().as_ref() {
            let snapshot = &served.current;
            status.snapshot = Some(snapshot.message(SystemTime::now()));
            status.buckets = Some(snapshot.bucket_range());
            status.n_users = snapshot.index.n_users() as u64;
            status.n_items = snapshot.index.n_items() as u64;
            status.announcement = served.announcement;
            status.serving_since = Some(timestamp_message(served.since));
            let previous = served.previous.as_ref();
            status.previous_snapshot_id = previous.map(|p| p.about.snapshot_id.clone()).unwrap_or_default();
        }
        status
    }

    /// Bytes of a reply, at most, before the request was looked at.
    fn most_bytes(&self, n_keys: usize, options: Option<&ReadOptions>) -> usize {
        let Some(served) = self.serving.get().clone() else { return 0 };
        let encoding = options.and_then(|options| Encoding::try_from(options.encoding).ok());
        let (dim, about) = (served.current.index.dim(), served.current.encoded.len());
        let n_rows = n_keys.min(self.limits.max_batch_keys);
        most_bytes(n_rows, dim, encoding.unwrap_or(Encoding::Float32), about).min(self.limits.max_reply_bytes)
    }

    /// Answer a call, once its connection has room for a reply of at most so many bytes.
    async fn answer<T>(
        &self,
        method: Method,
        call: Call<'_>,
        make: impl FnOnce(&Self) -> Result<T, Refusal>,
    ) -> Result<Response<T>, tonic::Status> {
        let start = Instant::now();
        let reserved = match call.extensions.get::<Peer>() {
            Some(peer) => peer.reserve(call.most_bytes).await.ok_or(Refusal::Unread).map(Some),
            None => Ok(None),
        };
        let made = reserved.and_then(|reserved| Ok((make(self)?, reserved)));
        self.meter.called(method, start, made.as_ref().err());
        let (reply, reserved) = made.map_err(tonic::Status::from)?;
        let mut response = Response::new(reply);
        if let Some(reserved) = reserved {
            response.extensions_mut().insert(reserved);
        }
        Ok(response)
    }
}

/// What is known of a call before it is looked at.
struct Call<'a> {
    extensions: &'a Extensions,
    most_bytes: usize,
}

impl Ask {
    fn snapshot(&self) -> &Snapshot {
        &self.served.current
    }

    fn user(&self, id: &str) -> Answer<'_> {
        let index = &self.snapshot().index;
        match index.user(id) {
            Some(row) => {
                let times = Some((row.computed_at, row.last_action_at));
                Answer { times, ..self.found(row) }
            }
            None if self.snapshot().is_elsewhere(id) => {
                Answer { status: Status::NotServed, embedding: None, times: None }
            }
            None => {
                let mean = Vector { bytes: index.mean(), element: Element::F32 };
                let falls_back = self.fallback == Fallback::PopulationMean;
                let embedding = falls_back.then_some((Source::PopulationMean, mean));
                Answer { status: Status::NotFound, embedding, times: None }
            }
        }
    }

    fn item(&self, id: &str) -> Answer<'_> {
        match self.snapshot().index.item(id) {
            Some(row) => self.found(row),
            None => Answer { status: Status::NotFound, embedding: None, times: None },
        }
    }

    fn found<'a>(&'a self, row: Row<'a>) -> Answer<'a> {
        if self.is_too_old {
            return Answer { status: Status::TooOld, embedding: None, times: None };
        }
        let vector = Vector { bytes: row.numbers, element: self.snapshot().index.element() };
        Answer { status: Status::Found, embedding: Some((Source::Own, vector)), times: None }
    }

    fn finish(&self, reply: ReplyWriter) -> Encoded {
        Encoded(reply.finish(&self.snapshot().encoded, duration_message(self.age)))
    }
}

#[tonic::async_trait]
impl EmbeddingLookup for Lookup {
    async fn get_user_embedding(
        &self,
        request: Request<v1::GetUserEmbeddingRequest>,
    ) -> Result<Response<Encoded>, tonic::Status> {
        let asked = request.get_ref();
        let most_bytes = self.most_bytes(1, asked.options.as_ref());
        let call = Call { extensions: request.extensions(), most_bytes };
        self.answer(Method::GetUser, call, |lookup| lookup.get_user(asked)).await
    }

    async fn batch_get_user_embeddings(
        &self,
        request: Request<v1::BatchGetUserEmbeddingsRequest>,
    ) -> Result<Response<Encoded>, tonic::Status> {
        let asked = request.get_ref();
        let most_bytes = self.most_bytes(asked.user_ids.len(), asked.options.as_ref());
        let call = Call { extensions: request.extensions(), most_bytes };
        self.answer(Method::BatchGetUsers, call, |lookup| lookup.get_users(asked)).await
    }

    async fn get_item_embeddings(
        &self,
        request: Request<v1::GetItemEmbeddingsRequest>,
    ) -> Result<Response<Encoded>, tonic::Status> {
        let asked = request.get_ref();
        let most_bytes = self.most_bytes(asked.item_ids.len(), asked.options.as_ref());
        let call = Call { extensions: request.extensions(), most_bytes };
        self.answer(Method::GetItems, call, |lookup| lookup.get_items(asked)).await
    }

    async fn get_serving_status(
        &self,
        _request: Request<v1::GetServingStatusRequest>,
    ) -> Result<Response<v1::GetServingStatusResponse>, tonic::Status> {
        Ok(Response::new(self.status()))
    }
}
