//! Services to call: where they are, as it is typed, and the token that calls carry.

use std::path::PathBuf;

use anyhow::Context as _;
use dayvec_runtime::authentication::Token;
use dayvec_runtime::client::{Connection, Target, explain, kind_of};
use dayvec_runtime::{FaultKind, WithFault as _};
use tonic::Status;

/// The environment's token.
const TOKEN: &str = "DAYVEC_TOKEN";

/// Which token.
#[derive(Debug, clap::Args)]
pub struct TokenArgs {
    /// File with the token for the service; without it, the environment variable DAYVEC_TOKEN is used if it is set.
    #[arg(long, global = true, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
}

impl TokenArgs {
    /// Connect to the service at `address`, which was given as `argument`.
    ///
    /// # Errors
    /// With exit code 64 for an address or a token that can't be used, 69 when nothing answers there.
    pub(crate) async fn connect(&self, argument: &str, address: &str) -> anyhow::Result<Connection> {
        let token = self.token(|name| std::env::var(name).ok()).fault(FaultKind::Configuration)?;
        target(argument, address)?.connect(token).await
    }

    fn token(&self, variable: impl Fn(&str) -> Option<String>) -> anyhow::Result<Token> {
        match (&self.token_file, variable(TOKEN)) {
            (Some(_), _) => Token::of_file(self.token_file.as_deref()).context("--token-file"),
            (None, Some(token)) if !token.is_empty() => Ok(Token::given(&token, TOKEN)?),
            (None, _) => Ok(Token::None),
        }
    }
}

/// What a service answered instead of a reply, with the exit code of that.
pub(crate) fn refused(status: &Status, call: &'static str) -> anyhow::Error {
    let text = explain(status, "give --token-file FILE, or set DAYVEC_TOKEN");
    let error = Err::<(), _>(anyhow::anyhow!("{:?}: {text}", status.code())).fault(kind_of(status));
    error.context(call).expect_err("it was made as an error")
}

fn target(argument: &str, address: &str) -> anyhow::Result<Target> {
    let target = Target::new(address).map_err(|fault| anyhow::anyhow!("{argument}: {fault}"));
    target.fault(FaultKind::Configuration)
}

#[cfg(test)]
mod tests {
    use dayvec_runtime::exit;

    use super::*;

    #[test]
    fn a_wrong_address_names_its_argument() {
        for address in ["", "ftp://host:1", "http://", "a host", "host"] {
            let error = target("--lookup", address).unwrap_err();
            assert_eq!(exit::code(&error), 64);
            assert!(format!("{error:#}").contains(&format!("--lookup: `{address}`")), "{error:#}");
        }
    }

    #[test]
    fn a_call_to_another_service_is_a_wrong_argument() {
        let error = refused(&Status::unimplemented(""), "call the lookup");
        assert_eq!(exit::code(&error), 64);
        assert!(format!("{error:#}").contains("check the address"), "{error:#}");
        assert_eq!(exit::code(&refused(&Status::unavailable("no snapshot"), "call the lookup")), 69);
    }

    #[test]
    fn a_file_goes_before_the_environment() {
        let check = |file: Option<&str>, variable: Option<&str>, expected: &str| {
            let arguments = TokenArgs { token_file: file.map(PathBuf::from) };
            let token = arguments.token(|_| variable.map(str::to_owned));
            let shown = token.map_or_else(|error| format!("{error:#}"), |token| format!("{token:?}"));
            assert!(shown.contains(expected), "{shown}");
        };
        check(None, None, "None");
        check(None, Some(""), "None");
        check(None, Some("secret"), "Given");
        check(None, Some("two words"), "DAYVEC_TOKEN does not contain a token");
        check(Some("/no/such/file"), Some("secret"), "--token-file: can't read the token file /no/such/file");
    }
}
