//! How listeners stand right now: both queues against their limit, what limits
//! them, what they have lost so far.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::book::Book;
use super::cap::{Cap, binding};
use super::entry::Listener;
use super::filter::Filter;

/// A SYN queue's length.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SynQueue {
    /// Half-open requests.
    pub length: u32,
    /// Listeners that share them, 1 unless they are a reuseport group: the
    /// kernel does not report which member holds a request.
    pub shared_by: u32,
}

impl SynQueue {
    /// Whether the length is this listener's own; otherwise it is the most that
    /// it can be.
    pub const fn is_exact(self) -> bool {
        self.shared_by <= 1 || self.length == 0
    }
}

/// How one listener stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Standing {
    /// The listener.
    pub listener: Arc<Listener>,
    /// Accept queue length.
    pub accept_queue: u32,
    /// SYN queue length, where the half-open requests could be listed.
    pub syn_queue: Option<SynQueue>,
    /// Which cap made the limit, where that can be told.
    pub limited_by: Option<Cap>,
    /// `sk_drops` since the socket was made.
    pub drops: Option<u32>,
}

/// How the open listeners that match stand, by port, address and namespace:
/// from the book's last refresh and a look at the half-open requests now.
pub fn survey(book: &mut Book, filter: &Filter) -> Vec<Standing> {
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
