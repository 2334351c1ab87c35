//! The token that shuts a program down gracefully, and the end of one that does not get there in time.

use std::sync::LazyLock;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How long a service may compute after its signal: whoever stops it waits ten seconds as a rule, and kills it then.
const GRACE: Duration = Duration::from_secs(6);

/// Number of [`Hold`]s.
static HOLDS: LazyLock<watch::Sender<usize>> = LazyLock::new(|| watch::Sender::new(0));

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

/// While one exists, a service that is overdue is not ended: what it does now would be lost.
#[derive(Debug)]
pub struct Hold(());

/// Keep the process until this is dropped.
#[must_use]
pub fn hold() -> Hold {
    HOLDS.send_modify(|n| *n += 1);
    Hold(())
}

impl Drop for Hold {
    fn drop(&mut self) {
        HOLDS.send_modify(|n| *n -= 1);
    }
}

/// End the process, with exit code 0, when it has not ended by itself a few seconds after `shutdown`.
///
/// For a service that computes what it can't interrupt, such as the factor of a large matrix, and that may be killed at any
/// moment without loss: its next start goes on from what it wrote. Where that is not so, it [`hold`]s.
///
/// # Panics
/// Outside a tokio runtime.
pub fn end_when_overdue(shutdown: CancellationToken) {
    tokio::spawn(async move {
        overdue(&shutdown, GRACE, HOLDS.subscribe()).await;
        tracing::warn!(
            after = ?GRACE,
            "still computing; ending without the result, which is made again after the next start"
        );
        end_now();
    });
}

/// Until the process should have ended.
async fn overdue(shutdown: &CancellationToken, grace: Duration, mut holds: watch::Receiver<usize>) {
    shutdown.cancelled().await;
    tokio::time::sleep(grace).await;
    // The sender is static, so waiting for it cannot fail.
    let _no_holds = holds.wait_for(|&n| n == 0).await;
}

/// Without the destructors of libraries, whose threads are still at work.
#[expect(unsafe_code, reason = "the only exit that runs nothing; the SAFETY comment says why it is sound")]
fn end_now() -> ! {
    // SAFETY: `_exit` may be called at any time; nothing of this process is used after it.
    unsafe { libc::_exit(0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_service_is_overdue_after_its_grace_and_never_while_it_holds() {
        let (shutdown, n_holds) = (CancellationToken::new(), watch::Sender::new(0));
        let (no_time, long) = (Duration::ZERO, Duration::from_secs(3600));
        // What never comes does not come in a moment; what comes, comes at once.
        let is_overdue = async |grace: Duration| {
            let moment = Duration::from_millis(50);
            tokio::time::timeout(moment, overdue(&shutdown, grace, n_holds.subscribe())).await.is_ok()
        };
        assert!(!is_overdue(no_time).await, "nobody asked it to stop");
        shutdown.cancel();
        assert!(!is_overdue(long).await);
        overdue(&shutdown, no_time, n_holds.subscribe()).await;
        n_holds.send_replace(1);
        assert!(!is_overdue(no_time).await);
        n_holds.send_replace(0);
        overdue(&shutdown, no_time, n_holds.subscribe()).await;
    }

    #[test]
    fn holds_are_counted() {
        let (one, other) = (hold(), hold());
        assert_eq!(*HOLDS.borrow(), 2);
        drop(one);
        drop(other);
        assert_eq!(*HOLDS.borrow(), 0);
    }
}
