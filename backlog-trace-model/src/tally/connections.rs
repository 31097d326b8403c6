//! Connections, not packets: which clients were refused, and which got in after all.
//!
//! A client's way is what the client sees: its own address and port, and the
//! address and port where it knocks. It keeps them when it retries, and knows
//! nothing of sockets: refused by a service that restarts, it is let in by the
//! socket that listens there next, or by another member of the reuseport
//! group. A way is followed from its first loss until its handshake finishes,
//! and counts at the listener that refused it first.
//!
//! Memory is bounded: beyond the bound the oldest are forgotten and counted as
//! not followed, which makes "recovered" a lower bound and says so.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::endpoint::{Endpoint, Port};
use crate::event::Peer;

/// How long a client is silent between two tries at most: what comes later
/// from its address and port is another connection. Linux waits 64 s between
/// the last two SYNs (tcp_syn_retries 6) and 120 s between two data segments
/// (TCP_RTO_MAX); the kernel side tells finished handshakes for as long.
const LONGEST_SILENCE: u64 = 130_000_000_000;

/// How many lost connections are followed at a time (about 200 bytes each).
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Of one port of one namespace.
    pub per_port: usize,
    /// Of all.
    pub overall: usize,
    /// Of one client at one port: so many addresses of the port that it knocks at.
    pub per_client: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { per_port: 65_536, overall: 262_144, per_client: 16 }
    }
}

/// A packet of a client at a listener.
#[derive(Clone, Copy, Debug)]
pub struct Knock {
    /// The listener: [`crate::listener::Listener::id`].
    pub listener: u32,
    /// Where it listens.
    pub at: Endpoint,
    /// The client.
    pub peer: Peer,
    /// When (`CLOCK_MONOTONIC`, ns).
    pub time: u64,
}

/// What a loss meant for the connection it belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encounter {
    /// Its first one.
    First,
    /// It was followed already: the client retried and was refused again.
    Again,
}

/// A connection that got in after all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Recovered {
    /// The listener that had refused it first.
    pub refused_by: u32,
    /// Time since then, in ns.
    pub took: u64,
}

/// What is new of a client whose final ACK was dropped in silence.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Belief {
    /// It believes from now on that it is connected.
    pub believes: bool,
    /// It has sent its first data into nothing.
    pub sent_data: bool,
}

#[derive(Clone, Copy, Debug)]
struct Lost {
    /// The listener that refused it first, and where that one listens.
    refused_by: u32,
    at: Endpoint,
    /// When the first loss happened (`CLOCK_MONOTONIC`, ns), and the last.
    since: u64,
    last: u64,
    /// Its place in the order of arrival.
    ticket: u64,
    /// Its final ACK was dropped in silence.
    believes: bool,
    /// It sent data after that, which was dropped too.
    sent_data: bool,
}

/// A listener that refused somebody who is followed.
#[derive(Clone, Copy, Default, Debug)]
struct Refuser {
    open: usize,
    closed: bool,
}

/// The connections that are followed at one port of one namespace.
#[derive(Default, Debug)]
struct Followed {
    /// Nearly always one for each client: more where the port is listened on at
    /// several addresses, and the client knocks at more than one of them.
    open: HashMap<Peer, Vec<Lost>>,
    total: usize,
    /// By age; entries whose connection recovered are dropped when they reach the front.
    order: VecDeque<(u64, Peer)>,
    refusers: HashMap<u32, Refuser>,
}

impl Followed {
    /// The connection that a packet belongs to.
    fn find(&mut self, knock: &Knock) -> Option<&mut Lost> {
        let refusers = &self.refusers;
        let is_closed = |id| refusers.get(&id).is_some_and(|refuser| refuser.closed);
        let of_peer = self.open.get_mut(&knock.peer)?;
        let at = of_peer.iter().position(|lost| {
            lost.refused_by == knock.listener || lost.at.is_succeeded_by(knock.at, is_closed(lost.refused_by))
        })?;
        of_peer.get_mut(at)
    }

    fn has(&self, (ticket, peer): (u64, Peer)) -> bool {
        self.open.get(&peer).is_some_and(|of_peer| of_peer.iter().any(|lost| lost.ticket == ticket))
    }

    fn remove(&mut self, (ticket, peer): (u64, Peer)) -> Option<Lost> {
        let of_peer = self.open.get_mut(&peer)?;
        let lost = of_peer.swap_remove(of_peer.iter().position(|lost| lost.ticket == ticket)?);
        if of_peer.is_empty() {
            self.open.remove(&peer);
        }
        self.total -= 1;
        if let Some(refuser) = self.refusers.get_mut(&lost.refused_by) {
            refuser.open -= 1;
            if refuser.open == 0 {
                self.refusers.remove(&lost.refused_by);
            }
        }
        Some(lost)
    }
}

/// Every lost connection that is being followed.
#[derive(Default, Debug)]
pub struct Connections {
    bounds: Bounds,
    ports: HashMap<Port, Followed>,
    /// Oldest ticket of each port that follows anything.
    oldest: BTreeMap<u64, Port>,
    total: usize,
    next_ticket: u64,
}

impl Connections {
    /// Follows at most so many.
    pub fn bounded(bounds: Bounds) -> Self {
        Self { bounds, ..Self::default() }
    }

