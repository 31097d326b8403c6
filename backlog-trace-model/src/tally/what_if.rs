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
mod tests;
