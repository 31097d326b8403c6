//! Observations made by hand, of which every number is known.

pub(crate) mod namespaces;
pub(crate) mod polled;
pub(crate) mod sightless;

use std::net::IpAddr;
use std::sync::Arc;

use backlog_trace_common::bucket::{DEPTH_BUCKETS, WAIT_BUCKETS, bucket_of};
use backlog_trace_common::detail::{Detail, Kind, Outcome};
use backlog_trace_common::reason::{Class, Reason};
use backlog_trace_model::check::sources::SOURCES;
use backlog_trace_model::event::{
    Clock, Event, HookState, ListenerCounts, NamespaceCounts, Reasons, Rung, Session, Snapshot, SourceState,
    Totals,
};
use backlog_trace_model::listener::{Listener, Owner};

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
    let owner = |pid| Owner { pid, comm: "nginx".to_owned() };
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
        owners: vec![Owner { pid: 440, comm: "prometheus".to_owned() }],
        cgroup: Some("/system.slice/prometheus.service".to_owned()),
        limit: Some(4096),
        ..nginx()
    }
}

/// A detail of nginx at a number of microseconds after the start.
pub(crate) fn detail(us: u64, kind: Kind, reason: Reason, peer: (&str, u16)) -> Detail {
    let (family, address) = match peer.0.parse::<IpAddr>().unwrap() {
        IpAddr::V4(address) => {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&address.octets());
            (2, bytes)
        }
        IpAddr::V6(address) => (10, address.octets()),
    };
    let is_loss = kind == Kind::Reason && reason.row().class == Class::Loss;
    Detail {
        time: START + us * 1000,
        listener: 4129,
        peer: address,
        netns: NETNS,
        accept_queue: 129,
        syn_queue: 3,
        limit: 128,
        peer_port: peer.1,
        port: 8080,
        kind: kind as u8,
        reason: if kind == Kind::Reason { reason as u8 } else { 0 },
        outcome: if is_loss { Outcome::Silent as u8 } else { 0 },
        cause: 0,
        attempt: 0,
        family,
        cpu: 0,
        payload: 0,
        more: 0,
    }
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
        details.push(detail(us, Kind::Reason, reason, peer(client)));
        if client < 12 {
            let us = us + 1_000_000 + u64::from(client) * 3_000;
            details.push(detail(us, Kind::Established, reason, peer(client)));
        }
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
        let (before, later): (Vec<Detail>, Vec<Detail>) =
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
fn counts(now: u64, second: u64, seen: &[Detail]) -> Snapshot {
    let mut reasons = Reasons::default();
    for detail in seen.iter().filter(|detail| detail.kind == Kind::Reason as u8) {
        reasons[Reason::from_number(detail.reason).unwrap()] += 1;
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
        retired: Vec::new(),
        details_seen: seen.len() as u64,
        details_missed: 0,
    }
}

/// Somebody chose these names.
pub(crate) fn evil() -> Listener {
    Listener {
        owners: vec![Owner { pid: 9, comm: "\u{1b}[2J\u{202e}evil\n".to_owned() }],
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
    let kind =
        |us, kind| Detail { family: 0, ..detail(us, kind, Reason::SynAcceptQueueFull, ("10.0.0.7", 0)) };
    let reason = |us, reason| detail(us, Kind::Reason, reason, ("10.0.0.7", 51_344));
    let reset = Detail { outcome: Outcome::Reset as u8, ..reason(1_124_011, Reason::AckAcceptQueueFull) };
    let again = Detail { cause: 2, attempt: 3, ..reason(1_200_000, Reason::SynackRetransmit) };
    let expired = Detail { cause: 1, ..reason(1_300_000, Reason::SynackExpired) };
    let v6 = detail(1_400_000, Kind::Reason, Reason::SynQueueFull, ("2001:db8:85a3::8a2e:370:7334", 65_535));
    let stray = Detail { listener: 1 << 63 | 5, port: 7777, ..reason(1_500_000, Reason::SynAcceptQueueFull) };
    let nobody =
        Detail { family: 0, outcome: Outcome::Reset as u8, ..reason(1_600_000, Reason::ListenerClosed) };
    let mut reasons = Reasons::default();
    for met in [
        Reason::SynAcceptQueueFull,
        Reason::AckAcceptQueueFull,
        Reason::SynackRetransmit,
        Reason::SynackExpired,
    ] {
        reasons[met] = 1;
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
        retired: Vec::new(),
        details_seen: 10,
        details_missed: 12,
    };
    vec![
        Event::Started(Arc::new(session)),
        Event::Details(vec![stray]),
        Event::Listener(Arc::new(listener)),
        Event::Details(vec![
            kind(1_000_000, Kind::Opened),
            reason(1_123_456, Reason::SynAcceptQueueFull),
            reset,
        ]),
        Event::Details(vec![reason(1_150_000, Reason::SynCookieSent), again, expired, v6, nobody]),
        Event::Details(vec![kind(1_700_000, Kind::Closed)]),
        Event::Snapshot(Arc::new(snapshot)),
        Event::Finished,
    ]
}