    /// A connection lost a packet; returns what that meant and the listener
    /// that had refused the oldest connection, where that had to be forgotten
    /// for it.
    pub fn lost(&mut self, knock: &Knock) -> (Encounter, Option<u32>) {
        if let Some(lost) = self.find(knock) {
            lost.last = lost.last.max(knock.time);
            return (Encounter::Again, None);
        }
        let port = knock.at.port;
        self.give_up(knock.time);
        let forgotten = self.make_room(port, knock);
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let followed = self.ports.entry(port).or_default();
        if followed.open.is_empty() {
            followed.order.clear();
            self.oldest.insert(ticket, port);
        }
        let Knock { listener, at, peer, time } = *knock;
        let lost = Lost {
            refused_by: listener,
            at,
            since: time,
            last: time,
            ticket,
            believes: false,
            sent_data: false,
        };
        // Nearly always the only one: a Vec's first push would make room for four.
        followed.open.entry(peer).or_insert_with(|| Vec::with_capacity(1)).push(lost);
        followed.refusers.entry(listener).or_default().open += 1;
        followed.order.push_back((ticket, peer));
        followed.total += 1;
        self.total += 1;
        (Encounter::First, forgotten)
    }

    /// The final ACK of a followed connection, or data after it, was dropped in
    /// silence; what is new by that, and the listener that refused it first.
    pub fn dropped_in_silence(&mut self, knock: &Knock, carried_data: bool) -> Option<(u32, Belief)> {
        let lost = self.find(knock)?;
        let new = Belief { believes: !lost.believes, sent_data: carried_data && !lost.sent_data };
        lost.believes = true;
        lost.sent_data |= carried_data;
        Some((lost.refused_by, new))
    }

    /// A handshake finished; `Some` where the connection had been refused before.
    pub fn established(&mut self, knock: &Knock) -> Option<Recovered> {
        let lost = *self.find(knock)?;
        // A handshake that finished before the loss belongs to an earlier use of the port.
        let took = knock.time.checked_sub(lost.since)?;
        self.forget(knock.at.port, (lost.ticket, knock.peer));
        Some(Recovered { refused_by: lost.refused_by, took })
    }

    /// A listener closed, or listens again: whoever it refused may be let in by
    /// one that listens at another address of the port from now on.
    pub fn closed(&mut self, listener: u32, at: Endpoint, closed: bool) {
        let followed = self.ports.get_mut(&at.port);
        if let Some(refuser) = followed.and_then(|followed| followed.refusers.get_mut(&listener)) {
            refuser.closed = closed;
        }
    }

    /// How many are followed now.
    pub const fn followed(&self) -> usize {
        self.total
    }

    /// The connection that a packet belongs to, where it is followed. One that
    /// was silent for too long has ended: its client's port is used again.
    fn find(&mut self, knock: &Knock) -> Option<&mut Lost> {
        let port = knock.at.port;
        let lost = *self.ports.get_mut(&port)?.find(knock)?;
        if is_over(&lost, knock.time) {
            self.forget(port, (lost.ticket, knock.peer));
            return None;
        }
        self.ports.get_mut(&port)?.find(knock)
    }

    /// Lets go of the oldest whose clients have given up. Two for each that comes,
    /// so that what is followed is what was lost in the last minutes.
    fn give_up(&mut self, now: u64) {
        for _ in 0..2 {
            let Some(port) = self.oldest.first_key_value().map(|(_, port)| *port) else { return };
            let Some(followed) = self.ports.get(&port) else { return };
            let Some(&(ticket, peer)) = followed.order.front() else { return };
            let is_over = followed
                .open
                .get(&peer)
                .and_then(|of_peer| of_peer.iter().find(|lost| lost.ticket == ticket))
                .is_some_and(|lost| is_over(lost, now));
            if !is_over {
                return;
            }
            self.forget(port, (ticket, peer));
        }
    }

    fn make_room(&mut self, port: Port, knock: &Knock) -> Option<u32> {
        let (now, peer) = (knock.time, knock.peer);
        let of_peer = self.ports.get(&port).and_then(|followed| followed.open.get(&peer));
        if let Some(of_peer) = of_peer.filter(|of_peer| of_peer.len() >= self.bounds.per_client) {
            let oldest = of_peer.iter().map(|lost| lost.ticket).min()?;
            return self
                .forget(port, (oldest, peer))
                .filter(|lost| !is_over(lost, now))
                .map(|lost| lost.refused_by);
        }
        let own = self.ports.get(&port).map_or(0, |followed| followed.total);
        let from = if own >= self.bounds.per_port {
            port
        } else if self.total >= self.bounds.overall {
            *self.oldest.first_key_value()?.1
        } else {
            return None;
        };
        let oldest = *self.ports.get(&from)?.order.front()?;
        // One whose client has given up by now was followed to its end.
        self.forget(from, oldest).filter(|lost| !is_over(lost, now)).map(|lost| lost.refused_by)
    }

    fn forget(&mut self, port: Port, entry: (u64, Peer)) -> Option<Lost> {
        let followed = self.ports.get_mut(&port)?;
        let front = followed.order.front().map(|(ticket, _)| *ticket)?;
        let lost = followed.remove(entry)?;
        self.total -= 1;
        while followed.order.front().is_some_and(|entry| !followed.has(*entry)) {
            followed.order.pop_front();
        }
        if followed.order.len() > 2 * followed.total + 16 {
            let mut order = std::mem::take(&mut followed.order);
            order.retain(|entry| followed.has(*entry));
            followed.order = order;
        }
        match followed.order.front().map(|(ticket, _)| *ticket) {
            Some(now) if now == front => {}
            Some(now) => {
                self.oldest.remove(&front);
                self.oldest.insert(now, port);
            }
            None => {
                self.oldest.remove(&front);
                self.ports.remove(&port);
            }
        }
        Some(lost)
    }
}

const fn is_over(lost: &Lost, now: u64) -> bool {
    now.saturating_sub(lost.last) > LONGEST_SILENCE
}

#[cfg(test)]
mod tests;
