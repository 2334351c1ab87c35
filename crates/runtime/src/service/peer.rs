//! The memory that clients hold: bytes of requests under way, and of replies that their client has not taken.
//!
//! Every byte is charged to its connection and to the service. A reply is charged before it is made, and until the
//! system has taken its last byte, so that a client that calls and does not read waits, and does not fill the memory.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::service::limits::Refused;

/// Bytes of one permit.
const PERMIT_BYTES: usize = 1024;
/// The part of all memory that one connection may hold.
const SHARES: usize = 8;
/// The memory of all connections of a service.
#[derive(Debug)]
pub(super) struct Budget {
    all: Arc<Semaphore>,
    /// Permits of one connection.
    share: u32,
    patience: Duration,
}

impl Budget {
    /// So many bytes; a call waits for its part for at most `patience`: other replies of its connection are on their way,
    /// or nobody reads them.
    pub(super) fn new(bytes: usize, patience: Duration) -> Self {
        let share = permits(bytes / SHARES);
        Self { all: Arc::new(Semaphore::new(share as usize * SHARES)), share, patience }
    }

    pub(super) fn peer(&self) -> Peer {
        let mine = Arc::new(Semaphore::new(self.share as usize));
        let Self { all, share, patience } = self;
        let (all, share, patience, unread) = (Arc::clone(all), *share, *patience, Mutex::default());
        Peer(Arc::new(Account { mine, all, share, patience, unread }))
    }
}

fn permits(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(PERMIT_BYTES)).unwrap_or(u32::MAX).max(1)
}

/// The client of a connection, as its requests know it (an extension of each). Cheap to clone.
#[derive(Debug, Clone)]
pub struct Peer(Arc<Account>);

#[derive(Debug)]
struct Account {
    mine: Arc<Semaphore>,
    all: Arc<Semaphore>,
    share: u32,
    patience: Duration,
    unread: Mutex<Unread>,
}

/// Replies that were charged and not taken.
#[derive(Debug, Default)]
struct Unread {
    n_replies: usize,
    /// When the client last took something, or the oldest of them was charged.
    since: Option<Instant>,
}

/// Memory that is charged until this is dropped.
#[derive(Debug)]
pub(super) struct Charge {
    mine: OwnedSemaphorePermit,
    all: OwnedSemaphorePermit,
}

impl Charge {
    pub(super) fn merge(&mut self, other: Self) {
        self.mine.merge(other.mine);
        self.all.merge(other.all);
    }
}

/// Memory for one reply. The service leaves it in the extensions of its response; it is free again when the system took
/// the reply, or the client gave up.
#[derive(Debug, Clone)]
pub struct Reserved(#[expect(dead_code, reason = "it is held, not read")] Arc<Reply>);

impl Reserved {
    /// Bytes of the reply, which hold the memory until the last of them is written or thrown away, in whatever buffer.
    pub(super) fn held_by(&self, bytes: Bytes) -> Bytes {
        Bytes::from_owner(Held { bytes, _reserved: self.clone() })
    }
}

struct Held {
    bytes: Bytes,
    _reserved: Reserved,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[derive(Debug)]
struct Reply {
    account: Arc<Account>,
    _charge: Charge,
}

impl Peer {
    /// Memory for a reply of at most so many bytes; waits while other replies on the connection are not taken.
    ///
    /// `None` when they are not taken for a while, which is counted: refuse the call.
    pub async fn reserve(&self, bytes: usize) -> Option<Reserved> {
        let charge = match self.charge(bytes) {
            Some(charge) => charge,
            None => {
                let waited = tokio::time::timeout(self.0.patience, self.0.wait(bytes)).await;
                let charge = waited.ok().flatten();
                if charge.is_none() {
                    Refused::Buffered.count();
                }
                charge?
            }
        };
        let mut unread = self.0.unread();
        unread.n_replies += 1;
        unread.since.get_or_insert_with(Instant::now);
        drop(unread);
        Some(Reserved(Arc::new(Reply { account: Arc::clone(&self.0), _charge: charge })))
    }

    /// Charge bytes at once, or not at all.
    pub(super) fn charge(&self, bytes: usize) -> Option<Charge> {
        let n = permits(bytes).min(self.0.share);
        let mine = Arc::clone(&self.0.mine).try_acquire_many_owned(n).ok()?;
        let all = Arc::clone(&self.0.all).try_acquire_many_owned(n).ok()?;
        Some(Charge { mine, all })
    }

    /// The client took a part of what is ready for it.
    pub(super) fn progressed(&self) {
        let mut unread = self.0.unread();
        unread.since = unread.since.map(|_| Instant::now());
    }

    /// Since when nothing has been taken of what is ready; `None` when nothing is ready.
    pub(super) fn unread_since(&self) -> Option<Instant> {
        self.0.unread().since
    }
}

impl Account {
    fn unread(&self) -> MutexGuard<'_, Unread> {
        self.unread.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn wait(&self, bytes: usize) -> Option<Charge> {
        let n = permits(bytes).min(self.share);
        let mine = Arc::clone(&self.mine).acquire_many_owned(n).await.ok()?;
        let all = Arc::clone(&self.all).acquire_many_owned(n).await.ok()?;
        Some(Charge { mine, all })
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        let mut unread = self.account.unread();
        unread.n_replies -= 1;
        unread.since = (unread.n_replies > 0).then(Instant::now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;
    const HURRY: Duration = Duration::from_millis(1);

    #[tokio::test]
    async fn a_connection_has_its_share_and_gets_it_back() {
        let budget = Budget::new(8 * MIB, HURRY);
        let (one, other) = (budget.peer(), budget.peer());
        let first = one.reserve(MIB / 2).await.unwrap();
        let second = one.reserve(MIB / 2).await.unwrap();
        assert!(one.reserve(1).await.is_none(), "nobody reads");
        let others = other.reserve(MIB).await.unwrap();
        drop(first);
        let third = one.reserve(MIB / 2).await.unwrap();
        assert!(one.unread_since().is_some());
        let mut bytes = [second.held_by("ab".into()), third.held_by("cd".into())];
        drop((second, third));
        let rest = bytes[0].split_off(1);
        assert!(one.charge(1).is_none(), "they wait in the buffers of the connection");
        drop(bytes);
        assert!(one.charge(MIB).is_none(), "a part of the first one still waits");
        drop(rest);
        assert!(one.unread_since().is_none() && one.charge(MIB).is_some());
        drop(others);
    }

    #[tokio::test]
    async fn all_connections_together_have_no_more_than_all() {
        let budget = Budget::new(8 * MIB, HURRY);
        let peers: Vec<Peer> = (0..9).map(|_| budget.peer()).collect();
        let mut held = Vec::new();
        for peer in &peers[..8] {
            // One reply may be larger than a share: then it is the only one.
            held.push(peer.reserve(3 * MIB).await.unwrap());
        }
        assert!(peers[8].reserve(1).await.is_none());
        held.clear();
        assert!(peers[8].reserve(1).await.is_some());
    }

    #[tokio::test]
    async fn a_call_waits_until_the_reply_before_it_is_taken() {
        let peer = Budget::new(8 * MIB, Duration::from_secs(3600)).peer();
        let first = peer.reserve(MIB).await.unwrap();
        let waiting = {
            let peer = peer.clone();
            tokio::spawn(async move { peer.reserve(MIB).await.is_some() })
        };
        tokio::task::yield_now().await;
        drop(first);
        assert!(waiting.await.unwrap());
    }
}
