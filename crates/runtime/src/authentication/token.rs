//! The client's side: the token that calls carry.

use std::io;
use std::path::{Path, PathBuf};

use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::{Request, Status};

/// The token can't be used.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are what the message says")]
pub enum TokenError {
    /// The file can't be read.
    #[error("can't read the token file {}", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// It is not a token.
    #[error("{0} does not contain a token: a token is one word of ASCII characters")]
    NotAToken(String),
}

/// Adds `authorization: Bearer TOKEN` to calls; as an [`Interceptor`], to those of a gRPC client.
#[derive(Debug, Clone)]
pub enum Token {
    /// Calls carry no token.
    None,
    /// The given token.
    Given(MetadataValue<Ascii>),
    /// The token in the file at the time of each call, so that a change takes effect at once. For clients that call only
    /// now and then.
    File(PathBuf),
}

impl Token {
    /// A token as text; `from` says where it was found, for the error.
    ///
    /// # Errors
    /// [`TokenError::NotAToken`].
    pub fn given(text: &str, from: &str) -> Result<Self, TokenError> {
        Ok(Self::Given(header(text, from)?))
    }

    /// The token of a file, read at each call; none without a file.
    ///
    /// # Errors
    /// [`TokenError`], when the file is unusable now.
    pub fn of_file(path: Option<&Path>) -> Result<Self, TokenError> {
        let Some(path) = path else { return Ok(Self::None) };
        read(path)?;
        Ok(Self::File(path.to_owned()))
    }
}

impl Interceptor for Token {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let value = match self {
            Self::None => return Ok(request),
            Self::Given(value) => value.clone(),
            Self::File(path) => read(path)
                .map_err(|error| Status::unauthenticated(format!("{:#}", anyhow::Error::from(error))))?,
        };
        request.metadata_mut().insert("authorization", value);
        Ok(request)
    }
}

fn read(path: &Path) -> Result<MetadataValue<Ascii>, TokenError> {
    let unreadable = |source| TokenError::Unreadable { path: path.to_owned(), source };
    header(&std::fs::read_to_string(path).map_err(unreadable)?, &path.display().to_string())
}

fn header(text: &str, from: &str) -> Result<MetadataValue<Ascii>, TokenError> {
    let not_a_token = || TokenError::NotAToken(from.to_owned());
    let token = Some(text.trim())
        .filter(|token| !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()));
    let mut value: MetadataValue<Ascii> =
        format!("Bearer {}", token.ok_or_else(not_a_token)?).parse().map_err(|_| not_a_token())?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_carry_what_the_file_holds_now() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut token = {
            std::fs::write(file.path(), "one\n").unwrap();
            Token::of_file(Some(file.path())).unwrap()
        };
        let mut carried = || {
            let request = token.call(Request::new(()))?;
            Ok::<_, Status>(request.metadata().get("authorization").unwrap().to_str().unwrap().to_owned())
        };
        assert_eq!(carried().unwrap(), "Bearer one");
        std::fs::write(file.path(), "two").unwrap();
        assert_eq!(carried().unwrap(), "Bearer two");
        std::fs::write(file.path(), "").unwrap();
        assert!(carried().unwrap_err().message().contains("does not contain a token"));
        assert!(Token::None.call(Request::new(())).unwrap().metadata().is_empty());
    }

    #[test]
    fn what_is_not_a_token_is_refused_and_not_shown() {
        for text in ["", " \n", "two words", "n\u{f6}"] {
            let error = Token::given(text, "DAYVEC_TOKEN").unwrap_err().to_string();
            assert_eq!(
                error,
                "DAYVEC_TOKEN does not contain a token: a token is one word of ASCII characters"
            );
        }
        assert!(!format!("{:?}", Token::given("secret", "").unwrap()).contains("secret"));
    }
}
