//! Observations to record, and what is seen of them.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use backlog_trace_common::detail::{Detail, Outcome};
use backlog_trace_common::reason::{REASON_SLOTS, Reason, TABLE};
use proptest::prelude::*;

use crate::event::{
    Asked, Clock, Event, Figure, HookState, ListenerCounts, Met, NamespaceCounts, NamespaceSysctls,
    Occurrence, Peer, Reasons, Rung, Session, Snapshot, Source, SourceState, Totals, Unknown, What,
};
use crate::listener::{Listener, Owner, Sysctls};
use crate::trace::format::RecordingId;
use crate::trace::limits::MOST_COMM;
use crate::trace::{Damage, Medium, Reader, Writer};

/// Events in a form that can be compared; details one by one, because how
/// they are grouped is not part of the promise.
#[derive(Clone, PartialEq, Debug)]
pub(in crate::trace) enum Seen {
    Started(Session),
    Listener(Listener),
    Detail(Occurrence),
    Snapshot(Snapshot),
    Sources(Vec<SourceState>),
    Finished,
}

pub(in crate::trace) fn seen(events: impl IntoIterator<Item = Event>) -> Vec<Seen> {
    let mut all = Vec::new();
    for event in events {
        match event {
            Event::Started(session) => all.push(Seen::Started(Session::clone(&session))),
            Event::Listener(listener) => all.push(Seen::Listener(Listener::clone(&listener))),
            Event::Details(details) => all.extend(details.into_iter().map(Seen::Detail)),
            Event::Snapshot(snapshot) => all.push(Seen::Snapshot(Snapshot::clone(&snapshot))),
            Event::Sources(sources) => all.push(Seen::Sources(sources.to_vec())),
            Event::Mark => {}
            Event::Finished => all.push(Seen::Finished),
        }
    }
    all
}

/// What a replay of `bytes` shows, and what it misses.
pub(in crate::trace) fn replayed(bytes: &[u8]) -> (Vec<Seen>, Damage) {
    let mut reader = Reader::from_bytes(bytes).unwrap();
    let events: Vec<Event> = reader.by_ref().collect();
    (seen(events), reader.damage().clone())
}

pub(in crate::trace) fn recorded(events: &[Event]) -> Vec<u8> {
    let mut writer = Writer::begin(Vec::new(), "memory").unwrap();
    for event in events {
        writer.write(event).unwrap();
    }
    writer.into_medium()
}

/// Keeps each write apart: the file header and then one frame each.
#[derive(Default)]
pub(in crate::trace) struct Writes(pub(in crate::trace) Vec<Vec<u8>>);

