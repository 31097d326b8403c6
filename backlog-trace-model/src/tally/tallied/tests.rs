//! What becomes of connections on their way into a report: at the memory bound,
//! and once their listener is not named any more.

use backlog_trace_common::reason::Reason;

use super::super::attribution::tests as made;
use super::super::{Bounds, CLOSED_KEPT};
use super::*;
use crate::event::{ListenerCounts, NamespaceSysctls, Occurrence, Peer, Snapshot, Totals};

/// A refused SYN of a client at the listener with this key.
fn refused(key: u64, client: u16) -> Occurrence {
    let peer = Peer { address: [0, 0, 0, 0].into(), port: client };
    Occurrence { peer: Some(peer), time: u64::from(client), ..made::detail(key) }
}

/// Beyond the bound the oldest is forgotten at the listener that refused it,
/// and is neither back nor away.
#[test]
fn a_client_that_is_forgotten_at_the_bound_is_told_as_not_followed() {
    let connections = Connections::bounded(Bounds { per_port: 2, overall: 9, ..Bounds::default() });
    let mut tally = Tally { connections, ..Tally::default() };
    tally.take(&Event::Listener(made::listener(3, &[10])));
    tally.take(&Event::Details((1..=5).map(|client| refused(10, client)).collect()));
    tally.take(&Event::Details(vec![Occurrence { what: What::Established, ..refused(10, 5) }]));
    for report in [tally.whole(), tally.cut()] {
        let counts = &report.listeners[0].connections;
        assert_eq!((counts.lost, counts.not_followed, counts.recovered.count()), (5, 3, 1));
        assert_eq!(counts.not_back(), 1);
    }
    assert!(tally.cut().listeners.is_empty(), "the next interval begins with nothing");
}

/// As many others close as are named: what was known of its clients goes where
/// its counts went.
#[test]
fn what_is_known_of_clients_outlives_the_name_of_their_listener() {
    let connections = Connections::bounded(Bounds { per_port: 1, overall: 9, ..Bounds::default() });
    let mut tally = Tally { connections, ..Tally::default() };
    tally.take(&Event::Listener(made::listener(0, &[10])));
    let acks = (1..=2).map(|client| {
        let ack =
            Met { payload: client - 1, outcome: Outcome::Silent, ..Met::only(Reason::AckAcceptQueueFull) };
        Occurrence { what: What::Met(ack), ..refused(10, client) }
    });
    tally.take(&Event::Details(acks.collect()));
    tally.take(&Event::Details(vec![Occurrence { what: What::Established, ..refused(10, 2) }]));
    let before = tally.whole().listeners[0].connections.clone();
    assert_eq!((before.lost, before.not_followed, before.recovered.count()), (2, 1, 1));
    assert_eq!((before.believed, before.sent_data), (2, 1));
    let count = u32::try_from(CLOSED_KEPT).unwrap();
    for id in 0..=count {
        let totals = Totals { syns: 1, ..Totals::default() };
        let listeners = vec![ListenerCounts { id, totals, ..ListenerCounts::default() }];
        let snapshot = Snapshot { listeners, retired: vec![id], ..Snapshot::default() };
        tally.take(&Event::Snapshot(Arc::new(snapshot)));
    }
    for report in [tally.whole(), tally.cut()] {
        let folded = report.listeners.last().unwrap();
        assert_eq!((&folded.who, &folded.connections), (&Who::Closed { listeners: 1 }, &before));
    }
    assert!(tally.cut().listeners.is_empty());
}

#[test]
fn sysctls_of_a_namespace_are_those_that_were_read_last() {
    let mut tally = Tally::default();
    let mut read = |netns, tcp_syncookies| {
        let values = Sysctls { tcp_syncookies, ..Sysctls::default() };
        let sysctls = vec![NamespaceSysctls { netns, values }];
        tally.take(&Event::Snapshot(Arc::new(Snapshot { sysctls, ..Snapshot::default() })));
        let cookies = |report: &Report| {
            [1, 2].map(|netns| report.sysctls.get(&netns).map(|sysctls| sysctls.tcp_syncookies))
        };
        assert_eq!(cookies(&tally.cut()), cookies(&tally.whole()));
        cookies(&tally.whole())
    };
    assert_eq!(read(1, Some(1)), [Some(Some(1)), None]);
    assert_eq!(read(2, None), [Some(Some(1)), Some(None)]);
    assert_eq!(read(1, Some(0)), [Some(Some(0)), Some(None)]);
}
