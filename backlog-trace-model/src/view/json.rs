//! Parts that JSON objects of every command share. Field names are a contract:
//! add, never change (docs/json.md).

use std::net::IpAddr;

use backlog_trace_common::bucket::bounds;
use backlog_trace_common::counter::{ALL, COUNTERS};
use backlog_trace_common::reason::Reason;
use serde::{Serialize, Serializer};

use crate::event::{HookState, Peer, Reach, Reasons, Session, Source, SourceState};
use crate::listener::{Listener, Owner, Place, Sysctls};
use crate::tally::{
    ConnectionCounts, DetailCounts, ListenerReport, NamespaceAudit, Report, Selection, SocketDrops, Who,
};

/// Version of the JSON contract.
pub(super) const VERSION: u8 = 1;

/// Processes that are told of one listener: they stand in every line about it,
/// and thousands can hold one socket.
pub(super) const OWNERS_TOLD: usize = 64;

/// A listener; `null` stands for what is not known.
#[derive(Serialize)]
pub(super) struct ListenerPart<'a> {
    netns: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    netns_name: Option<&'a str>,
    cookie: Option<u64>,
    address: Option<IpAddr>,
    port: u16,
    inode: Option<u64>,
    owners: &'a [Owner],
    /// How many others there are, where not all of them are told.
    #[serde(skip_serializing_if = "Option::is_none")]
    owners_more: Option<usize>,
    cgroup: Option<&'a str>,
    /// `unit`, `container` and `pod`, where the cgroup is of one.
    #[serde(flatten)]
    place: Place<'a>,
    /// How many closed listeners this is, where they are not named any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    closed_listeners: Option<u64>,
}

impl<'a> ListenerPart<'a> {
    pub(super) fn of(who: &'a Who) -> Self {
        match who {
            Who::Known(listener) => Self {
                netns: listener.netns,
                netns_name: listener.netns_name.as_deref(),
                cookie: listener.cookie,
                address: Some(listener.address),
                port: listener.port,
                inode: Some(listener.inode),
                owners: listener.owners.get(..OWNERS_TOLD).unwrap_or(&listener.owners),
                owners_more: listener.owners.len().checked_sub(OWNERS_TOLD).filter(|more| *more > 0),
                cgroup: listener.cgroup.as_deref(),
                place: place(listener),
                closed_listeners: None,
            },
            Who::Unknown { netns, port, cookie } => Self {
                netns: *netns,
                netns_name: None,
                cookie: *cookie,
                address: None,
                port: *port,
                inode: None,
                owners: &[],
                owners_more: None,
                cgroup: None,
                place: Place::default(),
                closed_listeners: None,
            },
            Who::Closed { listeners } => Self {
                netns: 0,
                netns_name: None,
                cookie: None,
                address: None,
                port: 0,
                inode: None,
                owners: &[],
                owners_more: None,
                cgroup: None,
                place: Place::default(),
                closed_listeners: Some(*listeners),
            },
        }
    }
}

/// Whose a listener is, by the cgroup of its first owner.
pub(super) fn place(listener: &Listener) -> Place<'_> {
    listener.cgroup.as_deref().map(Place::of).unwrap_or_default()
}

/// A client.
#[derive(Serialize)]
pub(super) struct PeerPart {
    address: IpAddr,
    port: u16,
}

impl From<Peer> for PeerPart {
    fn from(peer: Peer) -> Self {
        Self { address: peer.address, port: peer.port }
    }
}

/// Occurrences per `stage/reason`.
pub(super) struct Packets(Vec<(Reason, u64)>);

impl Packets {
    /// Reasons a program may look for without asking whether they are there.
    const ALWAYS: [Reason; 3] =
        [Reason::SynAcceptQueueFull, Reason::AckAcceptQueueFull, Reason::SynCookieSent];

    /// `seen`: packets were, so that what is not there did not happen.
    pub(super) fn of(reasons: &Reasons, selection: &Selection, seen: bool) -> Self {
        let table = backlog_trace_common::reason::TABLE.iter().map(|row| row.reason);
        let listed = table.filter(|reason| reasons[*reason] > 0 || seen && Self::ALWAYS.contains(reason));
        let selected = listed.filter(|reason| selection.wants_reason(*reason));
        Self(selected.map(|reason| (reason, reasons[reason])).collect())
    }
}

impl Serialize for Packets {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(reason, count)| (reason.name(), count)))
    }
}

/// Connections behind the losses.
#[derive(Serialize)]
pub(super) struct ConnectionsPart {
    lost: Option<u64>,
    recovered: Option<u64>,
    recovered_after_us: Option<u64>,
    recovered_after_s: Option<Vec<[u64; 2]>>,
    not_recovered: Option<u64>,
    not_followed: Option<u64>,
    maybe_midway: Option<u64>,
    believed: Option<u64>,
    sent_data: Option<u64>,
}

impl ConnectionsPart {
    /// Those of one listener; `null` where no packet was seen, and what only
    /// the end can tell in an interval.
    pub(super) fn of(counts: &ConnectionCounts, report: &Report) -> Self {
        let seen = !report.is_polled();
        Self {
            lost: seen.then_some(counts.lost),
            recovered: seen.then(|| counts.recovered.count()),
            recovered_after_us: counts.recovered.median_us(),
            recovered_after_s: seen
                .then(|| counts.recovered.by_second().into_iter().map(Into::into).collect()),
            not_recovered: (seen && report.is_final).then(|| counts.not_back()),
            not_followed: seen.then_some(counts.not_followed),
            maybe_midway: seen.then_some(counts.maybe_midway),
            believed: seen.then_some(counts.believed),
            sent_data: seen.then_some(counts.sent_data),
        }
    }
}

