//! What every gRPC client does the same way: an address, a connection that carries a token, and an error text that says
//! what to check.

use std::error::Error as _;
use std::time::Duration;

use anyhow::Context as _;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Response, Status};
use url::Url;

use crate::authentication::Token;
use crate::{FaultKind, WithFault as _};

/// How long a connection may take to open, unless the program says otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A silent connection is probed after this long, and given up when the probe is not answered: a watcher of a run
/// notices that its service has vanished.
const KEEPALIVE: Duration = Duration::from_secs(30);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// A connection whose calls carry a token.
pub type Connection = InterceptedService<Channel, Token>;

/// A service to call.
#[derive(Debug, Clone)]
pub struct Target {
    address: String,
    endpoint: Endpoint,
}

impl Target {
    /// An address as it is typed: `http://HOST:PORT`, or `HOST:PORT`.
    ///
    /// # Errors
    /// One sentence, fit for a list of faults.
    pub fn new(address: &str) -> Result<Self, String> {
        let url = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
        let bad = || format!("`{address}` is not an address; write http://HOST:PORT");
        let endpoint = Endpoint::from_shared(url).map_err(|_| bad())?;
        if endpoint.uri().scheme_str() != Some("http") {
            return Err(bad());
        }
        if endpoint.uri().port().is_none() {
            return Err(format!("`{address}` has no port; write http://HOST:PORT"));
        }
        let endpoint = endpoint
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(KEEPALIVE)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT);
        Ok(Self { address: address.to_owned(), endpoint })
    }

    /// A URL of a configuration; without a port, that of its scheme.
    ///
    /// # Errors
    /// One sentence, fit for a list of faults.
    pub fn of_url(url: &Url) -> Result<Self, String> {
        let host = url.host_str().unwrap_or_default();
        let port = url.port_or_known_default().unwrap_or_default();
        Self::new(&format!("{}://{host}:{port}", url.scheme()))
    }

    /// The same, with a limit for opening a connection and for each call.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        let endpoint = self.endpoint.connect_timeout(timeout).timeout(timeout);
        Self { endpoint, ..self }
    }

    /// Connect.
    ///
    /// # Errors
    /// With exit code 69 when nothing answers there.
    pub async fn connect(&self, token: Token) -> anyhow::Result<Connection> {
        let connected = self.endpoint.connect().await.fault(FaultKind::Unavailable);
        let channel = connected.with_context(|| {
            format!("connect to {}; is the service running, and is this its address?", self.address)
        })?;
        Ok(InterceptedService::new(channel, token))
    }

    /// A connection that is opened by its first call, and again after it broke.
    #[must_use]
    pub fn connect_lazily(&self, token: Token) -> Connection {
        InterceptedService::new(self.endpoint.connect_lazy(), token)
    }
}

/// The reply, if it comes in time: a lazy connection does not count its first attempt against the call.
///
/// # Errors
/// The status of the call; DEADLINE_EXCEEDED when the time is over.
pub async fn within<T>(
    timeout: Duration,
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, Status> {
    match tokio::time::timeout(timeout, call).await {
        Ok(reply) => reply.map(Response::into_inner),
        Err(_) => Err(Status::deadline_exceeded(format!("no reply within {timeout:?}"))),
    }
}

/// What a failed call means and what to check, in one line. `token_hint` says how this program is given a token.
#[must_use]
pub fn explain(status: &Status, token_hint: &str) -> String {
    let said = match status.code() {
        // The transport's own text ("transport error") hides what the system said.
        Code::Unavailable | Code::Unknown | Code::Cancelled | Code::DeadlineExceeded => {
            deepest_cause(status).unwrap_or_else(|| status.message().to_owned())
        }
        Code::Unimplemented => {
            return "the service at this address does not have this call: it is another service or another \
                    version; check the address"
                .to_owned();
        }
        _ => status.message().to_owned(),
    };
    match status.code() {
        Code::Unauthenticated => format!("{said}; {token_hint}"),
        _ => said,
    }
}

/// The kind of fault that a failed call is to its caller.
#[must_use]
pub fn kind_of(status: &Status) -> FaultKind {
    match status.code() {
        Code::FailedPrecondition => FaultKind::Data,
        Code::Aborted => FaultKind::LostRace,
        // UNKNOWN and CANCELLED are what tonic says of a connection that broke.
        Code::Unavailable | Code::Unknown | Code::Cancelled | Code::DeadlineExceeded => {
            FaultKind::Unavailable
        }
        Code::Internal | Code::DataLoss | Code::Ok => FaultKind::Internal,
        Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::Unauthenticated
        | Code::ResourceExhausted
        | Code::OutOfRange
        | Code::Unimplemented => FaultKind::Configuration,
    }
}

fn deepest_cause(status: &Status) -> Option<String> {
    let mut cause = status.source()?;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    Some(cause.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_lack_its_scheme_and_must_have_a_port() {
        for address in ["127.0.0.1:50051", "http://127.0.0.1:50051"] {
            let target = Target::new(address).unwrap();
            assert_eq!(target.endpoint.uri().to_string(), "http://127.0.0.1:50051/");
        }
        for address in ["", "ftp://host:1", "http://", "a host"] {
            let fault = Target::new(address).unwrap_err();
            assert!(fault.contains(&format!("`{address}` is not an address")), "{fault}");
        }
        for address in ["host", "http://host"] {
            assert!(Target::new(address).unwrap_err().contains("has no port"), "{address}");
        }
        let url = |text: &str| Target::of_url(&Url::parse(text).unwrap());
        assert_eq!(url("http://host:80").unwrap().address, "http://host:80");
        assert!(url("https://host:1").is_err());
    }

    #[test]
    fn a_failed_call_says_what_to_check() {
        let other = explain(&Status::unimplemented(""), "");
        assert!(other.contains("another service") && other.contains("check the address"), "{other}");
        assert_eq!(explain(&Status::unauthenticated("no token"), "give one"), "no token; give one");
        assert_eq!(explain(&Status::invalid_argument("user_id: is empty"), "give one"), "user_id: is empty");
        let mut broken = Status::unavailable("transport error");
        broken.set_source(std::sync::Arc::new(std::io::Error::other("connection refused")));
        assert_eq!(explain(&broken, ""), "connection refused");
    }

    #[tokio::test]
    async fn a_call_without_reply_ends_in_time() {
        let never = std::future::pending::<Result<Response<()>, Status>>();
        let status = within(Duration::from_millis(2), never).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::DeadlineExceeded, "no reply within 2ms"));
    }
}
