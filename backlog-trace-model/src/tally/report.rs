//! What a view prints: plain data for one stretch of an observation.

use std::collections::BTreeMap;
use std::sync::Arc;

use backlog_trace_common::bucket::bounds;
use backlog_trace_common::reason::{Class, Reason};

use crate::event::{Figure, Session, SourceState, Totals};
use crate::listener::Sysctls;

use super::{NamespaceAudit, Need, Recoveries, Series, Signs, SocketDrops, Who};

/// What was observed between two instants.
#[derive(Clone, Debug)]
pub struct Report {
    /// Who observed, with which hooks; `None` where a recording lost its start.
    pub session: Option<Arc<Session>>,
    /// What became of each source of figures, as last known.
    pub sources: Arc<Vec<SourceState>>,
    /// The whole run, not an interval of it.
    pub is_final: bool,
    /// The observation ended by itself: a cut recording does not.
    pub complete: bool,
    /// What a recording lacks, one sentence without a full stop each.
    pub gaps: Vec<String>,
    /// Begin (`CLOCK_MONOTONIC`, ns).
    pub from: u64,
    /// End (`CLOCK_MONOTONIC`, ns).
    pub to: u64,
    /// Selected listeners that counted anything, most losses first.
    pub listeners: Vec<ListenerReport>,
    /// Every namespace, whatever is selected.
    pub audit: Vec<NamespaceAudit>,
    /// The sysctls of each namespace by its inode number, as they were read last;
    /// none of one that could not be entered.
    pub sysctls: Arc<BTreeMap<u32, Sysctls>>,
    /// The details plane.
    pub details: DetailCounts,
}

/// What was observed of one listener.
#[derive(Clone, Debug)]
pub struct ListenerReport {
    /// The listener.
    pub who: Who,
    /// What was counted; only selected reasons.
    pub totals: Totals,
    /// Limit of both queues, where it is known.
    pub limit: Option<u32>,
    /// Connections that waited in its accept queue when the stretch began and
    /// when it ended: finished + the first = accepted + the second.
    pub waiting: Option<[u32; 2]>,
    /// Since when somebody waits in its accept queue and nothing was accepted
    /// (`CLOCK_MONOTONIC`, ns): the snapshot that showed it first, so that the
    /// stall is no shorter.
    pub stalled_since: Option<u64>,
    /// Connections behind the losses.
    pub connections: ConnectionCounts,
    /// Its `sk_drops`.
    pub sk_drops: SocketDrops,
    /// What only a report of the whole run tells, of a listener that details told of.
    pub history: Option<History>,
}

/// What details told of one listener since the observation began.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// Losses per second.
    pub series: Series,
    /// Signs of who its clients are.
    pub signs: Signs,
    /// What would have kept its accept queue from refusing anybody; `None` where it
    /// refused nobody, or where that cannot be told.
    pub need: Option<Need>,
}

/// Connections, from details.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ConnectionCounts {
    /// Connections that met a loss.
    pub lost: u64,
    /// Of those, got in later.
    pub recovered: Recoveries,
    /// Of those, think that they are connected: their final ACK was dropped
    /// in silence.
    pub believed: u64,
    /// Of those that believed it, sent data, which was dropped too.
    pub sent_data: u64,
    /// Of those lost, may have been refused before the observation began, so
    /// that it met them in the middle of their tries.
    pub maybe_midway: u64,
    /// Of those lost, forgotten at the memory bound before they could get in.
    pub not_followed: u64,
}

impl ConnectionCounts {
    /// Adds another listener's.
    pub fn add(&mut self, other: &Self) {
        self.lost += other.lost;
        self.recovered.merge(&other.recovered);
        self.believed += other.believed;
        self.sent_data += other.sent_data;
        self.maybe_midway += other.maybe_midway;
        self.not_followed += other.not_followed;
    }

    /// Connections that have not got in so far.
    pub const fn not_back(&self) -> u64 {
        self.lost.saturating_sub(self.recovered.count()).saturating_sub(self.not_followed)
    }
}

/// How complete the details are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct DetailCounts {
    /// Received.
    pub seen: u64,
    /// Found no room in the ring buffer.
    pub missed: u64,
}

impl Report {
    /// Nothing was seen packet by packet: what only packets tell is not known.
    pub fn is_polled(&self) -> bool {
        self.session.as_deref().is_some_and(Session::is_polled)
    }

    /// Unix time in ns of a `CLOCK_MONOTONIC` stamp; the stamp itself where a
    /// recording lost its start.
    pub fn unix_ns(&self, monotonic: u64) -> i64 {
        Session::unix_ns(self.session.as_deref(), monotonic)
    }

    /// Whether nothing of the observation is missing.
    pub fn is_whole(&self) -> bool {
        self.complete && self.gaps.is_empty()
    }

    /// Listeners that it tells of, those that are not named among them.
    pub fn listeners_seen(&self) -> u64 {
        self.listeners.iter().map(|listener| listener.who.listeners()).sum()
    }

    /// Of those, how many lost packets, and not only what they took along when
    /// they closed; of those that are not named, one where any did.
    pub fn listeners_with_loss(&self) -> u64 {
        let lost = |listener: &&ListenerReport| listener.packets(Class::Loss) > listener.closed_with();
        self.listeners.iter().filter(lost).count() as u64
    }
}

impl ListenerReport {
    /// Packets of a class.
    pub fn packets(&self, class: Class) -> u64 {
        self.reasons(class).map(|(_, count)| count).fold(0, u64::saturating_add)
    }

    /// Reasons of a class that occurred, in the table's order.
    pub fn reasons(&self, class: Class) -> impl Iterator<Item = (Reason, u64)> + '_ {
        self.totals.reasons.iter().filter(move |(reason, _)| reason.row().class == class)
    }

    /// The upper bound of the longest wait for accept(), in microseconds, where one was seen.
    pub fn longest_wait_us(&self) -> Option<u64> {
        let waits = &self.totals.accept_wait_us;
        let bucket = waits.iter().rposition(|count| *count > 0)?;
        Some(u64::from(bounds(bucket, waits.len()).1).saturating_add(1))
    }

    /// Connections that it took along when it closed; no packet tells of them.
    pub fn closed_with(&self) -> u64 {
        self.totals.reasons[Reason::ListenerClosed]
    }

    /// A figure of its totals, unless it is not known.
    pub fn known(&self, figure: Figure) -> Option<u64> {
        let totals = &self.totals;
        let value = match figure {
            Figure::Established => totals.established,
            Figure::EstablishedByCookie => totals.established_by_cookie,
            Figure::Accepted => totals.accepted,
            Figure::AcceptQueueMax => u64::from(totals.accept_queue_max),
        };
        (!totals.unknown.contains(figure)).then_some(value)
    }

    /// Whether there is anything to say about the listener.
    pub fn is_empty(&self) -> bool {
        let totals = &self.totals;
        totals.syns == 0
            && totals.established == 0
            && totals.accepted == 0
            && totals.accept_queue_max == 0
            && totals.reasons.iter().next().is_none()
            && self.sk_drops.kernel.unwrap_or(0) == 0
            && self.connections == ConnectionCounts::default()
    }
}
