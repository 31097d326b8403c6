//! The accept queue as it would have been had nobody been refused: how long it
//! would have grown, and how fast it was emptied meanwhile.
//!
//! Every refusal, and every handshake that finishes on a listener that refused
//! somebody lately, tells the queue's length at its instant; snapshots tell it in
//! between. So arrivals are known one by one, and accepts follow from them: what
//! arrived and is not in the queue was accepted. A client that was refused joins
//! the imagined queue when it was refused first, and not again when it gets in.
//!
//! Refuses to guess what an application would do that is asked for more: it
//! accepts as fast as it did while connections waited, and no faster.

/// Accepts from which a rate is taken.
const ENOUGH: u64 = 4;

/// What came to the listener when the length of its accept queue was seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arrival {
    /// Nothing: the length was read, or a client was refused once more.
    None,
    /// A client was refused for the first time, because the accept queue was full.
    Refused,
    /// A client's handshake finished; the length has it in it.
    Finished,
    /// A handshake of a client that had been refused finished.
    FinishedAtLast,
}

/// The imagined queue of one listener.
#[derive(Clone, Debug, Default)]
pub struct WhatIf {
    seen: Option<Seen>,
    /// Its length.
    length: u64,
    longest: u64,
    /// When it was longest (`CLOCK_MONOTONIC`, ns).
    longest_at: u64,
    /// While connections waited throughout: how long (ns), and how many were accepted.
    busy_ns: u64,
    busy_accepts: u64,
    /// The same with times in which the queue ran empty, after which nothing could be accepted.
    served_ns: u64,
    served: u64,
    /// The listener closed: what leaves its queue from then on is not accepted.
    is_closed: bool,
    refused: u64,
    first_refused: u64,
    last_refused: u64,
    /// Clients that came between the first refusal and the last one.
    arrived: u64,
    arrived_since_refusal: u64,
}

#[derive(Clone, Copy, Debug)]
struct Seen {
    time: u64,
    length: u64,
}

/// What a listener that refused clients would have needed.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Need {
    /// How long its accept queue would have been at most.
    pub longest: u64,
    /// How long it would be now.
    pub left: u64,
    /// When it would have been longest (`CLOCK_MONOTONIC`, ns).
    pub longest_at: u64,
    /// How long its accept queue was when that was seen last, and when that was
    /// (`CLOCK_MONOTONIC`, ns): before it closed, if it did.
    pub waiting: u64,
    /// See [`Self::waiting`].
    pub seen_at: u64,
    /// Connections accepted in a second while others waited; `None` where none was.
    pub accepts_per_second: Option<f64>,
    /// Whether that is a lower bound: the queue ran empty before enough were accepted to tell.
    pub accepts_at_least: bool,
    /// Clients refused by a full accept queue, each once.
    pub refused: u64,
    /// First and last of those refusals (`CLOCK_MONOTONIC`, ns).
    pub refused_from: u64,
    /// See [`Self::refused_from`].
    pub refused_to: u64,
    /// Clients that came from the first of them to the last, those included.
    pub arrived: u64,
}

impl Need {
    /// The smallest limit under which nobody is refused: a queue is over its limit
    /// when it is longer than that (`sk_acceptq_is_full()`, 5.10 to 7.2), so that
    /// one connection more than the limit finds room.
    pub const fn limit(self) -> u64 {
        self.longest.saturating_sub(1)
    }

    /// With what the waits for accept() tell: whoever joined a queue of `length` waited
    /// at most `us`, so that so many were accepted in that time. Of those who still
    /// wait nothing is known by it.
    #[must_use]
    pub fn known_to_empty(self, length: u64, us: u64) -> Self {
        if !self.accepts_at_least || self.waiting > 0 || us == 0 || length == 0 {
            return self;
        }
        let rate = float(length) * 1e6 / float(us);
        let known = self.accepts_per_second.unwrap_or(0.0).max(rate);
        Self { accepts_per_second: Some(known), ..self }
    }

