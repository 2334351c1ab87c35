//! Services to ask: where they are, as it is typed, and the token that they are asked with.

use std::path::PathBuf;

use anyhow::Context as _;
use dayvec_runtime::authentication::Token;
use dayvec_runtime::{Exit, OrExit as _};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

/// The environment's token.
const TOKEN: &str = "DAYVEC_TOKEN";

/// A connection whose calls carry the token.
pub(crate) type Connection = InterceptedService<Channel, Token>;

/// Which token.
#[derive(Debug, clap::Args)]
pub struct TokenArgs {
    /// File with the token that the service asks for; without it DAYVEC_TOKEN, if that is set.
    #[arg(long, global = true, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}

impl TokenArgs {
    /// Connect to the service at `address`, which was given as `argument`.
    ///
    /// # Errors
    /// With exit code 64 for an address or a token that is none, 69 when nobody answers there.
    pub(crate) async fn connect(&self, argument: &str, address: &str) -> anyhow::Result<Connection> {
        let token = self.token(|name| std::env::var(name).ok()).or_exit(Exit::BadConfig)?;
        let connected = endpoint(argument, address)?.connect().await.or_exit(Exit::Unavailable);
        let channel = connected.with_context(|| format!("connect to {address}"))?;
        Ok(InterceptedService::new(channel, token))
    }

    fn token(&self, variable: impl Fn(&str) -> Option<String>) -> anyhow::Result<Token> {
        match (&self.token_file, variable(TOKEN)) {
            (Some(_), _) => Token::of_file(self.token_file.as_deref()).context("--token-file"),
            (None, Some(token)) if !token.is_empty() => Ok(Token::given(&token, TOKEN)?),
            (None, _) => Ok(Token::None),
        }
    }
}

/// What a service answered instead of a reply, for people.
pub(crate) fn said(status: &Status) -> anyhow::Error {
    let todo = match status.code() {
        Code::Unauthenticated => "; give --token-file FILE, or set DAYVEC_TOKEN",
        _ => "",
    };
    anyhow::anyhow!("{:?}: {}{todo}", status.code(), status.message())
}

/// An address to connect to: `http://HOST:PORT`, or `HOST:PORT`.
///
/// # Errors
/// With exit code 64, naming `argument`.
fn endpoint(argument: &str, address: &str) -> anyhow::Result<Endpoint> {
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

    #[test]
    fn a_file_goes_before_the_environment() {
        let check = |file: Option<&str>, variable: Option<&str>, expected: &str| {
            let arguments = TokenArgs { token_file: file.map(PathBuf::from) };
            let token = arguments.token(|_| variable.map(str::to_owned));
            let told = token.map_or_else(|error| format!("{error:#}"), |token| format!("{token:?}"));
            assert!(told.contains(expected), "{told}");
        };
        check(None, None, "None");
        check(None, Some(""), "None");
        check(None, Some("secret"), "Given");
        check(None, Some("two words"), "DAYVEC_TOKEN holds no token");
        check(Some("/no/such/file"), Some("secret"), "--token-file: can't read the token in /no/such/file");
    }
}