impl io::Write for Writes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.push(bytes.to_vec());
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Medium for Writes {
    fn cut(&mut self, _: u64) -> io::Result<()> {
        unreachable!("it takes everything")
    }
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The number of the small recording.
pub(in crate::trace) const ID: RecordingId = RecordingId(0x0102_0304_0506_0708);

/// A small recording in the writes it consists of, each with the event that
/// is lost with it.
pub(in crate::trace) fn small() -> Vec<(Vec<u8>, Option<Event>)> {
    let (events, writes) = (small_observation(), writes_as(ID));
    // The header and two copies of the session come before the other events.
    let lost_with = [None, None, None].into_iter().chain(events.into_iter().skip(1).map(Some));
    let all: Vec<_> = writes.into_iter().zip(lost_with).collect();
    assert_eq!(all.len(), 3 + 7, "one write for each");
    all
}

/// The small recording's writes under another number.
pub(in crate::trace) fn writes_as(id: RecordingId) -> Vec<Vec<u8>> {
    let mut writer = Writer::begin_as(id, Writes::default(), "memory").unwrap();
    for event in small_observation() {
        writer.write(&event).unwrap();
    }
    writer.into_medium().0
}

fn small_observation() -> Vec<Event> {
    let listener = |id| Event::Listener(Arc::new(listener(id)));
    let snapshot = |id| Event::Snapshot(Arc::new(snapshot(id)));
    vec![
        Event::Started(Arc::new(session())),
        listener(0),
        Event::Details((0..5).map(detail).collect()),
        snapshot(1),
        listener(2),
        Event::Details((5..7).map(detail).collect()),
        snapshot(3),
        Event::Finished,
    ]
}

pub(in crate::trace) fn session() -> Session {
    Session {
        version: "0.1.0".to_owned(),
        host: "web-1".to_owned(),
        kernel: "6.12.0".to_owned(),
        netns: None,
        start: 1_000,
        clock: Clock { unix_minus_monotonic: 1_700_000_000_000_000_000 },
        zone: None,
        asked: Asked::default(),
        hooks: vec![HookState {
            hook: "syn".to_owned(),
            rung: Some(Rung::Fentry),
            state: "attached".to_owned(),
            why: None,
        }],
        sources: vec![SourceState::missing(Source::Somaxconn, "there is no /proc/sys".to_owned())],
    }
}

pub(in crate::trace) fn listener(id: u32) -> Listener {
    Listener {
        id,
        keys: vec![4129 + u64::from(id)],
        netns: 4_026_531_840,
        cookie: Some(4129),
        address: IpAddr::from([10, 0, 0, 1]),
        port: 8080,
        inode: 102_322,
        owners: vec![Owner::new(812, "nginx")],
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

/// A detail that differs from others of another number in most bytes.
pub(in crate::trace) fn detail(number: u64) -> Occurrence {
    let noise = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
    let [a, b, c, d, e, f, g, h] = noise;
    let reason = Reason::from_number(c % 20).unwrap();
    Occurrence {
        time: 1_000 + number,
        listener: 4129,
        netns: 1,
        port: 8080,
        peer: Some(Peer { address: [e, f, g, h].into(), port: u16::from_le_bytes([a, b]) }),
        accept_queue: 129,
        syn_queue: 3,
        limit: 128,
        cpu: u16::from(d),
        what: What::Met(Met { outcome: Outcome::Silent, ..Met::only(reason) }),
    }
}

pub(in crate::trace) fn snapshot(time: u64) -> Snapshot {
    let totals = Totals { syns: 500 + time, established: 185, limit: 128, ..Totals::default() };
    Snapshot {
        time,
        listeners: vec![ListenerCounts { id: 0, totals, sk_drops: Some(time), ..ListenerCounts::default() }],
        namespaces: vec![NamespaceCounts { netns: 1, ..NamespaceCounts::default() }],
        sysctls: vec![NamespaceSysctls { netns: 1, values: Sysctls::by_name(|_| u32::try_from(time).ok()) }],
        retired: Vec::new(),
        details_seen: time,
        details_missed: 0,
    }
}

/// Whatever a process, a cgroup or a host can be called, and worse.
fn hostile_text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        Just("\u{0}\u{1b}[2J\"\\\n\u{2028}\u{202e}".to_owned()),
        Just("{\"v\":1}".to_owned()),
        Just("\u{fffd}".repeat(1000)),
        // A frame's magic as text; as UTF-8 it is other bytes than those of a frame.
        Just("\u{f7}bt\u{1}".to_owned()),
    ]
}

fn any_session() -> impl Strategy<Value = Session> {
    let rung = prop::option::of(prop::sample::select(vec![
        Rung::Fentry,
        Rung::Kprobe,
        Rung::Tracepoint,
        Rung::Counters,
    ]));
    let hook = (hostile_text(), rung, hostile_text(), prop::option::of(hostile_text()))
        .prop_map(|(hook, rung, state, why)| HookState { hook, rung, state, why });
    let hooks = prop::collection::vec(hook, 0..4);
    let netns = prop::option::of(any::<u32>());
    let list = || prop::collection::vec(hostile_text(), 0..3);
    let asked = (list(), list(), prop::option::of(hostile_text()))
        .prop_map(|(arguments, command, label)| Asked { arguments, command, label });
    let names = (hostile_text(), hostile_text(), hostile_text(), prop::option::of(hostile_text()));
    (names, netns, any::<u64>(), any::<i64>(), hooks, asked).prop_map(
        |((version, host, kernel, zone), netns, start, unix_minus_monotonic, hooks, asked)| Session {
            version,
            host,
            kernel,
            netns,
            start,
            clock: Clock { unix_minus_monotonic },
            zone,
            asked,
            hooks,
            sources: sources(start % 2 == 1),
        },
    )
}

fn any_listener() -> impl Strategy<Value = Listener> {
    let owner = (any::<u32>(), hostile_text()).prop_map(|(pid, mut comm)| {
        while comm.len() > MOST_COMM {
            comm.pop();
        }
        Owner::new(pid, comm)
    });
    let place = (any::<u32>(), prop::option::of(any::<u64>()), any::<IpAddr>(), any::<u16>(), any::<u64>());
    let name = || prop::option::of(hostile_text());
    let held = (prop::collection::vec(owner, 0..3), name(), name());
    let keys = prop::collection::vec(any::<u64>(), 0..3);
    let limits =
        (prop::option::of(any::<u32>()), prop::option::of(any::<u32>()), any::<bool>(), any::<bool>());
    (any::<u32>(), keys, place, held, limits).prop_map(
        |(id, keys, place, (owners, cgroup, netns_name), limits)| {
            let (netns, cookie, address, port, inode) = place;
            let (limit, somaxconn, v6only, closed) = limits;
            Listener {
                id,
                keys,
                netns,
                cookie,
                address,
                port,
                inode,
                owners,
                cgroup,
                limit,
                somaxconn,
                netns_name,
                lost_before: v6only,
                v6only,
                closed,
                namespace: None,
            }
        },
    )
}

fn any_detail() -> impl Strategy<Value = Occurrence> {
    let numbers = (0u8..4, 0..u8::try_from(TABLE.len()).unwrap());
    (any::<[[u8; 32]; 2]>(), numbers).prop_map(|(halves, (kind, reason))| {
        let record: Detail = zerocopy::transmute!(halves);
        Occurrence::of(&Detail { kind, reason, ..record }).unwrap()
    })
}

/// Occurrences of the reasons that there are.
fn known(mut counts: [u64; REASON_SLOTS]) -> Reasons {
    counts.iter_mut().skip(TABLE.len()).for_each(|count| *count = 0);
    Reasons(counts)
}

fn any_snapshot() -> impl Strategy<Value = Snapshot> {
    let totals = (
        any::<[u64; 7]>(),
        any::<[u32; 3]>(),
        any::<[u64; 32]>(),
        any::<[[u64; 24]; 4]>(),
        any::<[u64; 32]>(),
    )
        .prop_map(|(counts, sizes, reasons, depths, accept_wait_us)| Totals {
            syns: counts[0],
            established: counts[1],
            established_by_cookie: counts[2],
            accepted: counts[3],
            sk_drops: counts[4],
            cookies_wanted_lost: counts[5],
            cookies_made_lost: counts[6],
            accept_queue_max: sizes[0],
            syn_queue_max: sizes[1],
            limit: sizes[2],
            reasons: known(reasons),
            accept_depth: depths[0],
            syn_depth: depths[1],
            accept_depth_at_accept: depths[2],
            accept_wait_us,
            accept_depth_polled: depths[3],
            unknown: unknown(counts[0]),
        });
    let socket = (prop::option::of(any::<u64>()), prop::option::of(any::<u64>()), any::<Option<[u32; 2]>>());
    let listener = (any::<u32>(), totals, socket).prop_map(|(id, totals, socket)| {
        let (sk_drops, sk_drops_before, waiting) = socket;
        ListenerCounts { id, totals, sk_drops, sk_drops_before, waiting }
    });
    let namespace = (any::<u32>(), any::<[u64; 6]>(), any::<[[u64; 6]; 2]>(), any::<[u64; 32]>()).prop_map(
        |(netns, kernel, attributed, unlisted)| NamespaceCounts {
            netns,
            kernel,
            attributed,
            unlisted: known(unlisted),
            unread: netns % 2 == 1,
        },
    );
    let lists = (
        prop::collection::vec(listener, 0..3),
        prop::collection::vec(namespace, 0..2),
        prop::collection::vec(any_sysctls(), 0..2),
        prop::collection::vec(any::<u32>(), 0..3),
    );
    (any::<[u64; 3]>(), lists).prop_map(|([time, details_seen, details_missed], lists)| {
        let (listeners, namespaces, sysctls, retired) = lists;
        Snapshot { time, listeners, namespaces, sysctls, retired, details_seen, details_missed }
    })
}

/// Any of them may be unknown.
fn any_sysctls() -> impl Strategy<Value = NamespaceSysctls> {
    let values = prop::collection::vec(any::<Option<u32>>(), Sysctls::NAMES.len());
    (any::<u32>(), values).prop_map(|(netns, values)| {
        let mut values = values.into_iter();
        NamespaceSysctls { netns, values: Sysctls::by_name(|_| values.next().flatten()) }
    })
}

/// What is not known, drawn by some of a number's bits.
fn unknown(number: u64) -> Unknown {
    let mut unknown = Unknown::default();
    let figures =
        [Figure::Established, Figure::EstablishedByCookie, Figure::Accepted, Figure::AcceptQueueMax];
    for (at, figure) in figures.into_iter().enumerate() {
        if number >> at & 1 == 1 {
            unknown.insert(figure);
        }
    }
    unknown
}

fn sources(is_missing: bool) -> Vec<SourceState> {
    let netstat = match is_missing {
        true => SourceState::missing(Source::Netstat, "it is gone".to_owned()),
        false => SourceState::whole(Source::Netstat),
    };
    vec![netstat]
}

/// A whole observation with anything in it.
pub(in crate::trace) fn any_observation() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        any_listener().prop_map(|listener| Event::Listener(Arc::new(listener))),
        prop::collection::vec(any_detail(), 0..20).prop_map(Event::Details),
        any::<bool>().prop_map(|is_missing| Event::Sources(Arc::new(sources(is_missing)))),
        any_snapshot().prop_map(|snapshot| Event::Snapshot(Arc::new(snapshot))),
    ];
    (any_session(), prop::collection::vec(event, 0..8)).prop_map(|(session, events)| {
        let started = Event::Started(Arc::new(session));
        std::iter::once(started).chain(events).chain([Event::Finished]).collect()
    })
}
