//! What the kernel keeps in each listening socket itself, and how far it moved
//! since the counting of it began: `sk_drops` and the accept queue's length.

use std::collections::{BTreeMap, HashMap};

use backlog_trace_common::identity::Identity;
use backlog_trace_common::reason::Reason;
use backlog_trace_model::check::{Hook, Tried};
use backlog_trace_model::event::{Figure, ListenerCounts, Rung, Totals, Unknown};

use super::begun::Begun;
use super::flow::{AcceptQueue, Flow};
use crate::listener::{Book, Depth};

/// Where a listener stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stood {
    drops: u32,
    accept_queue: i64,
}

/// Where a listener stood that was open before the observation: by looks at
/// its socket since judging has begun.
#[derive(Clone, Copy, Debug)]
struct Began {
    /// `sk_drops` at the first look; `drops` is relative to it.
    first: u32,
    drops: Begun,
    accept_queue: Begun,
}

/// Every listener that the kernel side has met: what it recorded, by the
/// socket's keys.
#[derive(Debug, Default)]
pub(super) struct Queues {
    met: BTreeMap<u32, BTreeMap<u64, Identity>>,
    by_key: HashMap<u64, u32>,
    began: BTreeMap<u32, Began>,
    counted: Counted,
    flow: Flow,
    /// What a hook that is missing would have counted.
    uncounted: Unknown,
}

/// What the kernel side counts one by one; the other of the two follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Counted {
    /// Each accept().
    #[default]
    Accepts,
    /// Each connection put into the accept queue.
    Handshakes,
    /// Neither.
    Nothing,
}

impl Counted {
    /// By the rungs of the hooks.
    pub(super) fn by(hooks: &[Tried]) -> Self {
        let rung = |hook| hooks.iter().find(|tried| tried.hook == hook).and_then(Tried::rung);
        if rung(Hook::Accept).is_some() {
            Self::Accepts
        } else if rung(Hook::Ack) == Some(Rung::Tracepoint) {
            Self::Handshakes
        } else {
            Self::Nothing
        }
    }

    /// What is not known, where the accept queue's length is known or not.
    const fn unknown(self, has_length: bool) -> &'static [Figure] {
        match (self, has_length) {
            (Self::Accepts | Self::Handshakes, true) => &[],
            (Self::Accepts, false) => &[Figure::Established, Figure::AcceptQueueMax],
            (Self::Handshakes, false) => &[Figure::Accepted, Figure::AcceptQueueMax],
            (Self::Nothing, true) => &[Figure::Established, Figure::Accepted],
            (Self::Nothing, false) => &[Figure::Established, Figure::Accepted, Figure::AcceptQueueMax],
        }
    }
}

impl Queues {
    /// No listener has a queue yet.
    pub(super) fn new(counted: Counted) -> Self {
        Self { counted, ..Self::default() }
    }

    /// Marks what is not counted because its hook is missing: without the cookie hook,
    /// handshakes that a cookie finished.
    pub(super) fn with(mut self, hooks: &[Tried]) -> Self {
        if hooks.iter().any(|tried| tried.hook == Hook::Cookie && tried.rung().is_none()) {
            self.uncounted.insert(Figure::EstablishedByCookie);
        }
        self
    }

    /// Takes note of what the kernel side recorded last under a key of a
    /// listener.
    pub(super) fn learn(&mut self, id: u32, key: u64, identity: &Identity) {
        self.by_key.insert(key, id);
        self.met.entry(id).or_default().insert(key, *identity);
    }

    /// Nothing comes of it any more.
    pub(super) fn forget(&mut self, id: u32) {
        for key in self.met.remove(&id).into_iter().flat_map(BTreeMap::into_keys) {
            self.by_key.remove(&key);
        }
        self.began.remove(&id);
        self.flow.forget(id);
    }

    /// Every key.
    pub(super) fn keys(&self) -> impl Iterator<Item = u64> {
        self.by_key.keys().copied()
    }

    /// Whether a key is one of them.
    pub(super) fn knows(&self, key: u64) -> bool {
        self.by_key.contains_key(&key)
    }

    /// The listener of a key.
    pub(super) fn id_of(&self, key: u64) -> Option<u32> {
        self.by_key.get(&key).copied()
    }

    /// The keys of one listener.
    pub(super) fn keys_of(&self, id: u32) -> Vec<u64> {
        self.met.get(&id).map_or_else(Vec::new, |keys| keys.keys().copied().collect())
    }

    /// What was recorded of every listener.
    pub(super) fn identities(&self) -> impl Iterator<Item = &Identity> {
        self.met.values().flat_map(BTreeMap::values)
    }

    /// Listeners that were met, by number.
    pub(super) fn ids(&self) -> impl Iterator<Item = u32> {
        self.met.keys().copied()
    }

    /// A look at a listener that was open before the observation, with what had
    /// been counted before and after it. The first look is once judging has begun.
    pub(super) fn look(&mut self, id: u32, depth: Depth, before: &Totals, after: &Totals) {
        let Some(drops) = depth.drops else { return };
        let first = self.began.get(&id).map_or(drops, |began| began.first);
        let moved = drops.wrapping_sub(first).cast_signed();
        let waiting = i64::from(depth.accept_queue);
        let look = Began {
            first,
            drops: Begun::look(i64::from(moved), before.sk_drops, after.sk_drops),
            accept_queue: match self.counted {
                Counted::Accepts => Begun::look_back(waiting, before.accepted, after.accepted),
                Counted::Handshakes => Begun::look(waiting, before.established, after.established),
                Counted::Nothing => Begun::look(waiting, 0, 0),
            },
        };
        let began = self.began.entry(id).or_insert(look);
        began.drops = began.drops.and(look.drops);
        began.accept_queue = began.accept_queue.and(look.accept_queue);
    }

