//! Connections, not packets: which clients were refused, and which got in after all.
//!
//! A connection is a listener, a client address and a client port; a client
//! that retries keeps its port. It is followed from its first loss until a
//! handshake of the same three finishes. Memory is bounded: beyond the bound
//! the oldest are forgotten and counted as not followed, which makes
//! "recovered" a lower bound and says so.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::Peer;

/// How many lost connections are followed at a time (about 150 bytes each).
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Of one listener.
    pub per_listener: usize,
    /// Of all listeners.
    pub overall: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { per_listener: 65_536, overall: 262_144 }
    }
}

/// What a loss meant for the connection it belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encounter {
    /// Its first one.
    First,
    /// It was followed already: the client retried and was refused again.
    Again,
}

#[derive(Clone, Copy, Debug)]
struct Lost {
    /// When the first loss happened (`CLOCK_MONOTONIC`, ns).
    since: u64,
    /// Its place in the order of arrival.
    ticket: u64,
    /// Its final ACK was dropped in silence.
    believes: bool,
    /// It sent data after that, which was dropped too.
    sent_data: bool,
}

/// What is new of a client whose final ACK was dropped in silence.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Belief {
    /// It believes from now on that it is connected.
    pub believes: bool,
    /// It has sent its first data into nothing.
    pub sent_data: bool,
}

#[derive(Default, Debug)]
struct Followed {
    open: HashMap<Peer, Lost>,
    /// By age; entries whose connection recovered are dropped when they reach the front.
    order: VecDeque<(u64, Peer)>,
}

/// Every lost connection that is being followed.
#[derive(Default, Debug)]
pub struct Connections {
    bounds: Bounds,
    listeners: HashMap<u32, Followed>,
    /// Oldest ticket of each listener that follows anything.
    oldest: BTreeMap<u64, u32>,
    total: usize,
    next_ticket: u64,
}

impl Connections {
    /// Follows at most so many.
    pub fn bounded(bounds: Bounds) -> Self {
        Self { bounds, ..Self::default() }
    }

    /// A connection lost a packet; returns what that meant and the listener
    /// whose oldest connection had to be forgotten for it.
    pub fn lost(&mut self, listener: u32, peer: Peer, time: u64) -> (Encounter, Option<u32>) {
        if self.listeners.get(&listener).is_some_and(|followed| followed.open.contains_key(&peer)) {
            return (Encounter::Again, None);
        }
        let forgotten = self.make_room(listener);
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        let followed = self.listeners.entry(listener).or_default();
        if followed.open.is_empty() {
            followed.order.clear();
            self.oldest.insert(ticket, listener);
        }
        followed.open.insert(peer, Lost { since: time, ticket, believes: false, sent_data: false });
        followed.order.push_back((ticket, peer));
        self.total += 1;
        (Encounter::First, forgotten)
    }

    /// The final ACK of a followed connection, or data after it, was dropped in
    /// silence.
    pub fn dropped_in_silence(&mut self, listener: u32, peer: Peer, carried_data: bool) -> Belief {
        let followed = self.listeners.get_mut(&listener);
        let Some(lost) = followed.and_then(|followed| followed.open.get_mut(&peer)) else {
            return Belief::default();
        };
        let new = Belief { believes: !lost.believes, sent_data: carried_data && !lost.sent_data };
        lost.believes = true;
        lost.sent_data |= carried_data;
        new
    }

    /// A handshake finished; `Some` with the time since the first loss in ns
    /// where the connection had been refused before.
    pub fn established(&mut self, listener: u32, peer: Peer, time: u64) -> Option<u64> {
        let lost = *self.listeners.get(&listener)?.open.get(&peer)?;
        // A handshake that finished before the loss belongs to an earlier use of the port.
        let took = time.checked_sub(lost.since)?;
        self.forget(listener, peer);
        Some(took)
    }

    /// How many are followed now.
    pub const fn followed(&self) -> usize {
        self.total
    }

    fn make_room(&mut self, listener: u32) -> Option<u32> {
        let own = self.listeners.get(&listener).map_or(0, |followed| followed.open.len());
        let from = if own >= self.bounds.per_listener {
            listener
        } else if self.total >= self.bounds.overall {
            *self.oldest.first_key_value()?.1
        } else {
            return None;
        };
        let (_, peer) = *self.listeners.get(&from)?.order.front()?;
        self.forget(from, peer);
        Some(from)
    }

