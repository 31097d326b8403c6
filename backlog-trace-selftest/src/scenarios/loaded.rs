//! A listener under load: clients come, and connections are accepted, one by one.
//!
//! What is lost, and how long a queue without a limit would have been, follow
//! from their order alone, however fast the machine is.

use super::moves::refused;
use crate::arena::Arena;
use crate::failure::Result;
use crate::listener_socket::ListenerSocket;
use crate::patience::wait;

/// A listener with what came of it.
pub(super) struct Loaded<'a> {
    listener: &'a ListenerSocket,
    limit: u32,
    waiting: u32,
    waiting_without_limit: u32,
    /// Clients whose SYN was refused.
    pub(super) refused: u32,
    pub(super) accepted: u32,
    /// The longest its accept queue would have been without a limit.
    pub(super) longest: u32,
}

impl<'a> Loaded<'a> {
    /// Nothing came yet.
    pub(super) const fn new(listener: &'a ListenerSocket, limit: u32) -> Self {
        Self { listener, limit, waiting: 0, waiting_without_limit: 0, refused: 0, accepted: 0, longest: 0 }
    }

    /// One client comes, and gets in or is refused at its SYN.
    pub(super) fn comes(&mut self, arena: &mut Arena) -> Result<()> {
        let mut client = arena.client(self.listener)?;
        self.waiting_without_limit += 1;
        self.longest = self.longest.max(self.waiting_without_limit);
        // sk_acceptq_is_full(): one more than the limit finds room.
        if self.waiting > self.limit {
            self.refused += 1;
            return refused(arena, self.listener, || client.syn());
        }
        client.handshake()?;
        self.waiting += 1;
        let (listener, waiting) = (self.listener, self.waiting);
        wait("the connection in the accept queue", || Ok(listener.accept_queue()? == waiting))
    }

    /// One connection is accepted, where one waits.
    pub(super) fn accepts(&mut self) -> Result<()> {
        self.waiting_without_limit = self.waiting_without_limit.saturating_sub(1);
        if self.listener.accept()?.is_some() {
            self.waiting -= 1;
            self.accepted += 1;
        }
        Ok(())
    }

    /// Whether connections wait in its accept queue.
    pub(super) const fn holds(&self) -> bool {
        self.waiting > 0
    }
}
