//! What must have come of a scenario, by the way it was built.
//!
//! States fates of packets. Which of the kernel's counters a fate moves is the
//! table's word ([`Reason`]), and every scenario tests that word against the
//! kernel.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::counters::Counters;
use crate::found::Found;
use crate::listener_socket::ListenerSocket;
use crate::reason::Reason;
use crate::seen::Who;
use crate::sight::Sight;

/// What must have come of a scenario.
#[derive(Clone, Debug)]
pub(crate) struct Expectation {
    pub(crate) listeners: Vec<Expected>,
    /// Counts are lowest values: clients of the kernel's own were at work,
    /// which retry when they like, so only the kernel knows how often.
    pub(crate) at_least: bool,
    /// What the scenario was drawn from, where it was drawn.
    pub(crate) seed: Option<u64>,
    /// What a rung must show for the tool to see it.
    pub(crate) sight: Option<Sight>,
}

/// What must have come of one listener.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    pub(crate) netns: u32,
    pub(crate) inode: u64,
    pub(crate) address: SocketAddr,
    /// Packets by their fate; a fate that is absent must not have happened.
    pub(crate) packets: BTreeMap<Reason, u64>,
    /// What the kernel counts beyond what the fates move.
    pub(crate) also: Vec<(&'static str, u64)>,
    /// How far `sk_drops` moved.
    pub(crate) sk_drops: Option<u64>,
    /// How much of that no hook sees: the rest that the tool must show.
    pub(crate) residual: u64,
    /// It closed in the middle of everything: that rest is not known.
    pub(crate) abrupt: bool,
    pub(crate) syns: Option<u64>,
    pub(crate) established: Option<u64>,
    pub(crate) accepted: Option<u64>,
    pub(crate) accept_queue_max: Option<u64>,
    pub(crate) limit: Option<u64>,
    /// Connections that met a loss, and how many of them got in later.
    pub(crate) connections: Option<(u64, u64)>,
    /// Processes that must be among the owners.
    pub(crate) owners: Vec<u32>,
    /// Single events, where `live` is watched.
    pub(crate) told: Vec<Told>,
    /// The cause that retransmits of a SYN+ACK must have, and how many may
    /// have another.
    pub(crate) retransmit_cause: Option<(&'static str, u64)>,
    /// What the tool must find wrong with it, and nothing else; `None` where
    /// nothing is said of that.
    pub(crate) finds: Option<Vec<Found>>,
}

/// One event of `live`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Told {
    pub(crate) reason: Reason,
    /// What the client was told; of a request that ended, why.
    pub(crate) outcome: Option<&'static str>,
    pub(crate) peer: SocketAddr,
}

impl Expectation {
    /// Exactly this.
    pub(crate) fn exactly(listeners: impl Into<Vec<Expected>>) -> Self {
        Self { listeners: listeners.into(), at_least: false, seed: None, sight: None }
    }

    /// At least this; how much more, the kernel's counters say.
    pub(crate) fn at_least(listeners: impl Into<Vec<Expected>>) -> Self {
        Self { listeners: listeners.into(), at_least: true, seed: None, sight: None }
    }

    /// At least this, of a scenario that was drawn from a seed.
    pub(crate) fn drawn(seed: u64, listeners: Vec<Expected>) -> Self {
        Self { listeners, at_least: true, seed: Some(seed), sight: None }
    }

    /// The same of what is skipped on a rung that does not show this.
    pub(crate) fn shown_by(self, sight: Sight) -> Self {
        Self { sight: Some(sight), ..self }
    }

    /// How far the counters of a namespace must have moved.
    pub(crate) fn counters(&self, netns: u32) -> Counters {
        let mut counters = Counters::default();
        for listener in self.listeners.iter().filter(|listener| listener.netns == netns) {
            for (reason, packets) in &listener.packets {
                for counter in reason.counters() {
                    counters.add(counter, *packets);
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
    pub(crate) fn on(listener: &ListenerSocket) -> Self {
        Self::at(listener.netns, listener.inode, listener.address)
    }

    /// The same of a listener that another program opened.
    pub(crate) fn at(netns: u32, inode: u64, address: SocketAddr) -> Self {
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
            finds: None,
        }
    }

    /// Whether the tool speaks of this listener.
    pub(crate) fn is(&self, who: &Who) -> bool {
        who.netns == self.netns && who.inode == Some(self.inode)
    }

    /// So many packets met this fate.
    pub(crate) fn packets(mut self, reason: Reason, count: u64) -> Self {
        if count > 0 {
            *self.packets.entry(reason).or_default() += count;
        }
        self
    }

    /// The kernel counts so much more than the fates say.
    pub(crate) fn also(mut self, counter: &'static str, count: u64) -> Self {
        self.also.push((counter, count));
        self
    }

    /// `sk_drops` moved so far.
    pub(crate) fn sk_drops(mut self, count: u64) -> Self {
        self.sk_drops = Some(count);
        self
    }

    /// So much of `sk_drops` is the rest that no hook sees.
    pub(crate) fn residual(mut self, count: u64) -> Self {
        self.residual = count;
        self
    }

    /// It closed while packets were on their way to it.
    pub(crate) fn abrupt(mut self) -> Self {
        self.abrupt = true;
        self
    }

    /// So many SYNs came.
    pub(crate) fn syns(mut self, count: u64) -> Self {
        self.syns = Some(count);
        self
    }

    /// So many handshakes were finished.
    pub(crate) fn established(mut self, count: u64) -> Self {
        self.established = Some(count);
        self
    }

    /// So many connections were accepted.
    pub(crate) fn accepted(mut self, count: u64) -> Self {
        self.accepted = Some(count);
        self
    }

    /// The accept queue was so long at most, of so much allowed.
    pub(crate) fn accept_queue(mut self, max: u64, limit: u64) -> Self {
        self.accept_queue_max = Some(max);
        self.limit = Some(limit);
        self
    }

    /// So many connections met a loss, and so many of them got in later.
    pub(crate) fn connections(mut self, lost: u64, recovered: u64) -> Self {
        self.connections = Some((lost, recovered));
        self
    }

    /// This process is among the owners.
    pub(crate) fn owner(mut self, pid: u32) -> Self {
        self.owners.push(pid);
        self
    }

    /// A packet of this client met this fate, and `live` must tell it so.
    pub(crate) fn told(mut self, reason: Reason, outcome: Option<&'static str>, peer: SocketAddr) -> Self {
        self.told.push(Told { reason, outcome, peer });
        self
    }

    /// The SYNs of these clients were answered by cookie, and `live` must tell it so.
    pub(crate) fn cookies(mut self, clients: &[SocketAddr]) -> Self {
        for client in clients {
            self = self.packets(Reason::SynCookieSent, 1).told(Reason::SynCookieSent, None, *client);
        }
        self
    }

    /// SYN+ACKs that were sent again were sent for this cause, all but so many.
    pub(crate) fn retransmits_because(mut self, cause: &'static str, but: u64) -> Self {
        self.retransmit_cause = Some((cause, but));
        self
    }

    /// The tool finds exactly this wrong with it, by the whole run: its
    /// observer is the scenario's own (`fresh`), since an interval has no history.
    pub(crate) fn finds(mut self, found: impl Into<Vec<Found>>) -> Self {
        self.finds = Some(found.into());
        self
    }
}
