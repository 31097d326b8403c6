//! Observations made by hand, of which every number is known.

pub(crate) mod crowd;
pub(crate) mod fleet;
pub(crate) mod namespaces;
pub(crate) mod polled;
pub(crate) mod shown;
pub(crate) mod sightless;

use std::sync::Arc;

use backlog_trace_common::bucket::{DEPTH_BUCKETS, WAIT_BUCKETS, bucket_of};
use backlog_trace_common::detail::{Cause, Outcome};
use backlog_trace_common::reason::{Class, Reason};
use backlog_trace_model::check::sources::SOURCES;
use backlog_trace_model::event::{
    Asked, Clock, Event, HookState, ListenerCounts, Met, NamespaceCounts, NamespaceSysctls, Occurrence, Peer,
    Reasons, Rung, Session, Snapshot, SourceState, Totals, What,
};
use backlog_trace_model::listener::{Listener, Owner, Sysctls};

pub(crate) const SECOND: u64 = 1_000_000_000;
/// The observation begins at 2026-11-20T10:00:00Z, 1000 s after the host was started.
pub(crate) const START: u64 = 1000 * SECOND;
pub(crate) const NETNS: u32 = 4_026_531_840;

/// Every hook on its best rung.
pub(crate) fn session() -> Session {
    let hooks = ["syn", "ack", "cookie", "synack", "accept"];
    Session {
        version: "0.1.0".to_owned(),
        host: "web1".to_owned(),
        kernel: "6.12.107".to_owned(),
        netns: Some(NETNS),
        start: START,
        clock: Clock { unix_minus_monotonic: 1_795_168_800_000_000_000 - i64::try_from(START).unwrap() },
        zone: None,
        asked: Asked::default(),
        hooks: hooks.map(|hook| hook_state(hook, Some(Rung::Fentry), None)).to_vec(),
        sources: SOURCES.iter().map(|row| SourceState::whole(row.source)).collect(),
    }
}

pub(crate) fn hook_state(hook: &str, rung: Option<Rung>, why: Option<&str>) -> HookState {
    HookState {
        hook: hook.to_owned(),
        rung,
        state: if rung.is_some() { "attached" } else { "missing" }.to_owned(),
        why: why.map(str::to_owned),
    }
}

/// nginx on 0.0.0.0:8080, four processes.
pub(crate) fn nginx() -> Listener {
    let owner = |pid| Owner::new(pid, "nginx");
    Listener {
        id: 0,
        keys: vec![4129],
        netns: NETNS,
        cookie: Some(4129),
        address: "0.0.0.0".parse().unwrap(),
        port: 8080,
        inode: 102_322,
        owners: vec![owner(812), owner(813), owner(814), owner(815)],
        cgroup: Some("/system.slice/nginx.service".to_owned()),
        limit: Some(128),
        somaxconn: Some(4096),
        netns_name: None,
        lost_before: false,
        v6only: false,
        closed: false,
        namespace: None,
    }
}

/// A dual-stack listener that loses nothing.
pub(crate) fn prometheus() -> Listener {
    Listener {
        id: 1,
        keys: vec![77, 1 << 63 | 9],
        cookie: Some(77),
        address: "::".parse().unwrap(),
        port: 9090,
        inode: 20_011,
        owners: vec![Owner::new(440, "prometheus")],
        cgroup: Some("/system.slice/prometheus.service".to_owned()),
        limit: Some(4096),
        ..nginx()
    }
}

/// What happened at nginx a number of microseconds after the start.
pub(crate) fn happened(us: u64, what: What, peer: (&str, u16)) -> Occurrence {
    Occurrence {
        time: START + us * 1000,
        listener: 4129,
        netns: NETNS,
        port: 8080,
        peer: Some(Peer { address: peer.0.parse().unwrap(), port: peer.1 }),
        accept_queue: 129,
        syn_queue: 3,
        limit: 128,
        cpu: 0,
        what,
    }
}

/// A packet met a reason; a client that lost is not told.
pub(crate) fn met(us: u64, reason: Reason, peer: (&str, u16)) -> Occurrence {
    happened(us, What::Met(told(reason)), peer)
}

/// What a client is told by default: nothing where it lost.
pub(crate) fn told(reason: Reason) -> Met {
    let is_loss = reason.row().class == Class::Loss;
    Met { outcome: if is_loss { Outcome::Silent } else { Outcome::None }, ..Met::only(reason) }
}

/// A namespace that balances: what the kernel counted is what these reasons move.
pub(crate) fn balanced(reasons: &Reasons) -> NamespaceCounts {
    let mut kernel = [0; backlog_trace_common::counter::COUNTERS];
    for (reason, count) in reasons.iter() {
        for counter in reason.row().counters {
            kernel[counter.index()] += count;
        }
    }
    NamespaceCounts { netns: NETNS, kernel, attributed: [kernel, kernel], ..NamespaceCounts::default() }
}

