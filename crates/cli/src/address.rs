//! Addresses of services, as they are typed.

use anyhow::Context as _;
use dayvec_runtime::{Exit, OrExit as _};
use tonic::transport::Endpoint;

/// An address to connect to: `http://HOST:PORT`, or `HOST:PORT`.
///
/// # Errors
/// With exit code 64, naming `argument`.
pub(crate) fn endpoint(argument: &str, address: &str) -> anyhow::Result<Endpoint> {
    let url = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
    let endpoint =
        Endpoint::from_shared(url).ok().filter(|endpoint| endpoint.uri().scheme_str() == Some("http"));
    endpoint
        .with_context(|| format!("{argument}: `{address}` is no address; write http://HOST:PORT"))
        .or_exit(Exit::BadConfig)
}

#[cfg(test)]
mod tests {
    use dayvec_runtime::exit;

    use super::*;

    #[test]
    fn an_address_may_lack_its_scheme_and_must_be_one() {
        for address in ["127.0.0.1:50051", "http://127.0.0.1:50051"] {
            assert_eq!(endpoint("--lookup", address).unwrap().uri().to_string(), "http://127.0.0.1:50051/");
        }
        for address in ["", "ftp://host:1", "http://", "a host"] {
            let error = endpoint("--lookup", address).unwrap_err();
            assert_eq!(exit::code(&error), 64);
            assert!(format!("{error:#}").contains(&format!("--lookup: `{address}`")), "{error:#}");
        }
    }
}
