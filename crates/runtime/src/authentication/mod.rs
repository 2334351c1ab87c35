//! Who may call: clients with a bearer token (RFC 6750), listed in a file.
//!
//! ```text
//! # name   token
//! ranking  5d41…            openssl rand -hex 32
//! ```
//!
//! [`Guard`] is the server's side, [`Token`] the client's. Tokens are compared by digest, so the time that a comparison
//! takes says nothing of them, and they appear in no log, error or metric. They travel as they are: where the network
//! can be listened to, TLS has to end in front of the service.

mod guard;
mod token;

pub use guard::{Caller, Guard, Refused, TokensError};
pub use token::{Token, TokenError};
