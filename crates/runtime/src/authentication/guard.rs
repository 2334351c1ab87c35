//! The server's side: the listed clients, and whether a call is one of theirs.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{fs, io};

use arc_swap::ArcSwap;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use metrics::{counter, gauge};
use tokio_util::sync::CancellationToken;
use tonic::service::Interceptor;
use tonic::{Request, Status};

/// Minimum length of a token: 16 hexadecimal characters are 64 bits, which cannot be guessed over a network.
const MIN_TOKEN_BYTES: usize = 16;

/// How often the file is read. An update of a secret mounted into a container takes longer than that.
const LOOK_EVERY: Duration = Duration::from_secs(5);

type Digest = [u8; blake3::OUT_LEN];
type Clients = HashMap<Digest, Arc<str>>;

/// A file of tokens that can't be used.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are what the message says")]
pub enum TokensError {
    /// It can't be read.
    #[error("can't read the file of client tokens {}", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A line is malformed. Its text is not shown: it may contain a token.
    #[error("{}, line {line}: {fault}", path.display())]
    BadLine { path: PathBuf, line: usize, fault: &'static str },
    /// The file lists no client.
    #[error("{} lists no client; add one line `NAME TOKEN` for each", .0.display())]
    Empty(PathBuf),
}

/// Why a call is refused, fit for its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It carries no token.
    #[error("a token is required: send the header `authorization: Bearer TOKEN`")]
    Missing,
    /// Its token is not listed.
    #[error("this token is not known to the service")]
    Unknown,
}

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// Any client: the service requires no tokens.
    Any,
    /// The client that the file lists by this name.
    Client(Arc<str>),
}

/// Lets calls in. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Guard(Option<Arc<Listed>>);

#[derive(Debug)]
struct Listed {
    path: PathBuf,
    clients: ArcSwap<Clients>,
    /// The result of the last read: the digest of the file's text, or why it can't be read.
    seen: Mutex<Result<Digest, io::ErrorKind>>,
}

impl Guard {
    /// Admit the clients of the file, one a line: name and token, separated by white space. A name may have
    /// several tokens. Lines that begin with `#` are ignored. Without a file, any client is admitted.
    ///
    /// # Errors
    /// [`TokensError`], for a file that can't be read or lists no client, and for the first malformed line.
    pub fn open(path: Option<&Path>) -> Result<Self, TokensError> {
        for reason in ["missing", "unknown"] {
            counter!("authentication_refused_total", "reason" => reason).absolute(0);
        }
        usable(true);
        let Some(path) = path else { return Ok(Self(None)) };
        let unreadable = |source| TokensError::Unreadable { path: path.to_owned(), source };
        let text = fs::read_to_string(path).map_err(unreadable)?;
        let clients = ArcSwap::from_pointee(parse(path, &text)?);
        let seen = Mutex::new(Ok(digest(&text)));
        Ok(Self(Some(Arc::new(Listed { path: path.to_owned(), clients, seen }))))
    }

    /// Whether tokens are required.
    #[must_use]
    pub const fn asks(&self) -> bool {
        self.0.is_some()
    }

    /// Read the file again now and then until `shutdown`, and use what it says from then on.
    pub async fn follow(self, shutdown: CancellationToken) {
        let Some(listed) = self.0 else { return };
        while shutdown.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_some() {
            let text = tokio::fs::read_to_string(&listed.path).await;
            listed.take(text);
        }
    }

    /// Who calls, by the value of the header `authorization`: `Bearer TOKEN`, or `Basic` with the token as the password
    /// (RFC 7617), as browsers send it; its user name is ignored.
    ///
    /// # Errors
    /// [`Refused`], which is counted.
    pub fn admit(&self, authorization: Option<&[u8]>) -> Result<Caller, Refused> {
        let Some(listed) = &self.0 else { return Ok(Caller::Any) };
        listed.admit(authorization).inspect_err(|refused| {
            let reason = match refused {
                Refused::Missing => "missing",
                Refused::Unknown => "unknown",
            };
            counter!("authentication_refused_total", "reason" => reason).increment(1);
        })
    }
}

/// For gRPC services: refuses with UNAUTHENTICATED, and leaves the [`Caller`] in the request's extensions.
impl Interceptor for Guard {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let authorization = request.metadata().get("authorization").map(|value| value.as_bytes());
        let caller =
            self.admit(authorization).map_err(|refused| Status::unauthenticated(refused.to_string()))?;
        request.extensions_mut().insert(caller);
        Ok(request)
    }
}

impl Listed {
    fn admit(&self, authorization: Option<&[u8]>) -> Result<Caller, Refused> {
        let token = authorization.and_then(presented).ok_or(Refused::Missing)?;
        let clients = self.clients.load();
        let name = clients.get(blake3::hash(&token).as_bytes()).ok_or(Refused::Unknown)?;
        Ok(Caller::Client(Arc::clone(name)))
    }

    /// Use a file that has changed. One that can't be used changes nothing, and is logged once.
    fn take(&self, text: io::Result<String>) {
        let now = text.as_ref().map(|text| digest(text)).map_err(io::Error::kind);
        let before = std::mem::replace(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner), now);
        if before == now {
            return;
        }
        let unreadable = |source| TokensError::Unreadable { path: self.path.clone(), source };
        match text.map_err(unreadable).and_then(|text| parse(&self.path, &text)) {
            Ok(clients) => {
                usable(true);
                tracing::info!(tokens = clients.len(), file = %self.path.display(), "client tokens reloaded");
                self.clients.store(Arc::new(clients));
            }
            Err(error) => {
                usable(false);
                tracing::error!(
                    error = format!("{:#}", anyhow::Error::from(error)),
                    "the changed file of tokens can't be used; the previous tokens stay valid until it is fixed or the program restarts"
                );
            }
        }
    }
}

