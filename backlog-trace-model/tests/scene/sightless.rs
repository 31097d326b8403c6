//! An observation that could not read everything: what is not known in it.

use std::sync::Arc;

use backlog_trace_common::reason::Reason;
use backlog_trace_model::event::{
    Event, Figure, ListenerCounts, NamespaceCounts, Reasons, Snapshot, Source, SourceState, Totals,
};
use backlog_trace_model::listener::Listener;

use super::{SECOND, START, balanced, nginx, session};

/// A namespace that cannot be entered.
const DARK: u32 = 4_026_532_001;

/// Without `tcp_diag`, and with a namespace that cannot be entered, in which a
/// listener of nobody's loses 500 SYNs. A second later the cgroups are gone too.
pub(crate) fn sightless() -> Vec<Event> {
    let mut session = session();
    for state in &mut session.sources {
        *state = match state.source {
            Source::SockDiag => SourceState::missing(
                Source::SockDiag,
                "the kernel does not list the sockets (the module tcp_diag is not loaded)".to_owned(),
            ),
            Source::Namespaces => SourceState::partial(
                Source::Namespaces,
                format!("network namespace {DARK} cannot be looked into (Operation not permitted)"),
            ),
            source => SourceState::whole(source),
        };
    }
    let mut later = session.sources.clone();
    if let Some(cgroups) = later.iter_mut().find(|state| state.source == Source::Cgroups) {
        *cgroups = SourceState::missing(Source::Cgroups, "/proc/PID/cgroup cannot be read".to_owned());
    }
    let dark = Listener {
        id: 1,
        keys: vec![78],
        netns: DARK,
        cookie: Some(78),
        port: 8081,
        inode: 20_012,
        owners: Vec::new(),
        cgroup: None,
        limit: None,
        somaxconn: None,
        ..nginx()
    };
    let mut unknown = Totals::default();
    [Figure::Established, Figure::AcceptQueueMax]
        .into_iter()
        .for_each(|figure| unknown.unknown.insert(figure));
    let lost = |count| {
        let mut reasons = Reasons::default();
        reasons[Reason::SynAcceptQueueFull] = count;
        reasons
    };
    let totals = |count| Totals {
        syns: count + 3,
        accepted: 3,
        sk_drops: count,
        reasons: lost(count),
        ..unknown.clone()
    };
    let counts = |id, count| ListenerCounts { id, totals: totals(count), ..ListenerCounts::default() };
    let dark_counts = NamespaceCounts {
        netns: DARK,
        attributed: [[500, 500, 0, 0, 0, 0]; 2],
        unread: true,
        ..NamespaceCounts::default()
    };
    let snapshot = Snapshot {
        time: START + SECOND,
        listeners: vec![counts(0, 7), counts(1, 500)],
        namespaces: vec![balanced(&lost(7)), dark_counts],
        ..Snapshot::default()
    };
    vec![
        Event::Started(Arc::new(session)),
        Event::Listener(Arc::new(nginx())),
        Event::Listener(Arc::new(dark)),
        Event::Sources(Arc::new(later)),
        Event::Snapshot(Arc::new(snapshot)),
        Event::Finished,
    ]
}
