//! The two sockets of a service, bound before anything else starts.

use std::io::ErrorKind;
use std::net::SocketAddr;

use anyhow::Context as _;
use tokio::net::TcpListener;

use crate::{FaultKind, WithFault as _};

/// What came of binding the address of a setting.
///
/// # Errors
/// As [`Listeners::bind`].
pub fn bound<T>(setting: &str, address: SocketAddr, bound: std::io::Result<T>) -> anyhow::Result<T> {
    let kind = match bound.as_ref().err().map(std::io::Error::kind) {
        Some(ErrorKind::AddrInUse) => FaultKind::Unavailable,
        _ => FaultKind::Configuration,
    };
    bound.with_context(|| format!("{setting}: listen on {address}")).fault(kind)
}

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
    /// With their setting: unavailable where another program has the port, configuration where the address is not this
    /// machine's or may not be used.
    pub async fn bind(traffic: SocketAddr, admin: SocketAddr) -> anyhow::Result<Self> {
        let bind = |setting: &'static str, address: SocketAddr| async move {
            bound(setting, address, TcpListener::bind(address).await)
        };
        Ok(Self { traffic: bind("listen", traffic).await?, admin: bind("admin_listen", admin).await? })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault;

    #[tokio::test]
    async fn a_taken_port_is_worth_a_retry_and_a_foreign_address_is_not() {
        let first = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (taken, any) = (first.local_addr().unwrap(), "127.0.0.1:0".parse().unwrap());
        let error = Listeners::bind(any, taken).await.unwrap_err();
        assert_eq!(fault::kind(&error), FaultKind::Unavailable);
        assert!(format!("{error:#}").contains(&format!("admin_listen: listen on {taken}")), "{error:#}");
        let foreign = Listeners::bind("192.0.2.1:80".parse().unwrap(), any).await.unwrap_err();
        assert_eq!(fault::kind(&foreign), FaultKind::Configuration, "{foreign:#}");
    }
}
