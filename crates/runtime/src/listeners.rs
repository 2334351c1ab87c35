//! The two sockets of a service, bound before anything else starts.

use std::net::SocketAddr;

use anyhow::Context as _;
use tokio::net::TcpListener;

use crate::{FaultKind, WithFault as _};

/// Bound sockets. A test binds port 0 and reads the address back.
#[derive(Debug)]
pub struct Listeners {
    /// The port of the service itself.
    pub traffic: TcpListener,
    /// The admin port.
    pub admin: TcpListener,
}

impl Listeners {
    /// Bind both.
    ///
    /// # Errors
    /// With exit code 64 when an address is taken or not this machine's.
    pub async fn bind(traffic: SocketAddr, admin: SocketAddr) -> anyhow::Result<Self> {
        let bind = |address: SocketAddr| async move {
            let bound = TcpListener::bind(address).await;
            bound.with_context(|| format!("listen on {address}")).fault(FaultKind::Configuration)
        };
        Ok(Self { traffic: bind(traffic).await?, admin: bind(admin).await? })
    }

    /// Where they listen: traffic, admin.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn addresses(&self) -> anyhow::Result<(SocketAddr, SocketAddr)> {
        let address = |listener: &TcpListener| listener.local_addr().context("read the address of a port");
        Ok((address(&self.traffic)?, address(&self.admin)?))
    }
}
