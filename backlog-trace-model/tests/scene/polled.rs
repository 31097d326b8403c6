//! An overload that was polled: what nobody saw packet by packet.

use std::sync::Arc;

use backlog_trace_common::bucket::{DEPTH_BUCKETS, bucket_of};
use backlog_trace_common::reason::Reason;
use backlog_trace_model::event::{
    Event, ListenerCounts, Met, Occurrence, Reasons, Rung, Snapshot, Totals, What,
};

use super::{SECOND, START, balanced, happened, hook_state, nginx, prometheus, session};

/// nginx lost 320 packets, of which 300 were refused SYNs for certain. Three
/// more of the namespace were nginx's or Prometheus'.
pub(crate) fn overload() -> Vec<Event> {
    let mut session = session();
    session.hooks = vec![
        hook_state("syn", Some(Rung::Counters), Some("a privilege is missing: without CAP_BPF …")),
        hook_state("accept", None, Some("no counter shows this")),
    ];
    session.hooks[0].state = "polled".to_owned();
    let polled = |us, what| Occurrence { peer: None, syn_queue: 0, ..happened(us, what, ("10.0.0.7", 0)) };
    let lost = |us, reason, more| polled(us, What::Met(Met { more, ..Met::only(reason) }));
    let mut reasons = Reasons::default();
    reasons[Reason::SynAcceptQueueFull] = 300;
    reasons[Reason::UnknownAcceptQueueFull] = 20;
    let mut accept_depth_polled = [0; DEPTH_BUCKETS];
    accept_depth_polled[0] = 7;
    accept_depth_polled[bucket_of(129, DEPTH_BUCKETS)] = 13;
    let totals = Totals {
        sk_drops: 320,
        accept_queue_max: 129,
        limit: 128,
        reasons,
        accept_depth_polled,
        ..Totals::default()
    };
    let mut balance = balanced(&reasons);
    balance.kernel[0] += 3;
    balance.kernel[1] += 3;
    let snapshot = Snapshot {
        time: START + 2 * SECOND,
        listeners: vec![
            ListenerCounts { id: 0, totals, sk_drops: Some(345), ..ListenerCounts::default() },
            ListenerCounts {
                id: 1,
                totals: Totals::default(),
                sk_drops: Some(2),
                ..ListenerCounts::default()
            },
        ],
        namespaces: vec![balance],
        details_seen: 4,
        ..Snapshot::default()
    };
    vec![
        Event::Started(Arc::new(session)),
        Event::Listener(Arc::new(nginx())),
        Event::Listener(Arc::new(prometheus())),
        Event::Details(vec![
            polled(100_000, What::Opened),
            lost(600_000, Reason::SynAcceptQueueFull, 299),
            lost(600_000, Reason::UnknownAcceptQueueFull, 19),
            polled(900_000, What::Closed),
        ]),
        Event::Snapshot(Arc::new(snapshot)),
        Event::Finished,
    ]
}
