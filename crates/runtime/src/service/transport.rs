//! Around every call: what the transport refuses gets a status that names the limit and is counted, requests and replies
//! are charged to their connection, and open streams end when the service does.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service};
use tonic::{Code, Status};
use tower_layer::Layer;

use crate::service::limits::{ClientLimits, Refused};
use crate::service::peer::{Charge, Peer, Reserved};

/// What HTTP/2 counts for a header beside its name and its value (RFC 9113, 6.5.2).
const HEADER_OVERHEAD_BYTES: usize = 32;
/// Calls that stay open as long as their client likes: health and reflection.
const OPEN_ENDED: &str = "/grpc.";
/// How tonic's messages about a malformed request begin, which it calls INTERNAL.
const MALFORMED: [&str; 5] = [
    "failed to decode Protobuf message",
    "Missing request message",
    "Unexpected EOF decoding stream",
    "protocol error: received message",
    "Error decompressing",
];

/// Makes [`Transport`]s.
#[derive(Debug, Clone)]
pub(super) struct TransportLayer {
    pub(super) limits: ClientLimits,
    pub(super) close: CancellationToken,
}

impl<S> Layer<S> for TransportLayer {
    type Service = Transport<S>;

    fn layer(&self, inner: S) -> Transport<S> {
        Transport { inner, limits: self.limits, close: self.close.clone() }
    }
}

/// A service behind the limits.
#[derive(Debug, Clone)]
pub(super) struct Transport<S> {
    inner: S,
    limits: ClientLimits,
    close: CancellationToken,
}

impl<S> Service<Request<Body>> for Transport<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Watched>;
    type Error = Infallible;
    type Future = BoxFuture<Response<Watched>, Infallible>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let limits = self.limits;
        let bytes = metadata_bytes(request.headers());
        if bytes > limits.max_metadata_bytes as usize {
            Refused::Metadata.count();
            let refusal = Status::resource_exhausted(format!(
                "metadata: {bytes} bytes exceed the limit max_metadata_bytes = {}; send less",
                limits.max_metadata_bytes
            ));
            return Box::pin(std::future::ready(Ok(Watched::over(refusal.into_http()))));
        }
        let is_open_ended = request.uri().path().starts_with(OPEN_ENDED);
        let ending = || is_open_ended.then(|| Box::pin(self.close.clone().cancelled_owned()));
        let peer = request.extensions().get::<Peer>().cloned();
        let (request_ending, reply_ending) = (ending(), ending());
        let request =
            request.map(|inner| Body::new(Incoming { inner, peer, charge: None, ending: request_ending }));
        let called = self.inner.call(request);
        Box::pin(async move {
            let answered = match limits.call_timeout.filter(|_| !is_open_ended) {
                None => called.await,
                Some(limit) => match tokio::time::timeout(limit, called).await {
                    Ok(answered) => answered,
                    Err(_) => {
                        Refused::RequestTime.count();
                        let late = format!("the call took longer than call_timeout = {limit:?}");
                        Ok(Status::deadline_exceeded(late).into_http())
                    }
                },
            };
            let mut response = answered?;
            let refusal = response.extensions().get::<Status>().and_then(|status| clearer(status, &limits));
            if let Some(refusal) = refusal {
                response = refusal.into_http();
            }
            let reserved = response.extensions_mut().remove::<Reserved>();
            let mut watched = Watched::over(response);
            let body = watched.body_mut();
            (body.ending, body.reserved) = (reply_ending, reserved);
            Ok(watched)
        })
    }
}

fn metadata_bytes(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + HEADER_OVERHEAD_BYTES).sum()
}

/// What tonic refused before the service saw it, as documented: over a limit, or malformed. Counted.
fn clearer(status: &Status, limits: &ClientLimits) -> Option<Status> {
    let said = status.message();
    match status.code() {
        Code::OutOfRange if said.contains("message length too large") => {
            Refused::RequestSize.count();
            let limit = limits.max_request_bytes;
            let found = said.split_once("found ").and_then(|(_, rest)| rest.split_once(" bytes"));
            let found = found.map_or("too many", |(found, _)| found);
            Some(Status::resource_exhausted(format!(
                "the request: {found} bytes exceed max_request_bytes = {limit}; split the request"
            )))
        }
        Code::Internal if MALFORMED.iter().any(|malformed| said.starts_with(malformed)) => {
            Refused::RequestEncoding.count();
            Some(Status::invalid_argument(format!("the request is malformed: {said}")))
        }
        _ => None,
    }
}

type Ending = Option<Pin<Box<WaitForCancellationFutureOwned>>>;

fn has_come(ending: &mut Ending, cx: &mut Context<'_>) -> bool {
    ending.as_mut().is_some_and(|ending| ending.as_mut().poll(cx).is_ready())
}

/// A request's body, charged as it arrives and until it is read.
struct Incoming {
    inner: Body,
    peer: Option<Peer>,
    charge: Option<Charge>,
    /// Ends a stream that would not end by itself: whoever reads it would keep the connection.
    ending: Ending,
}

impl Incoming {
    /// Charge bytes that arrived; false when there is no memory for them.
    fn charge(&mut self, bytes: usize) -> bool {
        let Some(peer) = self.peer.as_ref().filter(|_| bytes > 0) else { return true };
        match (peer.charge(bytes), &mut self.charge) {
            (Some(more), Some(charge)) => charge.merge(more),
            (Some(first), none) => *none = Some(first),
            (None, _) => return false,
        }
        true
    }
}

impl HttpBody for Incoming {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let polled = Pin::new(&mut self.inner).poll_frame(cx);
        let arrived = match &polled {
            Poll::Pending if has_come(&mut self.ending, cx) => return Poll::Ready(None),
            Poll::Ready(Some(Ok(frame))) => frame.data_ref().map_or(0, Bytes::len),
            _ => 0,
        };
        if self.charge(arrived) {
            return polled;
        }
        Refused::Buffered.count();
        let full = "too many bytes of requests and unread replies (max_buffered_bytes); send less at once";
        Poll::Ready(Some(Err(Status::resource_exhausted(full))))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A reply's body.
#[derive(Default)]
pub(super) struct Watched {
    inner: Body,
    /// Ends a stream that would not end by itself.
    ending: Ending,
    /// What the reply was charged with.
    reserved: Option<Reserved>,
    is_ended: bool,
}

impl Watched {
    fn over(response: Response<Body>) -> Response<Self> {
        response.map(|inner| Self { inner, ..Self::default() })
    }
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.is_ended {
            return Poll::Ready(None);
        }
        match Pin::new(&mut self.inner).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                let reserved = self.reserved.as_ref();
                Poll::Ready(Some(Ok(frame.map_data(|bytes| match reserved {
                    Some(reserved) => reserved.held_by(bytes),
                    None => bytes,
                }))))
            }
            Poll::Pending if has_come(&mut self.ending, cx) => {
                self.is_ended = true;
                let mut trailers = HeaderMap::new();
                let ending = Status::unavailable("the service is shutting down");
                Poll::Ready(Some(ending.add_header(&mut trailers).map(|()| Frame::trailers(trailers))))
            }
            other => other,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.is_ended || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