/// The example of the design: 90 clients, 311 SYNs and 4 final ACKs refused in
/// eight seconds, of whom 12 get in after a second; prometheus beside it.
pub(crate) fn overload() -> Vec<Event> {
    let mut details = Vec::new();
    let peer =
        |client: u16| (["10.0.0.7", "10.0.0.9", "2001:db8::7"][usize::from(client % 3)], 40_000 + client);
    for number in 0..315u16 {
        // The first twelve are refused once; the others retry, and keep their port.
        let client = if number < 90 { number } else { 12 + (number - 90) % 78 };
        let is_ack = matches!(number, 89 | 179 | 269 | 314);
        let reason = if is_ack { Reason::AckAcceptQueueFull } else { Reason::SynAcceptQueueFull };
        // Ever more often, up to 8.0 s.
        let us = 8_000_000 - u64::from(314 - number).pow(2) * 7_000_000 / 98_596;
        details.push(met(us, reason, peer(client)));
        if client < 12 {
            let us = us + 1_000_000 + u64::from(client) * 3_000;
            details.push(happened(us, What::Established, peer(client)));
        }
    }
    // And 18 others a second get in, from the first refusal on.
    for number in 0..144u16 {
        let us = 1_060_000 + u64::from(number) * 55_500;
        details.push(happened(us, What::Established, peer(1000 + number)));
    }
    details.sort_by_key(|detail| detail.time);

    let mut events = vec![
        Event::Started(Arc::new(session())),
        Event::Listener(Arc::new(nginx())),
        Event::Listener(Arc::new(prometheus())),
    ];
    let mut seen = Vec::new();
    for second in 1..=10 {
        let now = START + second * SECOND;
        let (before, later): (Vec<Occurrence>, Vec<Occurrence>) =
            details.iter().partition(|detail| detail.time < now);
        if !before.is_empty() {
            events.push(Event::Details(before.clone()));
        }
        seen.extend(before);
        details = later;
        events.push(Event::Snapshot(Arc::new(counts(now, second, &seen))));
    }
    events.push(Event::Finished);
    events
}

/// What the kernel side has counted by then: every refused SYN found 129 in
/// the queue; each second 45 SYNs found room, and 18 connections were accepted.
fn counts(now: u64, second: u64, seen: &[Occurrence]) -> Snapshot {
    let mut reasons = Reasons::default();
    for met in seen.iter().filter_map(Occurrence::met) {
        reasons[met.reason] += 1;
    }
    let refused = reasons[Reason::SynAcceptQueueFull];
    let mut accept_depth = [0; DEPTH_BUCKETS];
    accept_depth[0] = 33 * second;
    accept_depth[1] = 12 * second;
    accept_depth[bucket_of(129, DEPTH_BUCKETS)] += refused;
    let mut syn_depth = [0; DEPTH_BUCKETS];
    syn_depth[0] = 45 * second;
    syn_depth[1] = refused;
    let mut accept_wait_us = [0; WAIT_BUCKETS];
    accept_wait_us[9] = 15 * second;
    accept_wait_us[20] = 3 * second;
    let drops = refused + 2 * reasons[Reason::AckAcceptQueueFull];
    let nginx = Totals {
        syns: 45 * second + refused,
        established: 18 * second + 129,
        accepted: 18 * second,
        sk_drops: drops,
        accept_queue_max: if refused > 0 { 129 } else { 3 },
        syn_queue_max: if refused > 0 { 3 } else { 1 },
        limit: 128,
        reasons,
        accept_depth,
        syn_depth,
        accept_depth_at_accept: accept_depth,
        accept_wait_us,
        ..Totals::default()
    };
    let mut depth = [0; DEPTH_BUCKETS];
    depth[0] = second;
    let prometheus = Totals {
        syns: second,
        established: second,
        accepted: second,
        accept_queue_max: 0,
        limit: 4096,
        accept_depth: depth,
        syn_depth: depth,
        accept_depth_at_accept: depth,
        accept_wait_us: {
            let mut wait = [0; WAIT_BUCKETS];
            wait[6] = second;
            wait
        },
        ..Totals::default()
    };
    Snapshot {
        time: now,
        listeners: vec![
            ListenerCounts { id: 0, totals: nginx, sk_drops: Some(drops), ..ListenerCounts::default() },
            ListenerCounts { id: 1, totals: prometheus, sk_drops: Some(0), ..ListenerCounts::default() },
        ],
        namespaces: vec![balanced(&reasons)],
        sysctls: vec![sysctls(NETNS, Some(1))],
        details_seen: seen.len() as u64,
        ..Snapshot::default()
    }
}