    /// How long the last one in the longest queue would have waited, in seconds.
    pub fn longest_wait(self) -> Option<f64> {
        self.accepts_per_second.map(|rate| float(self.longest) / rate)
    }

    /// From the first refusal to the last, in seconds.
    pub fn seconds(self) -> f64 {
        float(self.refused_to.saturating_sub(self.refused_from)) / 1e9
    }

    /// Clients that came in a second meanwhile; `None` where that was too short
    /// a time to tell.
    pub fn arrivals_per_second(self) -> Option<f64> {
        (self.seconds() >= 0.1).then(|| float(self.arrived) / self.seconds())
    }
}

impl WhatIf {
    /// The queue's length was seen (`CLOCK_MONOTONIC`, ns), with what came then.
    ///
    /// Records of several CPUs may arrive a little out of order: the time between
    /// two is then 0.
    pub fn see(&mut self, time: u64, length: u64, arrival: Arrival) {
        if self.is_closed {
            return;
        }
        let joined = matches!(arrival, Arrival::Finished | Arrival::FinishedAtLast);
        let before = length.saturating_sub(u64::from(joined));
        match self.seen {
            None => self.length = before,
            Some(last) => self.pass(last, time, before),
        }
        match arrival {
            Arrival::Refused => self.refuse(time),
            Arrival::Finished => self.join(),
            Arrival::None | Arrival::FinishedAtLast => {}
        }
        self.length = self.length.max(length);
        if self.length > self.longest {
            (self.longest, self.longest_at) = (self.length, time);
        }
        let time = self.seen.map_or(time, |last| last.time.max(time));
        self.seen = Some(Seen { time, length });
    }

    /// The listener closed, or shut: whoever waits in its queue is lost.
    pub const fn close(&mut self) {
        self.is_closed = true;
    }

    /// It listens again.
    pub const fn open(&mut self) {
        self.is_closed = false;
    }

    /// Whether anybody was refused: what is seen before that need not be told.
    pub const fn has_refused(&self) -> bool {
        self.refused > 0
    }

    /// What it would have needed, at this time; `None` where nobody was refused.
    pub fn need(&self, now: u64) -> Option<Need> {
        let last = self.seen.filter(|_| self.refused > 0)?;
        let rate = self.rate();
        let emptied = if last.length == 0 { self.would_accept(now.saturating_sub(last.time)) } else { 0 };
        Some(Need {
            longest: self.longest,
            left: self.length.saturating_sub(emptied),
            longest_at: self.longest_at,
            waiting: last.length,
            seen_at: last.time,
            accepts_per_second: rate,
            accepts_at_least: self.busy_accepts < ENOUGH,
            refused: self.refused,
            refused_from: self.first_refused,
            refused_to: self.last_refused,
            arrived: self.arrived,
        })
    }

    /// What happened from the last look to this one, at which `before` wait.
    fn pass(&mut self, last: Seen, time: u64, before: u64) {
        let elapsed = time.saturating_sub(last.time);
        let accepted = last.length.saturating_sub(before);
        let unseen = before.saturating_sub(last.length);
        if last.length > 0 {
            self.served_ns = self.served_ns.saturating_add(elapsed);
            self.served = self.served.saturating_add(accepted);
        }
        let taken = if before > 0 {
            if last.length > 0 {
                self.busy_ns = self.busy_ns.saturating_add(elapsed);
                self.busy_accepts = self.busy_accepts.saturating_add(accepted);
            }
            accepted
        } else {
            // The queue ran empty at some time; from then on the imagined one was served.
            accepted.max(self.would_accept(elapsed))
        };
        self.length = self.length.saturating_add(unseen).saturating_sub(taken).max(before);
    }

    fn refuse(&mut self, time: u64) {
        if self.refused == 0 {
            self.first_refused = time;
            self.arrived_since_refusal = 0;
        }
        self.refused += 1;
        self.last_refused = self.last_refused.max(time);
        self.join();
        self.arrived += std::mem::take(&mut self.arrived_since_refusal);
    }

