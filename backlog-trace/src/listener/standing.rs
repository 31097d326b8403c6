//! How listeners stand right now: the book's last look at them, and a look at
//! the half-open requests.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use backlog_trace_model::listener::{Filter, Listener, Standing, SynQueue, binding};

use super::book::Book;

/// How the open listeners that match stand, by port, address and namespace:
/// from the book's last refresh and a look at the half-open requests now.
pub(crate) fn survey(book: &mut Book, filter: &Filter) -> Vec<Standing> {
    let mut by_netns: BTreeMap<u32, Vec<Arc<Listener>>> = BTreeMap::new();
    for listener in book.iter().filter(|listener| !listener.closed) {
        by_netns.entry(listener.netns).or_default().push(listener.clone());
    }
    let mut standings = Vec::new();
    for (netns, mut listeners) in by_netns {
        let bound = |listener: &Listener| (listener.address, listener.port);
        let shares = if listeners.iter().any(|listener| filter.matches(listener)) {
            let half_open = book.half_open(netns);
            half_open.map(|requests| requests.shares(listeners.iter().map(|listener| bound(listener))))
        } else {
            Ok(HashMap::new())
        };
        listeners.retain(|listener| filter.matches(listener));
        for listener in listeners {
            let Some(depth) = book.depth(listener.id) else { continue };
            let share = shares.as_ref().ok().and_then(|shares| shares.get(&bound(&listener)));
            standings.push(Standing {
                accept_queue: depth.accept_queue,
                syn_queue: share.map(|share| SynQueue { length: share.length, shared_by: share.listeners }),
                limited_by: binding(listener.limit, listener.somaxconn),
                drops: depth.drops,
                listener,
            });
        }
    }
    standings.sort_by_key(|standing| {
        let listener = &standing.listener;
        (listener.port, listener.address, listener.netns, listener.id)
    });
    standings
}
