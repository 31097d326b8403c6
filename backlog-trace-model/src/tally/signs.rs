//! What details tell of the clients of one listener beside connections: who did
//! not answer, who was told, from how many addresses they came.

use std::collections::HashSet;
use std::net::IpAddr;

use backlog_trace_common::detail::{Cause, Outcome};
use backlog_trace_common::reason::{Class, Reason};

use crate::event::{Met, Peer};

/// Addresses that are told apart for one listener (about 40 bytes each).
pub const ADDRESSES_KEPT: usize = 1024;

/// The signs, of a whole run.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Signs {
    /// SYN+ACKs that were sent again because no final ACK came.
    pub unanswered: u64,
    /// Half-open requests that were given up because no final ACK came.
    pub given_up: u64,
    /// Clients' packets that were answered by a reset.
    pub resets: u64,
    /// Addresses of clients whose SYN found no room in the SYN queue, or whose
    /// request was given up.
    addresses: HashSet<IpAddr>,
    addresses_are_more: bool,
}

impl Signs {
    /// Takes in what a packet met, and whose it was.
    pub fn note(&mut self, met: Met, peer: Option<Peer>) {
        let class = met.reason.row().class;
        let packets = met.packets();
        if met.cause == Cause::ClientSilent {
            match class {
                Class::Retransmit => self.unanswered = self.unanswered.saturating_add(packets),
                Class::Expired => self.given_up = self.given_up.saturating_add(packets),
                Class::Loss | Class::Cookie | Class::Harmless => {}
            }
        }
        // What a listener takes along when it closes is reset too, and is no packet's answer.
        if met.outcome == Outcome::Reset && class == Class::Loss && met.reason != Reason::ListenerClosed {
            self.resets = self.resets.saturating_add(packets);
        }
        let had_no_room =
            matches!(met.reason, Reason::SynQueueFull | Reason::SynQueueReserved | Reason::SynCookieSent);
        if had_no_room || class == Class::Expired {
            self.note_address(peer);
        }
    }

    /// From how many addresses those came that found no room in the SYN queue or
    /// never answered, and whether they were more than are told apart.
    pub fn addresses(&self) -> (u64, bool) {
        (self.addresses.len() as u64, self.addresses_are_more)
    }

    fn note_address(&mut self, peer: Option<Peer>) {
        let Some(peer) = peer else { return };
        if self.addresses.len() < ADDRESSES_KEPT {
            self.addresses.insert(peer.address);
        } else if !self.addresses.contains(&peer.address) {
            self.addresses_are_more = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(number: u32) -> Peer {
        Peer { address: IpAddr::from(number.to_be_bytes()), port: 1 }
    }

    #[test]
    fn who_did_not_answer_and_who_was_told() {
        let mut signs = Signs::default();
        let silent = |reason| Met { cause: Cause::ClientSilent, ..Met::only(reason) };
        signs.note(silent(Reason::SynackRetransmit), Some(peer(1)));
        signs.note(silent(Reason::SynackRetransmit), Some(peer(1)));
        signs.note(silent(Reason::SynackExpired), Some(peer(1)));
        signs.note(Met { cause: Cause::AckRefused, ..Met::only(Reason::SynackRetransmit) }, Some(peer(2)));
        let reset = |reason| Met { outcome: Outcome::Reset, ..Met::only(reason) };
        signs.note(reset(Reason::AckAcceptQueueFull), Some(peer(3)));
        signs.note(reset(Reason::ListenerClosed), None);
        assert_eq!((signs.unanswered, signs.given_up, signs.resets), (2, 1, 1));
        assert_eq!(signs.addresses(), (1, false));
    }

    #[test]
    fn addresses_are_told_apart_in_bounded_memory() {
        let mut signs = Signs::default();
        let cookie = Met::only(Reason::SynCookieSent);
        for number in 0..1024 {
            signs.note(cookie, Some(peer(number)));
            signs.note(cookie, Some(peer(number)));
        }
        assert_eq!(signs.addresses(), (1024, false));
        signs.note(cookie, Some(peer(7)));
        assert_eq!(signs.addresses(), (1024, false));
        signs.note(cookie, Some(peer(9999)));
        signs.note(cookie, None);
        assert_eq!(signs.addresses(), (1024, true));
    }
}
