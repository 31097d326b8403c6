//! Records as the hooks make them, of what polling saw. Pure.

use backlog_trace_common::detail::{Detail, Kind};
use backlog_trace_common::key::ListenerKey;
use backlog_trace_common::reason::Reason;
use backlog_trace_model::listener::Listener;
use zerocopy::FromZeros;

use super::account::Given;
use crate::listener::Depth;

/// The listener with the key that details carry: its cookie, which every
/// listing makes.
pub(super) fn keyed(listener: &Listener) -> Listener {
    let keys = listener.cookie.map(|cookie| ListenerKey::from_cookie(cookie).0).into_iter().collect();
    Listener { keys, ..listener.clone() }
}

/// One record for each reason, which stands for all packets that met it: for
/// 65,536 at most, then there are more.
pub(super) fn tell<'a>(
    time: u64,
    listener: &'a Listener,
    depth: Option<Depth>,
    given: &'a Given,
) -> impl Iterator<Item = Detail> + 'a {
    given.reasons.iter().flat_map(move |(reason, count)| {
        let most = u64::from(u16::MAX) + 1;
        (0..count.div_ceil(most)).map(move |number| Detail {
            reason: reason as u8,
            more: u16::try_from((count - number * most).min(most) - 1).unwrap_or(u16::MAX),
            ..detail(time, listener, depth, Kind::Reason)
        })
    })
}

/// A record of what happened to a listener, without a client.
pub(super) fn detail(time: u64, listener: &Listener, depth: Option<Depth>, kind: Kind) -> Detail {
    Detail {
        time,
        listener: listener.cookie.map_or(0, |cookie| ListenerKey::from_cookie(cookie).0),
        netns: listener.netns,
        accept_queue: depth.map_or(0, |depth| depth.accept_queue),
        limit: listener.limit.unwrap_or(0),
        port: listener.port,
        kind: kind as u8,
        reason: Reason::SynAcceptQueueFull as u8,
        ..Detail::new_zeroed()
    }
}
