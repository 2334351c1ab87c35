//! Connections: so many at once, each with an account of the memory that it holds, and none that takes up a place for
//! nothing.

use std::future::Future as _;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use metrics::gauge;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};
use tonic::transport::server::Connected;

use crate::service::limits::{ClientLimits, Refused};
use crate::service::peer::{Budget, Peer};

/// How long a client may take for the first bytes of HTTP/2; after that, pings tell whether it is there.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Bytes with which every HTTP/2 client begins.
const PREFACE_BYTES: usize = 24;
/// So many bytes taken are progress: pings and their like are fewer.
const PROGRESS_BYTES: usize = 64 << 10;
/// How long a call waits for memory.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pause after the system refused to accept a connection, for lack of file descriptors as a rule.
const PAUSE: Duration = Duration::from_millis(100);

/// The connections to `listener`, one after another.
pub(super) fn incoming(
    listener: TcpListener,
    limits: ClientLimits,
) -> impl Stream<Item = io::Result<Connection>> {
    let places = Arc::new(Semaphore::new(limits.max_connections.min(Semaphore::MAX_PERMITS)));
    let budget = Budget::new(limits.max_buffered_bytes, PATIENCE.min(limits.stalled_after));
    futures::stream::unfold((listener, places, budget), move |(listener, places, budget)| async move {
        loop {
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection; trying again");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                Refused::Connections.count();
                continue;
            };
            let connection = Connection::new(stream, place, budget.peer(), limits.stalled_after);
            return Some((Ok(connection), (listener, places, budget)));
        }
    })
}

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    peer: Peer,
    stalled_after: Duration,
    /// Ends when the first bytes are late; none once they came.
    handshake: Option<Pin<Box<Sleep>>>,
    n_read: usize,
    /// Since when the system has taken nothing of a write.
    blocked_since: Option<Instant>,
    /// Bytes written since the last progress.
    n_written: usize,
    /// Wakes the connection to look whether it stalls.
    alarm: Option<Pin<Box<Sleep>>>,
    _place: OwnedSemaphorePermit,
}

impl Connection {
    fn new(stream: TcpStream, place: OwnedSemaphorePermit, peer: Peer, stalled_after: Duration) -> Self {
        // A reply is one write, and should not wait for the next one.
        let _best_effort = stream.set_nodelay(true);
        gauge!("rpc_server_connections").increment(1.0);
        Self {
            stream,
            peer,
            stalled_after,
            handshake: Some(Box::pin(tokio::time::sleep(HANDSHAKE))),
            n_read: 0,
            blocked_since: None,
            n_written: 0,
            alarm: None,
            _place: place,
        }
    }

    /// End a connection that never began or that stalls.
    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if let Some(handshake) = &mut self.handshake
            && handshake.as_mut().poll(cx).is_ready()
        {
            Refused::Handshake.count();
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the client did not begin"));
        }
        let since = [self.blocked_since, self.peer.unread_since()].into_iter().flatten().min();
        let Some(deadline) = since.map(|since| since + self.stalled_after) else { return Ok(()) };
        if Instant::now() >= deadline {
            Refused::Stalled.count();
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the client does not take its replies"));
        }
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        // It may be set for an earlier stall that has passed: then it is set anew when it goes off.
        if alarm.as_mut().poll(cx).is_ready() {
            alarm.as_mut().reset(deadline);
            let _wakes_at_the_deadline = alarm.as_mut().poll(cx);
        }
        Ok(())
    }

    fn wrote(&mut self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &written {
            Poll::Pending => {
                self.blocked_since.get_or_insert_with(Instant::now);
            }
            Poll::Ready(Ok(n)) => {
                self.blocked_since = None;
                self.n_written += n;
                if self.n_written >= PROGRESS_BYTES {
                    self.n_written = 0;
                    self.peer.progressed();
                }
            }
            Poll::Ready(Err(_)) => {}
        }
        written
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(cx)?;
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if self.handshake.is_some() {
            self.n_read += buffer.filled().len() - before;
            if self.n_read >= PREFACE_BYTES {
                self.handshake = None;
            }
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        let written = self.wrote(written);
        self.check(cx)?;
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        let written = self.wrote(written);
        self.check(cx)?;
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        gauge!("rpc_server_connections").decrement(1.0);
    }
}