    fn join(&mut self) {
        self.length = self.length.saturating_add(1);
        self.arrived_since_refusal += 1;
    }

    /// Accepts per second while connections waited. Where the queue ran empty before
    /// enough were accepted to tell, a rate that is not above the true one.
    fn rate(&self) -> Option<f64> {
        let per_second = |count: u64, ns: u64| (count > 0 && ns > 0).then(|| float(count) * 1e9 / float(ns));
        let busy = per_second(self.busy_accepts, self.busy_ns).filter(|_| self.busy_accepts >= ENOUGH);
        [busy, per_second(self.served, self.served_ns)].into_iter().flatten().reduce(f64::max)
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a product of positive numbers; a cast of more than an integer holds gives its maximum"
    )]
    fn would_accept(&self, elapsed: u64) -> u64 {
        self.rate().map_or(0, |rate| (rate * float(elapsed) / 1e9) as u64)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a rate is shown with three digits")]
fn float(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// A queue under a limit as the kernel keeps it, of an application that
    /// accepts one connection in so many ms; clients come at these times (ms) and
    /// never again.
    struct Played {
        what_if: WhatIf,
        longest_unrefused: u64,
        refused: u64,
    }

    fn play(limit: u64, accept_every_ms: u64, arrivals: &[u64]) -> Played {
        let mut what_if = WhatIf::default();
        let (mut queue, mut unrefused) = (0u64, 0u64);
        let (mut longest_unrefused, mut refused) = (0, 0);
        let end = arrivals.last().copied().unwrap_or(0) + 2000;
        for ms in 0..end {
            if ms % accept_every_ms == 0 {
                (queue, unrefused) = (queue.saturating_sub(1), unrefused.saturating_sub(1));
            }
            for _ in arrivals.iter().filter(|at| **at == ms) {
                unrefused += 1;
                longest_unrefused = longest_unrefused.max(unrefused);
                if queue > limit {
                    refused += 1;
                    what_if.see(ms * MS, queue, Arrival::Refused);
                } else {
                    queue += 1;
                    if what_if.has_refused() {
                        what_if.see(ms * MS, queue, Arrival::Finished);
                    }
                }
            }
            if ms % 1000 == 999 && what_if.has_refused() {
                what_if.see(ms * MS, queue, Arrival::None);
            }
        }
        Played { what_if, longest_unrefused, refused }
    }

    /// Arrivals, one a millisecond, from a time on.
    fn burst(from: u64, clients: u64) -> Vec<u64> {
        (from..from + clients).collect()
    }

    #[track_caller]
    fn check(limit: u64, accept_every_ms: u64, arrivals: &[u64]) {
        let played = play(limit, accept_every_ms, arrivals);
        assert!(played.refused > 0);
        let need = played.what_if.need(u64::MAX).unwrap();
        assert_eq!(need.refused, played.refused);
        assert_eq!(need.longest, played.longest_unrefused);
        // And that limit holds: with it nobody is refused, with one less somebody is.
        assert_eq!(play(need.limit(), accept_every_ms, arrivals).refused, 0);
        assert!(play(need.limit() - 1, accept_every_ms, arrivals).refused > 0);
    }

    #[test]
    fn the_limit_that_would_have_held_is_the_one_that_holds() {
        check(8, 10, &burst(100, 100));
        check(1, 2, &burst(100, 50));
        check(128, 5, &burst(100, 400));
        // Two bursts that do not meet: the longer one counts.
        check(8, 10, &[burst(100, 60), burst(2500, 100)].concat());
        check(8, 10, &[burst(100, 100), burst(2500, 60)].concat());
    }

    #[test]
    fn who_tries_again_needs_one_place() {
        let mut what_if = WhatIf::default();
        what_if.see(0, 2, Arrival::Refused);
        what_if.see(MS, 2, Arrival::None);
        what_if.see(2 * MS, 2, Arrival::None);
        assert_eq!(what_if.need(2 * MS).unwrap().longest, 3);
        // One was accepted, and it got in.
        what_if.see(3 * MS, 2, Arrival::FinishedAtLast);
        let need = what_if.need(3 * MS).unwrap();
        assert_eq!((need.longest, need.left, need.limit(), need.refused), (3, 2, 2, 1));
    }

    #[test]
    fn rates_are_those_of_a_queue_in_which_somebody_waits() {
        let played = play(8, 10, &burst(100, 300));
        let need = played.what_if.need(u64::MAX).unwrap();
        assert!((95.0..105.0).contains(&need.accepts_per_second.unwrap()), "{need:?}");
        assert!((950.0..1050.0).contains(&need.arrivals_per_second().unwrap()), "{need:?}");
        assert!((2.5..3.0).contains(&need.longest_wait().unwrap()), "{need:?}");
    }

    #[test]
    fn waits_tell_a_rate_where_the_queue_ran_empty_at_once() {
        let mut what_if = WhatIf::default();
        (0..20).for_each(|client| what_if.see(client, 9, Arrival::Refused));
        what_if.see(1000 * MS, 0, Arrival::None);
        let need = what_if.need(1000 * MS).unwrap();
        let rate = |need: Need| need.accepts_per_second.unwrap();
        assert!(need.accepts_at_least && (rate(need) - 9.0).abs() < 0.01, "{need:?}");
        assert!((rate(need.known_to_empty(9, 100_000)) - 90.0).abs() < 0.01);
        assert!((rate(need.known_to_empty(9, 100_000_000)) - 9.0).abs() < 0.01, "no lower than seen");
        let busy = play(8, 10, &burst(100, 300)).what_if.need(u64::MAX).unwrap();
        assert_eq!(busy.known_to_empty(9, 1), busy, "what was seen is better");
        what_if.see(1001 * MS, 1, Arrival::Finished);
        let waits = what_if.need(1001 * MS).unwrap();
        assert_eq!(waits.known_to_empty(9, 1), waits, "one waits still");
    }

    #[test]
    fn nobody_accepts_and_nobody_is_refused() {
        let mut what_if = WhatIf::default();
        assert!(what_if.need(9).is_none());
        what_if.see(0, 2, Arrival::None);
        assert!(what_if.need(9).is_none());
        for at in 0..5 {
            what_if.see(at * 1000 * MS, 2, Arrival::Refused);
        }
        let need = what_if.need(u64::MAX).unwrap();
        assert_eq!((need.accepts_per_second, need.longest, need.left), (None, 7, 7));
        assert!((need.seconds() - 4.0).abs() < 1e-9);
    }

    #[test]
    fn what_leaves_a_queue_that_closes_was_not_accepted() {
        let mut what_if = WhatIf::default();
        what_if.see(0, 9, Arrival::Refused);
        what_if.see(1000 * MS, 8, Arrival::None);
        what_if.close();
        what_if.see(1001 * MS, 0, Arrival::None);
        let rate = |what_if: &WhatIf| what_if.need(2000 * MS).unwrap().accepts_per_second.unwrap();
        assert!((rate(&what_if) - 1.0).abs() < 1e-9);
        what_if.open();
        what_if.see(2001 * MS, 7, Arrival::None);
        assert!(rate(&what_if) < 1.1);
    }

    #[test]
    fn absurd_stamps_and_lengths_are_bounded() {
        let mut what_if = WhatIf::default();
        for (time, length) in [(u64::MAX, u64::MAX), (0, 0), (u64::MAX, u64::MAX), (1, 0)] {
            what_if.see(time, length, Arrival::Refused);
            what_if.see(time, length, Arrival::Finished);
        }
        assert!(what_if.need(u64::MAX).is_some());
    }
}