/// Cookies as given, which a kernel may lack; this one is older than tcp_migrate_req.
fn sysctls(netns: u32, tcp_syncookies: Option<u32>) -> NamespaceSysctls {
    let values = Sysctls {
        somaxconn: Some(4096),
        tcp_max_syn_backlog: Some(1024),
        tcp_syncookies,
        tcp_abort_on_overflow: Some(0),
        tcp_synack_retries: Some(5),
        tcp_fastopen: Some(1),
        tcp_migrate_req: None,
    };
    NamespaceSysctls { netns, values }
}

/// Somebody chose these names.
pub(crate) fn evil() -> Listener {
    Listener {
        owners: vec![Owner::new(9, "\u{1b}[2J\u{202e}evil\n")],
        cgroup: Some("/kube\u{9b}31mpods".to_owned()),
        ..nginx()
    }
}

/// One of each kind of line on a listener; details of unknown ones, a rest in
/// the audit, hooks on lower rungs.
pub(crate) fn oddities(listener: Listener) -> Vec<Event> {
    let mut session = session();
    session.hooks = vec![
        hook_state("syn", Some(Rung::Kprobe), Some("no trampolines")),
        hook_state("ack", Some(Rung::Kprobe), Some("no trampolines")),
        hook_state("cookie", Some(Rung::Tracepoint), None),
        hook_state("accept", None, Some("inet_csk_accept is \u{1b}[31mnot\u{1b}[0m in BTF")),
    ];
    let life = |us, what| Occurrence { peer: None, ..happened(us, what, ("10.0.0.7", 0)) };
    let peer = ("10.0.0.7", 51_344);
    let reason = |us, reason| met(us, reason, peer);
    let reset = Met { outcome: Outcome::Reset, ..Met::only(Reason::AckAcceptQueueFull) };
    let reset = happened(1_124_011, What::Met(reset), peer);
    let again = Met { cause: Cause::AckRefused, attempt: 3, ..Met::only(Reason::SynackRetransmit) };
    let again = happened(1_200_000, What::Met(again), peer);
    let expired = Met { cause: Cause::ClientSilent, ..Met::only(Reason::SynackExpired) };
    let expired = happened(1_300_000, What::Met(expired), peer);
    let v6 = met(1_400_000, Reason::SynQueueFull, ("2001:db8:85a3::8a2e:370:7334", 65_535));
    let stray = reason(1_500_000, Reason::SynAcceptQueueFull);
    let stray = Occurrence { listener: 1 << 63 | 5, port: 7777, ..stray };
    let nobody = Met { outcome: Outcome::Reset, ..Met::only(Reason::ListenerClosed) };
    let nobody = Occurrence { peer: None, ..happened(1_600_000, What::Met(nobody), peer) };
    let mut reasons = Reasons::default();
    for reason in [
        Reason::SynAcceptQueueFull,
        Reason::AckAcceptQueueFull,
        Reason::SynackRetransmit,
        Reason::SynackExpired,
    ] {
        reasons[reason] = 1;
    }
    reasons[Reason::SynCookieSent] = 2;
    reasons[Reason::SynQueueFull] = 1;
    reasons[Reason::ListenerClosed] = 1;
    let mut unbalanced = balanced(&reasons);
    unbalanced.kernel[1] += 3;
    unbalanced.attributed[0][0] += 1;
    unbalanced.attributed[1][0] += 1;
    unbalanced.unlisted[Reason::SynQueueFull] = 4;
    let other = NamespaceCounts {
        netns: 4_026_532_001,
        kernel: [7, 7, 0, 0, 0, 0],
        attributed: [[7, 7, 0, 0, 0, 0]; 2],
        ..NamespaceCounts::default()
    };
    let idle = NamespaceCounts { netns: 4_026_532_002, ..NamespaceCounts::default() };
    let totals = Totals {
        syns: 8,
        established: 2,
        established_by_cookie: 1,
        sk_drops: 5,
        accept_queue_max: 129,
        limit: 128,
        reasons,
        ..Totals::default()
    };
    let snapshot = Snapshot {
        time: START + 2 * SECOND,
        listeners: vec![ListenerCounts { id: 0, totals, sk_drops: Some(9), ..ListenerCounts::default() }],
        namespaces: vec![other, unbalanced, idle],
        sysctls: vec![sysctls(NETNS, Some(1)), sysctls(4_026_532_001, None)],
        details_seen: 10,
        details_missed: 12,
        ..Snapshot::default()
    };
    vec![
        Event::Started(Arc::new(session)),
        Event::Details(vec![stray]),
        Event::Listener(Arc::new(listener)),
        Event::Details(vec![
            life(1_000_000, What::Opened),
            reason(1_123_456, Reason::SynAcceptQueueFull),
            reset,
        ]),
        Event::Details(vec![reason(1_150_000, Reason::SynCookieSent), again, expired, v6, nobody]),
        Event::Details(vec![life(1_700_000, What::Closed)]),
        Event::Snapshot(Arc::new(snapshot)),
        Event::Finished,
    ]
}
