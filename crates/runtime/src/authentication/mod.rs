//! Who may call: clients with a bearer token (RFC 6750), listed in a file.
//!
//! ```text
//! # name   token
//! ranking  5d41…            openssl rand -hex 32
//! ```
//!
//! [`Guard`] is the server's side, [`Token`] the client's. Tokens are compared by digest, so the time that a comparison
//! takes reveals nothing, and they appear in no log, error or metric. They are sent in the clear: on a network that others
//! can listen to, terminate TLS in front of the service.

mod guard;
mod token;

pub use guard::{Caller, Guard, Refused, TokensError};
pub use token::{Token, TokenError};