/// Report whether a restart could use the file.
fn usable(is_usable: bool) {
    gauge!("authentication_tokens_usable").set(f64::from(u8::from(is_usable)));
}

/// The token of a header; `None` when it is of another scheme or not well formed.
fn presented(authorization: &[u8]) -> Option<Vec<u8>> {
    let (scheme, credentials) = std::str::from_utf8(authorization).ok()?.split_once(' ')?;
    let credentials = credentials.trim();
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(credentials.into());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = BASE64_STANDARD.decode(credentials).ok()?;
    let colon = decoded.iter().position(|&byte| byte == b':')?;
    Some(decoded[colon + 1..].to_vec())
}

fn parse(path: &Path, text: &str) -> Result<Clients, TokensError> {
    let mut clients = Clients::new();
    for (line, number) in text.lines().map(str::trim).zip(1..) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let bad = |fault| TokensError::BadLine { path: path.to_owned(), line: number, fault };
        let (name, token) = line.split_once(char::is_whitespace).ok_or_else(|| bad("write NAME TOKEN"))?;
        let token = token.trim_start();
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(bad("a token is one word of ASCII; write NAME TOKEN"));
        }
        if token.len() < MIN_TOKEN_BYTES {
            return Err(bad("the token is shorter than 16 characters; `openssl rand -hex 32` makes one"));
        }
        if clients.insert(digest(token), name.into()).is_some() {
            return Err(bad("an earlier line has the same token"));
        }
    }
    if clients.is_empty() { Err(TokensError::Empty(path.to_owned())) } else { Ok(clients) }
}

fn digest(text: &str) -> Digest {
    *blake3::hash(text.as_bytes()).as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "0123456789abcdef";
    const TWO: &str = "fedcba9876543210";

    fn guard(text: &str) -> (Guard, tempfile::NamedTempFile) {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        (Guard::open(Some(file.path())).unwrap(), file)
    }

    fn client(name: &str) -> Result<Caller, Refused> {
        Ok(Caller::Client(name.into()))
    }

    #[test]
    fn a_listed_token_is_let_in_by_its_name_and_no_other() {
        let (guard, _file) = guard(&format!("# who  token\nranking {ONE}\n\n  people\t{TWO}  \n"));
        let admit = |header: &str| guard.admit(Some(header.as_bytes()));
        assert_eq!(admit(&format!("Bearer {ONE}")), client("ranking"));
        assert_eq!(admit(&format!("bearer {TWO}")), client("people"));
        let basic = |pair: &str| format!("Basic {}", BASE64_STANDARD.encode(pair));
        assert_eq!(admit(&basic(&format!("any:{TWO}"))), client("people"));
        assert_eq!(admit(&basic(&format!("any:x:{TWO}"))), Err(Refused::Unknown));
        for unknown in
            [format!("Bearer {ONE}0"), "Bearer ".into(), "Bearer ranking".into(), basic("ranking:")]
        {
            assert_eq!(admit(&unknown), Err(Refused::Unknown), "{unknown}");
        }
        for missing in [ONE, "", "Digest x", "Basic !", "Basic", &basic(ONE)] {
            assert_eq!(admit(missing), Err(Refused::Missing), "{missing}");
        }
        assert_eq!(guard.admit(None), Err(Refused::Missing));
        assert_eq!(Guard::open(None).unwrap().admit(None), Ok(Caller::Any));
    }

    #[test]
    fn a_changed_file_counts_and_a_bad_one_changes_nothing() {
        let (guard, file) = guard(&format!("a {ONE}"));
        let listed = guard.0.clone().unwrap();
        let admit = |token: &str| guard.admit(Some(format!("Bearer {token}").as_bytes()));
        let rewrite = |text: &str| {
            fs::write(file.path(), text).unwrap();
            listed.take(fs::read_to_string(file.path()));
        };
        rewrite(&format!("a {ONE}\na {TWO}"));
        assert_eq!((admit(ONE), admit(TWO)), (client("a"), client("a")));
        rewrite("a short");
        listed.take(Err(io::ErrorKind::NotFound.into()));
        assert_eq!((admit(ONE), admit(TWO)), (client("a"), client("a")));
        rewrite(&format!("a {TWO}"));
        assert_eq!((admit(ONE), admit(TWO)), (Err(Refused::Unknown), client("a")));
    }

    #[test]
    fn a_fault_names_its_line_and_never_the_token() {
        let check = |text: &str, expected: &str| {
            let error = parse(Path::new("tokens"), text).unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("secret"), "{error}");
        };
        check("# none\n", "tokens lists no client");
        check("secretsecretsecret\n", "line 1: write NAME TOKEN");
        check(&format!("a {ONE}\nb secret"), "line 2: the token is shorter than 16");
        check("a secret secretsecret", "line 1: a token is one word");
        check(&format!("a {ONE}\nb {ONE}"), "line 2: an earlier line has the same token");
        let missing = Guard::open(Some(Path::new("/no/such/file"))).unwrap_err();
        assert!(missing.to_string().contains("/no/such/file"), "{missing}");
    }
}
