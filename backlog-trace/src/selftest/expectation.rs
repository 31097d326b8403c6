//! What must have come of a scenario, by the way it was built.
//!
//! States fates of packets. Which of the kernel's counters a fate moves is the
//! table's word (`backlog_trace_common::reason`), and every scenario tests
//! that word against the kernel.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use backlog_trace_common::reason::Reason;

use super::counters::Counters;
use super::listener_socket::ListenerSocket;
use super::seen::Who;

/// What must have come of a scenario.
#[derive(Clone, Debug)]
pub(super) struct Expectation {
    pub(super) listeners: Vec<Expected>,
    /// Counts are lowest values: clients of the kernel's own were at work,
    /// which retry when they like, so only the kernel knows how often.
    pub(super) at_least: bool,
    /// What the scenario was drawn from, where it was drawn.
    pub(super) seed: Option<u64>,
}

/// What must have come of one listener.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    pub(super) netns: u32,
    pub(super) inode: u64,
    pub(super) address: SocketAddr,
    /// Packets by their fate; a fate that is absent must not have happened.
    pub(super) packets: BTreeMap<Reason, u64>,
    /// What the kernel counts beyond what the fates move.
    pub(super) also: Vec<(&'static str, u64)>,
    /// How far `sk_drops` moved.
    pub(super) sk_drops: Option<u64>,
    /// How much of that no hook sees: the rest that the tool must show.
    pub(super) residual: u64,
    /// It closed in the middle of everything: that rest is not known.
    pub(super) abrupt: bool,
    pub(super) syns: Option<u64>,
    pub(super) established: Option<u64>,
    pub(super) accepted: Option<u64>,
    pub(super) accept_queue_max: Option<u64>,
    pub(super) limit: Option<u64>,
    /// Connections that met a loss, and how many of them got in later.
    pub(super) connections: Option<(u64, u64)>,
    /// Processes that must be among the owners.
    pub(super) owners: Vec<u32>,
    /// Single events, where `live` is watched.
    pub(super) told: Vec<Told>,
    /// The cause that retransmits of a SYN+ACK must have, and how many may
    /// have another.
    pub(super) retransmit_cause: Option<(&'static str, u64)>,
}

/// One event of `live`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Told {
    pub(super) reason: Reason,
    /// What the client was told; of a request that ended, why.
    pub(super) outcome: Option<&'static str>,
    pub(super) peer: SocketAddr,
}

impl Expectation {
    /// Exactly this.
    pub(super) fn exactly<const N: usize>(listeners: [Expected; N]) -> Self {
        Self { listeners: listeners.into(), at_least: false, seed: None }
    }

    /// At least this; how much more, the kernel's counters say.
    pub(super) fn at_least<const N: usize>(listeners: [Expected; N]) -> Self {
        Self { listeners: listeners.into(), at_least: true, seed: None }
    }

    /// At least this, of a scenario that was drawn from a seed.
    pub(super) fn drawn(seed: u64, listeners: Vec<Expected>) -> Self {
        Self { listeners, at_least: true, seed: Some(seed) }
    }

    /// How far the counters of a namespace must have moved.
    pub(super) fn counters(&self, netns: u32) -> Counters {
        let mut counters = Counters::default();
        for listener in self.listeners.iter().filter(|listener| listener.netns == netns) {
            for (reason, packets) in &listener.packets {
                for counter in reason.row().counters {
                    counters.add(counter.name(), *packets);
                }
            }
            for (name, count) in &listener.also {
                counters.add(name, *count);
            }
        }
        counters
    }
}

impl Expected {
    /// Nothing lost on this listener, until said otherwise.
    pub(super) fn on(listener: &ListenerSocket) -> Self {
        Self::at(listener.netns, listener.inode, listener.address)
    }

    /// The same of a listener that another program opened.
    pub(super) fn at(netns: u32, inode: u64, address: SocketAddr) -> Self {
        Self {
            netns,
            inode,
            address,
            packets: BTreeMap::new(),
            also: Vec::new(),
            sk_drops: None,
            residual: 0,
            abrupt: false,
            syns: None,
            established: None,
            accepted: None,
            accept_queue_max: None,
            limit: None,
            connections: None,
            owners: Vec::new(),
            told: Vec::new(),
            retransmit_cause: None,
        }
    }

    /// Whether the tool speaks of this listener.
    pub(super) fn is(&self, who: &Who) -> bool {
        who.netns == self.netns && who.inode == Some(self.inode)
    }

    /// So many packets met this fate.
    pub(super) fn packets(mut self, reason: Reason, count: u64) -> Self {
        if count > 0 {
            *self.packets.entry(reason).or_default() += count;
        }
        self
    }

    /// The kernel counts so much more than the fates say.
    pub(super) fn also(mut self, counter: &'static str, count: u64) -> Self {
        self.also.push((counter, count));
        self
    }

    /// `sk_drops` moved so far.
    pub(super) fn sk_drops(mut self, count: u64) -> Self {
        self.sk_drops = Some(count);
        self
    }

    /// So much of `sk_drops` is the rest that no hook sees.
    pub(super) fn residual(mut self, count: u64) -> Self {
        self.residual = count;
        self
    }

    /// It closed while packets were on their way to it.
    pub(super) fn abrupt(mut self) -> Self {
        self.abrupt = true;
        self
    }

    /// So many SYNs came.
    pub(super) fn syns(mut self, count: u64) -> Self {
        self.syns = Some(count);
        self
    }

    /// So many handshakes were finished.
    pub(super) fn established(mut self, count: u64) -> Self {
        self.established = Some(count);
        self
    }

    /// So many connections were accepted.
    pub(super) fn accepted(mut self, count: u64) -> Self {
        self.accepted = Some(count);
        self
    }

    /// The accept queue was so long at most, of so much allowed.
    pub(super) fn accept_queue(mut self, max: u64, limit: u64) -> Self {
        self.accept_queue_max = Some(max);
        self.limit = Some(limit);
        self
    }

    /// So many connections met a loss, and so many of them got in later.
    pub(super) fn connections(mut self, lost: u64, recovered: u64) -> Self {
        self.connections = Some((lost, recovered));
        self
    }

    /// This process is among the owners.
    pub(super) fn owner(mut self, pid: u32) -> Self {
        self.owners.push(pid);
        self
    }

    /// A packet of this client met this fate, and `live` must tell it so.
    pub(super) fn told(mut self, reason: Reason, outcome: Option<&'static str>, peer: SocketAddr) -> Self {
        self.told.push(Told { reason, outcome, peer });
        self
    }

    /// The SYNs of these clients were answered by cookie, and `live` must tell it so.
    pub(super) fn cookies(mut self, clients: &[SocketAddr]) -> Self {
        for client in clients {
            self = self.packets(Reason::SynCookieSent, 1).told(Reason::SynCookieSent, None, *client);
        }
        self
    }

    /// SYN+ACKs that were sent again were sent for this cause, all but so many.
    pub(super) fn retransmits_because(mut self, cause: &'static str, but: u64) -> Self {
        self.retransmit_cause = Some((cause, but));
        self
    }
}
