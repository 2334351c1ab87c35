//! What the clients of a gRPC service may take of its memory and its time, and the count of what is refused for it.

use std::time::Duration;

use metrics::{counter, gauge};

/// What clients may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientLimits {
    /// Connections at once; further ones are closed.
    pub max_connections: usize,
    /// Bytes of a call's metadata, as HTTP/2 counts them: names, values, and 32 for each.
    pub max_metadata_bytes: u32,
    /// Bytes of a request, as the service was told to refuse them: named in the refusal.
    pub max_request_bytes: usize,
    /// Bytes of requests under way and of replies that were not taken, of all connections; one may have an eighth.
    pub max_buffered_bytes: usize,
    /// A connection that takes nothing of what is ready for it, for this long, is closed.
    pub stalled_after: Duration,
    /// How long a call may take until its reply begins, its request included; any time without it.
    pub call_timeout: Option<Duration>,
}

impl Default for ClientLimits {
    /// For a service that few clients call. Requests are as large as tonic allows.
    fn default() -> Self {
        Self {
            max_connections: 1024,
            max_metadata_bytes: 32 << 10,
            max_request_bytes: 4 << 20,
            max_buffered_bytes: 256 << 20,
            stalled_after: Duration::from_secs(30),
            call_timeout: None,
        }
    }
}

/// Why the transport refused a call or closed a connection, before or after the service had its say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    Connections,
    Handshake,
    Metadata,
    RequestSize,
    RequestEncoding,
    RequestTime,
    Buffered,
    Stalled,
}

impl Refused {
    const ALL: [Self; 8] = [
        Self::Connections,
        Self::Handshake,
        Self::Metadata,
        Self::RequestSize,
        Self::RequestEncoding,
        Self::RequestTime,
        Self::Buffered,
        Self::Stalled,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::Handshake => "handshake",
            Self::Metadata => "metadata",
            Self::RequestSize => "request_size",
            Self::RequestEncoding => "request_encoding",
            Self::RequestTime => "request_time",
            Self::Buffered => "buffered",
            Self::Stalled => "stalled",
        }
    }

    pub(super) fn count(self) {
        counter!("rpc_server_refused_total", "reason" => self.name()).increment(1);
    }
}

/// Make every series exist from the start.
pub(super) fn describe() {
    for refused in Refused::ALL {
        counter!("rpc_server_refused_total", "reason" => refused.name()).absolute(0);
    }
    gauge!("rpc_server_connections").set(0.0);
}
