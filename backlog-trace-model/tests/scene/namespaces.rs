//! One address in three network namespaces: the host's own, one that has a name,
//! and one that has none; the last does not balance.

use std::sync::Arc;

use backlog_trace_common::reason::Reason;
use backlog_trace_model::event::{
    Event, ListenerCounts, NamespaceCounts, Occurrence, Reasons, Snapshot, Totals,
};
use backlog_trace_model::listener::Listener;

use super::{SECOND, START, balanced, met, nginx, session};

/// Another namespace's inode number.
const NAMED: u32 = 4_026_532_100;
const UNNAMED: u32 = 4_026_532_200;

/// A listener of each loses one to three SYNs; a cookie's client sends its
/// final ACK 13 times in the second, and the book never knew the third's name.
pub(crate) fn three() -> Vec<Event> {
    let name = Some("blue\u{1b}[7m".to_owned());
    let listeners = [
        nginx(),
        Listener { id: 1, keys: vec![2], netns: NAMED, netns_name: name, ..nginx() },
        Listener { id: 2, keys: vec![3], netns: UNNAMED, inode: 0, owners: vec![], cgroup: None, ..nginx() },
    ];
    let mut events = vec![Event::Started(Arc::new(session()))];
    let mut snapshot = Snapshot { time: START + 2 * SECOND, ..Snapshot::default() };
    for (count, listener) in (1..).zip(listeners) {
        let mut reasons = Reasons::default();
        reasons[Reason::SynAcceptQueueFull] = count;
        let mut extra = 0;
        let mut totals = Totals { syns: count, sk_drops: count, limit: 128, ..Totals::default() };
        match listener.netns {
            NAMED => {
                totals.established_by_cookie = 2;
                reasons[Reason::SynCookieSent] = 2;
                reasons[Reason::CookieAckAcceptQueueFull] = 11;
            }
            UNNAMED => extra = 2,
            _ => {}
        }
        let mut namespace = NamespaceCounts { netns: listener.netns, ..balanced(&reasons) };
        namespace.kernel[1] += extra;
        totals.reasons = reasons;
        let lost = met(1_000 * count, Reason::SynAcceptQueueFull, ("10.0.0.7", 40_000));
        let lost = Occurrence { listener: listener.keys[0], netns: listener.netns, ..lost };
        events.push(Event::Listener(Arc::new(listener.clone())));
        events.push(Event::Details(vec![lost]));
        snapshot.listeners.push(ListenerCounts {
            id: listener.id,
            totals,
            sk_drops: Some(count),
            ..ListenerCounts::default()
        });
        snapshot.namespaces.push(namespace);
    }
    snapshot.details_seen = 3;
    events.extend([Event::Snapshot(Arc::new(snapshot)), Event::Finished]);
    events
}
