//! What the kernel keeps in each listening socket itself, and how far it moved
//! since the counting of it began: `sk_drops` and the accept queue's length.

use std::collections::{BTreeMap, HashMap};

use backlog_trace_common::identity::Identity;
use backlog_trace_common::reason::Reason;

use super::begun::Begun;
use super::flow::{AcceptQueue, Flow};
use crate::check::{Hook, Tried};
use crate::event::{Figure, ListenerCounts, Rung, Totals, Unknown};
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
    /// None yet.
    pub(super) fn new(counted: Counted) -> Self {
        Self { counted, ..Self::default() }
    }

    /// The same, where some of these hooks may be missing.
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
mod tests {
    use super::*;
    use crate::check::{Attempt, Outcome};

    fn identity(time: u64, drops: u32, closed: Option<u32>) -> Identity {
        Identity {
            time,
            drops,
            closed: u64::from(closed.is_some()),
            closed_drops: closed.unwrap_or(0),
            ..Identity::default()
        }
    }

    #[track_caller]
    fn check(identities: &[Identity], seen: u64, moved: Option<u64>) {
        let mut queues = Queues::default();
        for (key, identity) in (1..).zip(identities) {
            queues.learn(0, key, identity);
        }
        assert_eq!(queues.drops_moved(0, seen, seen, &Book::new()), moved);
    }

    #[track_caller]
    fn check_established(queue: (u32, u32), accepted: u64, established: u64) {
        let mut queues = Queues::default();
        let met = Identity {
            accept_queue: queue.0,
            closed: 1,
            closed_accept_queue: queue.1,
            left_unaccepted: queue.1,
            ..Identity::default()
        };
        queues.learn(0, 1, &met);
        let totals = Totals { accepted, ..Totals::default() };
        let complete = queues.complete(0, &totals, &totals, &Book::new()).totals;
        assert_eq!((complete.established, complete.accept_queue_max), (established, queue.1));
    }

    #[test]
    fn a_finished_handshake_was_accepted_or_waits() {
        check_established((0, 0), 0, 0);
        check_established((0, 3), 0, 3);
        check_established((0, 3), 5, 8);
        // Two of the five waited already when the tool began.
        check_established((2, 0), 5, 3);
    }

    #[test]
    fn what_waited_when_it_closed_before_it_listened_again_was_finished_too() {
        let mut queues = Queues::default();
        let again = Identity { left_unaccepted: 4, ..Identity::default() };
        queues.learn(0, 1, &Identity { closed: 9, closed_accept_queue: 1, left_unaccepted: 5, ..again });
        let totals = Totals { accepted: 3, ..Totals::default() };
        assert_eq!(queues.complete(0, &totals, &totals, &Book::new()).totals.established, 8);
    }

    /// Accepted, by handshakes that were put into the queue since.
    #[track_caller]
    fn check_accepted(queue: (u32, u32), established: u64, accepted: u64) {
        let mut queues = Queues::new(Counted::Handshakes);
        let met = Identity {
            accept_queue: queue.0,
            closed: 1,
            closed_accept_queue: queue.1,
            left_unaccepted: queue.1,
            ..Identity::default()
        };
        queues.learn(0, 1, &met);
        let totals = Totals { established, ..Totals::default() };
        let complete = queues.complete(0, &totals, &totals, &Book::new()).totals;
        assert_eq!((complete.established, complete.accepted), (established, accepted));
    }

    /// What is not known of a listener whose queue nobody could look at.
    #[track_caller]
    fn check_unknown(counted: Counted, unknown: &[Figure]) {
        let mut queues = Queues::new(counted);
        let nothing = Totals::default();
        let complete = queues.complete(0, &nothing, &nothing, &Book::new()).totals;
        for figure in [Figure::Established, Figure::Accepted, Figure::AcceptQueueMax] {
            assert_eq!(
                complete.unknown.contains(figure),
                unknown.contains(&figure),
                "{counted:?} {figure:?}"
            );
        }
    }

    #[test]
    fn without_the_queues_length_what_follows_from_it_is_unknown() {
        check_unknown(Counted::Accepts, &[Figure::Established, Figure::AcceptQueueMax]);
        check_unknown(Counted::Handshakes, &[Figure::Accepted, Figure::AcceptQueueMax]);
        check_unknown(Counted::Nothing, &[Figure::Established, Figure::Accepted, Figure::AcceptQueueMax]);
    }

    #[test]
    fn what_was_put_in_and_does_not_wait_was_accepted() {
        check_accepted((0, 0), 0, 0);
        check_accepted((0, 3), 3, 0);
        check_accepted((0, 3), 8, 5);
        check_accepted((2, 0), 3, 5);
    }

    #[test]
    fn what_is_counted_follows_from_the_rungs() {
        let on = |accept: Option<Rung>, ack| {
            let tried = |hook, rung: Option<Rung>| Tried {
                hook,
                attempts: rung
                    .map(|rung| Attempt { rung, outcome: Outcome::Attached, why: None, advice: None })
                    .into_iter()
                    .collect(),
            };
            Counted::by(&[tried(Hook::Accept, accept), tried(Hook::Ack, ack)])
        };
        assert_eq!(on(Some(Rung::Fentry), Some(Rung::Tracepoint)), Counted::Accepts);
        assert_eq!(on(None, Some(Rung::Tracepoint)), Counted::Handshakes);
        assert_eq!(on(None, Some(Rung::Fentry)), Counted::Nothing);
    }

    #[test]
    fn what_a_closing_listener_lost_is_counted_under_every_key() {
        let mut queues = Queues::default();
        queues.learn(0, 1, &Identity { lost_unaccepted: 2, lost_half_open: 3, ..Identity::default() });
        queues.learn(0, 2, &Identity { lost_unaccepted: 1, ..Identity::default() });
        // The same key again, later.
        queues.learn(0, 2, &Identity { lost_unaccepted: 4, ..Identity::default() });
        let complete = queues.complete(0, &Totals::default(), &Totals::default(), &Book::new()).totals;
        assert_eq!(complete.reasons[Reason::ListenerClosed], 9);
    }

    #[test]
    fn a_socket_that_listens_again_is_open() {
        let mut queues = Queues::default();
        queues.learn(0, 1, &identity(5, 10, Some(14)));
        assert_eq!(queues.end(0), Some((14, 0)));
        queues.learn(0, 1, &identity(5, 10, None));
        assert_eq!(queues.end(0), None);
    }

    #[test]
    fn movement_until_it_closed() {
        check(&[identity(5, 10, Some(14))], 0, Some(4));
        // More was seen after that, or not.
        check(&[identity(5, 10, Some(14))], 4, Some(4));
        check(&[identity(5, 10, Some(14))], 6, Some(6));
        // Two keys: the earlier meeting counts, in either order.
        check(&[identity(5, 10, None), identity(3, 8, Some(14))], 0, Some(6));
        check(&[identity(3, 8, Some(14)), identity(5, 10, None)], 0, Some(6));
        // The counter wraps.
        check(&[identity(1, u32::MAX, Some(2))], 0, Some(3));
        // Open, and no look at its namespace yet.
        check(&[identity(1, 1, None)], 7, None);
    }
}