/// A listener's `sk_drops`.
#[derive(Serialize)]
pub(super) struct SocketDropsPart {
    kernel: Option<u64>,
    attributed: u64,
    explained: u64,
    unaccounted: Option<i64>,
}

impl From<SocketDrops> for SocketDropsPart {
    fn from(drops: SocketDrops) -> Self {
        let SocketDrops { kernel, attributed, explained, unaccounted } = drops;
        Self { kernel, attributed, explained, unaccounted }
    }
}

/// `[from, to, count]`, both ends included; only buckets that hold something.
/// Nothing lies above `most`, so the last bucket ends there.
pub(super) fn rows(counts: &[u64], most: Option<u32>) -> Vec<[u64; 3]> {
    let filled = counts.iter().enumerate().filter(|(_, count)| **count > 0);
    filled
        .map(|(bucket, count)| {
            let (from, to) = bounds(bucket, counts.len());
            let to = most.map_or(to, |most| to.min(most).max(from));
            [u64::from(from), u64::from(to), *count]
        })
        .collect()
}

/// Counters of the kernel by their names in `/proc/net/netstat`.
struct Counters<T>([T; COUNTERS]);

impl<T: Serialize> Serialize for Counters<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(ALL.iter().map(|counter| counter.name()).zip(&self.0))
    }
}

/// One namespace's balance.
#[derive(Serialize)]
pub(super) struct AuditPart {
    netns: u32,
    kernel: Option<Counters<u64>>,
    attributed: Counters<u64>,
    unaccounted: Option<Counters<i64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unlisted: Option<Packets>,
}

impl From<&NamespaceAudit> for AuditPart {
    fn from(audit: &NamespaceAudit) -> Self {
        let occurred: Vec<_> = audit.unlisted.iter().collect();
        Self {
            netns: audit.netns,
            kernel: audit.kernel.map(Counters),
            attributed: Counters(audit.attributed),
            unaccounted: audit.unaccounted.map(Counters),
            unlisted: (!occurred.is_empty()).then_some(Packets(occurred)),
        }
    }
}

/// The sysctls of one namespace; those that are unknown are not there.
#[derive(Serialize)]
pub(super) struct SysctlsPart {
    netns: u32,
    values: Sysctls,
}

impl SysctlsPart {
    /// Those of every namespace, in the report of a whole run: they say how it
    /// was set up, and a host with thousands would repeat them each second.
    pub(super) fn of(report: &Report) -> Vec<Self> {
        let of_run = report.sysctls.iter().filter(|_| report.is_final);
        of_run.map(|(netns, values)| Self { netns: *netns, values: *values }).collect()
    }
}

/// How complete the details are.
#[derive(Serialize)]
pub(super) struct DetailsPart {
    seen: u64,
    missed: u64,
}

impl From<DetailCounts> for DetailsPart {
    fn from(counts: DetailCounts) -> Self {
        Self { seen: counts.seen, missed: counts.missed }
    }
}

/// Who observed.
#[derive(Serialize)]
pub(super) struct HostPart<'a> {
    name: &'a str,
    kernel: &'a str,
    tool: &'a str,
}

impl<'a> HostPart<'a> {
    pub(super) fn of(session: &'a Session) -> Self {
        Self { name: &session.host, kernel: &session.kernel, tool: &session.version }
    }
}

/// A source of figures.
#[derive(Serialize)]
pub(super) struct SourcePart<'a> {
    source: Source,
    state: Reach,
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lost: Option<&'static str>,
}

impl<'a> SourcePart<'a> {
    pub(super) fn of(sources: &'a [SourceState]) -> Vec<Self> {
        let part = |state: &'a SourceState| Self {
            source: state.source,
            state: state.state,
            why: state.why.as_deref(),
            lost: state.lost(),
        };
        sources.iter().map(part).collect()
    }
}

/// The hooks of a session; none where a recording lost its start.
pub(super) fn hooks(session: Option<&Session>) -> &[HookState] {
    session.map_or(&[], |session| &session.hooks)
}

/// Occurrences over all listeners of a report.
pub(super) fn sum(listeners: &[ListenerReport]) -> Reasons {
    let mut sum = Reasons::default();
    for (reason, count) in listeners.iter().flat_map(|listener| listener.totals.reasons.iter()) {
        sum[reason] = sum[reason].saturating_add(count);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use backlog_trace_common::bucket::{DEPTH_BUCKETS, WAIT_BUCKETS};

    #[track_caller]
    fn check(filled: &[(usize, u64)], buckets: usize, most: Option<u32>, expected: &[[u64; 3]]) {
        let mut counts = vec![0; buckets];
        filled.iter().for_each(|(bucket, count)| counts[*bucket] = *count);
        assert_eq!(rows(&counts, most), expected);
    }

    #[test]
    fn histogram_rows() {
        check(&[], DEPTH_BUCKETS, Some(0), &[]);
        check(
            &[(0, 33), (1, 12), (7, 311)],
            DEPTH_BUCKETS,
            Some(129),
            &[[0, 1, 33], [2, 3, 12], [128, 129, 311]],
        );
        check(&[(0, 5)], DEPTH_BUCKETS, Some(0), &[[0, 0, 5]]);
        check(&[(3, 1)], DEPTH_BUCKETS, Some(2), &[[8, 8, 1]]);
        check(&[(10, 4)], WAIT_BUCKETS, None, &[[1024, 2047, 4]]);
        check(&[(31, 1)], WAIT_BUCKETS, None, &[[1 << 31, u64::from(u32::MAX), 1]]);
    }
}
