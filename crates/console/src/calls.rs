//! gRPC calls of the page: a connection, a deadline, and a failed call in words.

use std::error::Error as _;
use std::time::Duration;

use anyhow::Context as _;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Response, Status};
use url::Url;

use crate::outage::{Outage, chain};

/// A connection that is made when it is first used, and made again after it broke.
pub(crate) fn channel(url: &Url, timeout: Duration) -> anyhow::Result<Channel> {
    let endpoint =
        Endpoint::from_shared(url.to_string()).with_context(|| format!("use the address {url}"))?;
    Ok(endpoint.connect_timeout(timeout).timeout(timeout).connect_lazy())
}

/// The answer, if it comes in time: a lazy connection does not count its first attempt against the call's deadline.
pub(crate) async fn within<T>(
    timeout: Duration,
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, Status> {
    match tokio::time::timeout(timeout, call).await {
        Ok(answer) => answer.map(Response::into_inner),
        Err(_) => Err(Status::deadline_exceeded(format!("no answer within {timeout:?}"))),
    }
}

/// A failed call as an outage. Where the transport failed, its cause says more than the status.
pub(crate) fn outage(url: &Url, status: &Status) -> Outage {
    let reason = match (status.code(), status.source()) {
        (Code::Unavailable | Code::Cancelled | Code::DeadlineExceeded, Some(cause)) => chain(cause),
        _ => status.message().to_owned(),
    };
    let advice = match status.code() {
        Code::Unauthenticated => "set token_file to a file with a token that it accepts",
        _ => "check that it is running and can be reached from here",
    };
    Outage::new(url.as_str(), format!("{reason}; {advice}"))
}
