//! The whole service, on port 0, with a real bucket on disk and a real gRPC client.
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod answers;
mod life;
mod program;
mod reflection;
mod refresh;
mod shards;
mod tokens;
mod transport;
mod world;
