//! A load in steps: so many clients come, so many are accepted, and again.
//!
//! What is lost and how long a queue without a limit would have been follow
//! from the steps alone, however fast the machine is.

use std::time::Duration;

use super::moves::refused;
use crate::arena::Arena;
use crate::failure::Result;
use crate::listener_socket::ListenerSocket;
use crate::patience::wait;

/// The same clients for every listener.
#[derive(Clone, Copy)]
pub(super) struct Load {
    pub(super) steps: u32,
    /// Clients that come at a step, one after the other.
    pub(super) clients: u32,
    /// One connection is accepted at the end of so many steps.
    pub(super) accept_at: u32,
    /// Sleep after a step.
    pub(super) pause: Duration,
}

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
}

impl Load {
    /// Comes to all of them, step by step.
    pub(super) fn play(self, arena: &mut Arena, listeners: &mut [Loaded<'_>]) -> Result<()> {
        for step in 1..=self.steps {
            for listener in &mut *listeners {
                for _ in 0..self.clients {
                    listener.comes(arena)?;
                }
                if step % self.accept_at == 0 {
                    listener.accepts()?;
                }
            }
            std::thread::sleep(self.pause);
        }
        Ok(())
    }
}

/// Accepts one connection of each at a step until none waits.
pub(super) fn drain(listeners: &mut [Loaded<'_>], pause: Duration) -> Result<()> {
    while listeners.iter().any(|listener| listener.waiting > 0) {
        listeners.iter_mut().try_for_each(Loaded::accepts)?;
        std::thread::sleep(pause);
    }
    Ok(())
}
