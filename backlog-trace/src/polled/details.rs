//! Occurrences as the hooks tell them, of what polling saw. Pure.

use backlog_trace_common::key::ListenerKey;
use backlog_trace_model::event::{Met, Occurrence, What};
use backlog_trace_model::listener::Listener;

use super::account::Given;
use crate::listener::Depth;

/// The listener with the key that details carry: its cookie, which every
/// listing makes.
pub(super) fn keyed(listener: &Listener) -> Listener {
    let keys = listener.cookie.map(|cookie| ListenerKey::from_cookie(cookie).0).into_iter().collect();
    Listener { keys, ..listener.clone() }
}

/// One occurrence for each reason, which stands for all packets that met it: for
/// 65,536 at most, then there are more.
pub(super) fn tell<'a>(
    time: u64,
    listener: &'a Listener,
    depth: Option<Depth>,
    given: &'a Given,
) -> impl Iterator<Item = Occurrence> + 'a {
    given.reasons.iter().flat_map(move |(reason, count)| {
        let most = u64::from(u16::MAX) + 1;
        (0..count.div_ceil(most)).map(move |number| {
            let more = u16::try_from((count - number * most).min(most) - 1).unwrap_or(u16::MAX);
            occurrence(time, listener, depth, What::Met(Met { more, ..Met::only(reason) }))
        })
    })
}

/// What happened at a listener, without a client.
pub(super) fn occurrence(time: u64, listener: &Listener, depth: Option<Depth>, what: What) -> Occurrence {
    Occurrence {
        time,
        listener: listener.cookie.map_or(0, |cookie| ListenerKey::from_cookie(cookie).0),
        netns: listener.netns,
        port: listener.port,
        peer: None,
        accept_queue: depth.map_or(0, |depth| depth.accept_queue),
        syn_queue: 0,
        limit: listener.limit.unwrap_or(0),
        cpu: 0,
        what,
    }
}