    /// Whether no other look could tell more of where a listener stood.
    pub(super) fn is_settled(&self, id: u32) -> bool {
        match self.began.get(&id) {
            Some(began) => began.drops.known().is_some() && began.accept_queue.known().is_some(),
            None => !self.was_met_by_packet(id),
        }
    }

    fn was_met_by_packet(&self, id: u32) -> bool {
        let first = self.met.get(&id).and_then(|keys| keys.values().min_by_key(|identity| identity.time));
        first.is_some_and(|identity| identity.met_by_packet == 1)
    }

    /// Under two keys it was met when it was met first.
    fn start(&self, id: u32) -> Option<Stood> {
        if let Some(began) = self.began.get(&id) {
            let drops = u32::try_from(began.drops.at_least().rem_euclid(1 << 32)).unwrap_or(0);
            return Some(Stood {
                drops: began.first.wrapping_add(drops),
                accept_queue: began.accept_queue.at_least(),
            });
        }
        let first = self.met.get(&id)?.values().min_by_key(|identity| identity.time)?;
        Some(Stood { drops: first.drops, accept_queue: first.accept_queue.into() })
    }

    /// When it closed; `None` while it is open.
    fn end(&self, id: u32) -> Option<(u32, u32)> {
        let keys = self.met.get(&id)?.values().filter(|identity| identity.closed != 0);
        let last = keys.max_by_key(|identity| identity.closed)?;
        Some((last.closed_drops, last.closed_accept_queue))
    }

    fn sum(&self, id: u32, of: impl Fn(&Identity) -> u32) -> u64 {
        self.met.get(&id).map_or(0, |keys| keys.values().map(|identity| u64::from(of(identity))).sum())
    }

    /// Connections that its closing lost.
    fn lost(&self, id: u32) -> u64 {
        self.sum(id, |identity| identity.lost_unaccepted) + self.sum(id, |identity| identity.lost_half_open)
    }

    /// The movement since then: read when it closed, else at the last look at
    /// its namespace. The kernel's counter is 32 bits wide and wraps.
    ///
    /// A socket that closed took its counter with it, and it was not the last
    /// word: packets that other CPUs were handling by then moved it, and so do
    /// ICMP errors about its half-open requests (`tcp_req_err()`). What hooks
    /// saw of that is then the last word.
    fn drops_moved(&self, id: u32, before: u64, after: u64, book: &Book) -> Option<u64> {
        if !self.began.contains_key(&id) && self.was_met_by_packet(id) {
            // Nobody has looked at its socket.
            return None;
        }
        let start = self.start(id)?.drops;
        let moved = |now: u32| u64::from(now.wrapping_sub(start));
        match self.end(id) {
            Some((drops, _)) => Some(moved(drops).max(after)),
            // Where it began is a range still: any value in that fits.
            None if !self.is_settled(id) => {
                book.drops(id).map(|now| moved(now).clamp(before.min(after), after))
            }
            None => book.drops(id).map(moved),
        }
    }

    /// What an open listener's socket has dropped beyond what was seen.
    pub(super) fn rest(&self, id: u32, seen: u64, book: &Book) -> Option<u64> {
        if self.end(id).is_some() || !self.is_settled(id) {
            return None;
        }
        self.drops_moved(id, seen, seen, book)?.checked_sub(seen)
    }

    /// What was counted for a listener, with what follows from the socket: every
    /// handshake that finished was handed out by accept() since, or waits in the
    /// queue, or waited there one of the times that the listener closed. `before`
    /// the book looked at the sockets, so much had been counted.
    pub(super) fn complete(
        &mut self,
        id: u32,
        before: &Totals,
        totals: &Totals,
        book: &Book,
    ) -> ListenerCounts {
        let mut totals = totals.clone();
        totals.reasons[Reason::ListenerClosed] += self.lost(id);
        let start = self.start(id).map_or(0, |start| start.accept_queue);
        let end = self.end(id);
        let waiting = match end {
            Some(_) => Some(0),
            None => book.depth(id).map(|depth| depth.accept_queue),
        };
        if let Some(listener) = book.by_id(id) {
            totals.limit = listener.limit.unwrap_or(totals.limit);
        }
        totals.unknown = totals.unknown.union(self.uncounted);
        for figure in self.counted.unknown(waiting.is_some()) {
            totals.unknown.insert(*figure);
        }
        if let Some(waiting) = waiting {
            let left = u64::from(waiting) + self.sum(id, |identity| identity.left_unaccepted);
            let taken_over =
                self.met.get(&id).map_or(0, |keys| keys.values().map(|met| met.taken_over).sum());
            let queue = AcceptQueue { start, left, taken_over };
            // A queue that is gone has no length that a packet could change.
            let before = if end.is_some() { &totals.clone() } else { before };
            self.flow.complete(id, self.counted, queue, before, &mut totals);
            let queue = end.map_or(waiting, |(_, queue)| queue);
            totals.accept_queue_max = totals.accept_queue_max.max(queue);
        }
        let sk_drops = self.drops_moved(id, before.sk_drops, totals.sk_drops, book);
        let sk_drops_before =
            Some(before.sk_drops).filter(|before| *before != totals.sk_drops && end.is_none());
        let began = u32::try_from(start.max(0)).unwrap_or(u32::MAX);
        ListenerCounts { id, totals, sk_drops, sk_drops_before, waiting: waiting.map(|now| [began, now]) }
    }
}

#[cfg(test)]
mod tests;
