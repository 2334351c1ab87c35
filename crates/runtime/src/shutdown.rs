//! The token that shuts a program down gracefully.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Exit code after a second signal: 128 + SIGINT, as a shell would say it.
const INTERRUPTED: i32 = 130;

/// A token that SIGTERM or SIGINT (ctrl-C) cancels; a second signal ends the process at once.
///
/// # Panics
/// Outside a tokio runtime.
#[must_use]
pub fn on_signal() -> CancellationToken {
    let token = CancellationToken::new();
    let cancelled = token.clone();
    tokio::spawn(async move {
        let (Ok(mut terminate), Ok(mut interrupt)) =
            (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
        else {
            tracing::warn!("can't listen to signals; only SIGKILL stops this process");
            return;
        };
        for first in [true, false] {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            if first {
                tracing::info!(signal = name, "stopping");
                cancelled.cancel();
            } else {
                std::process::exit(INTERRUPTED);
            }
        }
    });
    token
}