    fn forget(&mut self, listener: u32, peer: Peer) {
        let Some(followed) = self.listeners.get_mut(&listener) else { return };
        let Some(front) = followed.order.front().map(|(ticket, _)| *ticket) else { return };
        if followed.open.remove(&peer).is_none() {
            return;
        }
        self.total -= 1;
        let is_stale = |open: &HashMap<Peer, Lost>, (ticket, peer): &(u64, Peer)| {
            open.get(peer).is_none_or(|lost| lost.ticket != *ticket)
        };
        while followed.order.front().is_some_and(|entry| is_stale(&followed.open, entry)) {
            followed.order.pop_front();
        }
        if followed.order.len() > 2 * followed.open.len() + 16 {
            let open = &followed.open;
            followed.order.retain(|entry| !is_stale(open, entry));
        }
        match followed.order.front().map(|(ticket, _)| *ticket) {
            Some(now) if now == front => {}
            Some(now) => {
                self.oldest.remove(&front);
                self.oldest.insert(now, listener);
            }
            None => {
                self.oldest.remove(&front);
                self.listeners.remove(&listener);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn peer(port: u16) -> Peer {
        Peer { address: "10.0.0.7".parse().expect("an address"), port }
    }

    #[test]
    fn a_retry_is_the_same_connection_and_another_port_is_another() {
        let mut connections = Connections::default();
        assert_eq!(connections.lost(1, peer(1), 100), (Encounter::First, None));
        assert_eq!(connections.lost(1, peer(1), 200), (Encounter::Again, None));
        assert_eq!(connections.lost(1, peer(2), 200), (Encounter::First, None));
        assert_eq!(connections.lost(2, peer(1), 200), (Encounter::First, None));
    }

    #[test]
    fn a_client_believes_and_sends_data_once() {
        let mut connections = Connections::default();
        assert_eq!(connections.dropped_in_silence(1, peer(1), true), Belief::default(), "not followed");
        connections.lost(1, peer(1), 100);
        let belief = |believes, sent_data| Belief { believes, sent_data };
        assert_eq!(connections.dropped_in_silence(1, peer(1), false), belief(true, false));
        assert_eq!(connections.dropped_in_silence(1, peer(1), true), belief(false, true));
        assert_eq!(connections.dropped_in_silence(1, peer(1), true), belief(false, false));
        connections.lost(1, peer(2), 100);
        assert_eq!(connections.dropped_in_silence(1, peer(2), true), belief(true, true));
    }

    #[test]
    fn recovery_is_timed_from_the_first_loss_and_counted_once() {
        let mut connections = Connections::default();
        connections.lost(1, peer(1), 100);
        connections.lost(1, peer(1), 900);
        assert_eq!(connections.established(2, peer(1), 1000), None, "another listener");
        assert_eq!(connections.established(1, peer(2), 1000), None, "never refused");
        assert_eq!(connections.established(1, peer(1), 99), None, "before the loss");
        assert_eq!(connections.established(1, peer(1), 1100), Some(1000));
        assert_eq!(connections.established(1, peer(1), 1200), None, "already in");
        assert_eq!(connections.lost(1, peer(1), 2000).0, Encounter::First, "a new use of the port");
    }

    #[test]
    fn the_oldest_is_forgotten_at_either_bound() {
        let mut connections = Connections::bounded(Bounds { per_listener: 2, overall: 3 });
        connections.lost(1, peer(1), 1);
        connections.lost(1, peer(2), 2);
        assert_eq!(connections.lost(1, peer(3), 3), (Encounter::First, Some(1)), "its own bound");
        connections.lost(2, peer(1), 4);
        assert_eq!(connections.lost(2, peer(2), 5), (Encounter::First, Some(1)), "the overall bound");
        assert_eq!(connections.established(1, peer(1), 9), None);
        assert_eq!(connections.established(1, peer(2), 9), None);
        assert_eq!(connections.established(1, peer(3), 9), Some(6));
        assert_eq!(connections.followed(), 2);
    }

    proptest! {
        /// Whatever happens, the bounds hold and the books agree with each other.
        #[test]
        fn bounds_hold(steps in proptest::collection::vec((any::<bool>(), 0u32..4, 0u16..12), 0..400)) {
            let mut connections = Connections::bounded(Bounds { per_listener: 5, overall: 9 });
            let (mut first, mut gone) = (0usize, 0usize);
            for (time, (loses, listener, port)) in (0u64..).zip(steps) {
                if loses {
                    let (encounter, forgotten) = connections.lost(listener, peer(port), time);
                    first += usize::from(encounter == Encounter::First);
                    gone += usize::from(forgotten.is_some());
                } else {
                    gone += usize::from(connections.established(listener, peer(port), time).is_some());
                }
                prop_assert_eq!(connections.followed(), first - gone);
                prop_assert!(connections.followed() <= 9);
                prop_assert_eq!(connections.listeners.values().map(|f| f.open.len()).sum::<usize>(), first - gone);
                prop_assert_eq!(connections.oldest.len(), connections.listeners.len());
                prop_assert!(connections.listeners.values().all(|f| f.open.len() <= 5 && f.order.len() <= 2 * f.open.len() + 17));
            }
        }
    }
}
