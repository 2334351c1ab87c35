//! Logs to stderr: text on a terminal, one JSON object per line elsewhere. `RUST_LOG` chooses, `info` by default.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

/// Start logging. A second call in the same process changes nothing, so tests may call it freely.
pub fn init() {
    // An empty variable is as good as none; as a filter it would let errors through alone.
    let chosen = std::env::var(EnvFilter::DEFAULT_ENV).ok().filter(|filter| !filter.trim().is_empty());
    let filter = chosen.and_then(|filter| EnvFilter::try_new(filter).ok());
    let filter = filter.unwrap_or_else(|| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // An error here means that a subscriber is already installed, which is fine.
    let _already = if std::io::stderr().is_terminal() {
        builder.with_target(false).try_init()
    } else {
        builder.json().flatten_event(true).with_ansi(false).try_init()
    };
}
