//! A host with 2,000 listeners of one address in 20 network namespaces, of which
//! three lose SYNs.

use std::sync::Arc;

use backlog_trace_common::reason::Reason;
use backlog_trace_model::event::{Event, ListenerCounts, NamespaceCounts, Occurrence, Snapshot, Totals};
use backlog_trace_model::listener::{Listener, Owner};

use super::{NETNS, SECOND, START, met, nginx, session};

const LISTENERS: u32 = 2000;
const NAMESPACES: u32 = 20;

/// Those that are ill, with how many clients each refuses.
pub(crate) const ILL: [(u32, u64); 3] = [(3, 40), (704, 30), (1999, 20)];

pub(crate) fn fleet() -> Vec<Event> {
    let mut events = vec![Event::Started(Arc::new(session()))];
    events.extend((0..LISTENERS).map(|id| Event::Listener(Arc::new(listener(id)))));
    let refused = ILL.into_iter().flat_map(|(id, clients)| (0..clients).map(move |client| (id, client)));
    let refused = refused.map(|(id, client)| {
        let peer = ("10.0.0.7", 40_000 + u16::try_from(client).unwrap());
        let lost = met(1_000_000 + client * 1000, Reason::SynAcceptQueueFull, peer);
        let Listener { port, netns, .. } = listener(id);
        Occurrence { listener: key(id), port, netns, ..lost }
    });
    events.push(Event::Details(refused.collect()));
    let snapshot = Snapshot {
        time: START + 10 * SECOND,
        listeners: (0..LISTENERS).map(counts).collect(),
        namespaces: (0..NAMESPACES).map(balance).collect(),
        details_seen: ILL.iter().map(|(_, clients)| clients).sum(),
        ..Snapshot::default()
    };
    events.extend([Event::Snapshot(Arc::new(snapshot)), Event::Finished]);
    events
}

fn key(id: u32) -> u64 {
    10_000 + u64::from(id)
}

fn lost(id: u32) -> u64 {
    ILL.iter().find(|(ill, _)| *ill == id).map_or(0, |(_, clients)| *clients)
}

fn listener(id: u32) -> Listener {
    let namespace = id % NAMESPACES;
    Listener {
        id,
        keys: vec![key(id)],
        netns: NETNS + namespace,
        netns_name: (namespace > 0).then(|| format!("tenant{namespace}")),
        cookie: Some(key(id)),
        port: 8000 + u16::try_from(id / NAMESPACES).unwrap(),
        inode: u64::from(id) + 1,
        owners: vec![Owner::new(5000 + id, "nginx")],
        ..nginx()
    }
}

fn counts(id: u32) -> ListenerCounts {
    let refused = lost(id);
    let mut totals = Totals {
        syns: 10 + refused,
        established: 10,
        accepted: 10,
        sk_drops: refused,
        accept_queue_max: if refused > 0 { 129 } else { 1 },
        limit: 128,
        ..Totals::default()
    };
    totals.reasons[Reason::SynAcceptQueueFull] = refused;
    ListenerCounts { id, totals, sk_drops: Some(refused), ..ListenerCounts::default() }
}

fn balance(namespace: u32) -> NamespaceCounts {
    let refused = ILL.iter().filter(|(id, _)| id % NAMESPACES == namespace).map(|(_, clients)| clients).sum();
    let mut kernel = [0; backlog_trace_common::counter::COUNTERS];
    for counter in Reason::SynAcceptQueueFull.row().counters {
        kernel[counter.index()] = refused;
    }
    NamespaceCounts {
        netns: NETNS + namespace,
        kernel,
        attributed: [kernel, kernel],
        ..NamespaceCounts::default()
    }
}
